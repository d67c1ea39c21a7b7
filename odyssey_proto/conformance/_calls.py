"""Checks HTTP calls against ``spec/openapi.yaml``, and signaling handshakes against ``spec/asyncapi.yaml``."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from ._schemas import parsed
from ._violation import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .._model.traffic import Exchange
    from ._schemas import Schemas

__all__ = ["HANDSHAKE", "OTHERS", "PLACES", "CallRules", "claims_of", "path_of"]

HANDSHAKE: Final = "/client/{session_id}"
"""The path of the signaling handshake, as in `asyncapi.yaml`."""

PLACES: Final = {
    "/signaling/client/{session_id}": HANDSHAKE,
    "/signaling/config": "/config",
    "/ping/{region}": "/",
    "/live/{stream_id}/whep": "/whep",
    "/live/{stream_id}/whep/{resource}": "/whep/{resource}",
    "/live/{stream_id}/index.m3u8": "/index.m3u8",
}
"""By the emulator's path: the path in openapi.yaml that stands for an address chosen by the service."""

_OF_CLIENT: Final = {"(ping)": "/", "/whep/…": "/whep/{resource}"}
"""By the name of a call in our client's errors, if that is not a path: the path in openapi.yaml."""

OTHERS: Final = re.compile(r"/artifacts/|/_emulator/|/live/\{stream_id\}/\{segment\}")
"""Paths that the protocol does not describe: files behind signed addresses, HLS segments, the emulator's own."""

_OPENAPI: Final = Rule("openapi.yaml")
_SIGNALING: Final = Rule("asyncapi.yaml", ("channels", "signaling"))
_CLAIMS: Final = Rule("schemas/sessions.yaml", ("$defs", "SessionTokenClaims"))
_ERROR: Final = Rule("schemas/errors.yaml", ("$defs", "ErrorBody"))
_ERRORS: Final = {"application/json": _ERROR}
_CLAIMED: Final = "session token"
_NOT_A_WEBSOCKET: Final = 426


class CallRules:
    """The valid content and the valid answers of each call."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._paths: dict[str, Any] = schemas.node(_OPENAPI)["paths"]
        self._patterns = [(route, _pattern(route)) for route in self._paths]
        # Looked up for every call of every test: read once.
        self.parameters: Callable[[str, str], dict[str, Rule]] = functools.cache(self._parameters)
        self.kinds: Callable[[Rule], dict[str, Rule]] = functools.cache(self._kinds)
        self.answer: Callable[[Rule, int], Rule | None] = functools.cache(self._answer)

    def route_of(self, path: str) -> str | None:
        """Return the path in openapi.yaml, with its braces, that matches ``path``; None if no path does."""
        return next((route for route, pattern in self._patterns if pattern.fullmatch(path)), None)

    def operation(self, exchange: Exchange) -> Rule | None:
        """Return the operation of a call; None if the protocol has no such call."""
        path = path_of(exchange.route)
        method = exchange.method.lower()
        return _OPENAPI / "paths" / path / method if method in self._paths.get(path, {}) else None

    def _parameters(self, path: str, method: str) -> dict[str, Rule]:
        """Return the arguments that the query of a call may have, by name."""
        found = {}
        for owner in (_OPENAPI / "paths" / path, _OPENAPI / "paths" / path / method):
            for index in range(len(self._schemas.node(owner).get("parameters", ()))):
                rule = self._schemas.resolved(owner / "parameters" / index)
                node = self._schemas.node(rule)
                if node["in"] == "query":
                    found[node["name"]] = rule
        return found

    def _kinds(self, content: Rule) -> dict[str, Rule]:
        """Return the schema of each content type that a body may have."""
        return {kind: content / kind / "schema" for kind in self._schemas.node(content)}

    def _answer(self, operation: Rule, status: int) -> Rule | None:
        """Return the answer that an operation has for a status; None if it has none."""
        answers = self._schemas.node(operation / "responses")
        known = next((key for key in (str(status), f"{status // 100}XX", "default") if key in answers), None)
        return None if known is None else self._schemas.resolved(operation / "responses" / known)

    def violations(self, exchange: Exchange, *, request: bool, answer: bool) -> Iterator[Violation]:
        """Yield the violations of the request, the answer, or both."""
        if not exchange.route or OTHERS.match(exchange.route):
            return
        path = path_of(exchange.route)
        operation = self.operation(exchange)
        answer = answer and exchange.status is not None
        shown = path if operation or path == HANDSHAKE else exchange.path
        judgement = _Judgement(self, self._schemas, exchange, shown)
        if path == HANDSHAKE:
            yield from judgement.handshake(request=request, answer=answer)
        elif operation is None:
            yield from judgement.unknown_call(request=request, answer=answer)
        else:
            if request:
                yield from judgement.request(operation, self.parameters(path, exchange.method.lower()))
            if answer:
                yield from judgement.answer(operation)


class _Judgement:
    """The judgement of one call."""

    def __init__(self, rules: CallRules, schemas: Schemas, exchange: Exchange, path: str) -> None:
        self._rules = rules
        self._schemas = schemas
        self._exchange = exchange
        self._where = f"{exchange.method} {path}"
        self._status = str(exchange.status)

    def _wrong(self, part: str, what: str, rule: Rule) -> Violation:
        return Violation(where=self._where, part=part, what=what, rule=rule, by=_by(part))

    def _misfits(self, part: str, rule: Rule, data: Any) -> Iterator[Violation]:
        for found in self._schemas.misfits(rule, data):
            yield Violation(
                where=self._where,
                part=part,
                at=found.at,
                what=found.what,
                rule=found.rule,
                by=_by(part),
                kind=found.kind,
                value=found.value,
            )

    def handshake(self, *, request: bool, answer: bool) -> Iterator[Violation]:
        """Yield the violations of a signaling handshake."""
        seen = self._exchange
        if request:
            yield from self._misfits("query", _SIGNALING / "bindings" / "ws" / "query", dict(seen.query))
            if "Authorization" in seen.request_headers:
                yield self._wrong("request", "the handshake carries a bearer token", _SIGNALING / "bindings")
        if answer and seen.status != 101:
            refusal = _SIGNALING / "x-refused-handshake"
            status = self._schemas.node(refusal)["status"]
            if seen.status not in (status, _NOT_A_WEBSOCKET):
                yield self._wrong(self._status, f"a handshake is refused with {status}", refusal / "status")
            yield from self._body(self._status, _ERRORS, refusal, seen.headers, seen.body)

    def unknown_call(self, *, request: bool, answer: bool) -> Iterator[Violation]:
        """Yield the violations of a call that the protocol does not have, and of its refusal."""
        seen, paths = self._exchange, _OPENAPI / "paths"
        if request:
            yield self._wrong("", "the protocol has no such call", paths)
        if answer and seen.method != "OPTIONS":
            if seen.status not in (404, 405):
                yield self._wrong(self._status, "the protocol has no such call", paths)
            yield from self._body(self._status, _ERRORS, paths, seen.headers, seen.body)

    def request(self, operation: Rule, parameters: Mapping[str, Rule]) -> Iterator[Violation]:
        """Yield the violations of a request."""
        seen, node = self._exchange, self._schemas.node(operation)
        general = node.get("security", self._schemas.node(_OPENAPI / "security"))
        security = operation / "security" if "security" in node else _OPENAPI / "security"
        authorization = seen.request_headers.get("Authorization", "")
        if general and not re.fullmatch(r"Bearer \S+", authorization):
            yield self._wrong("request", "no bearer token", security)
        if not general and authorization:
            yield self._wrong("request", "it carries a bearer token, which is not for this call", security)
        yield from self._query(operation, parameters)
        content = node.get("requestBody", {}).get("content")
        if content is None:
            if seen.request_body:
                yield self._wrong("request", "it has a body, which the protocol does not define", operation)
        elif seen.request_body is not None:
            place = operation / "requestBody" / "content"
            kinds = self._rules.kinds(place)
            yield from self._body("request", kinds, place, seen.request_headers, seen.request_body)

    def _query(self, operation: Rule, known: Mapping[str, Rule]) -> Iterator[Violation]:
        query = self._exchange.query
        for name, text in query:
            if name in known:
                schema = known[name] / "schema"
                data = _value(text, self._schemas.node(self._schemas.resolved(schema)))
                yield from self._misfits(f"query {name}", schema, data)
            else:
                yield self._wrong(
                    "request", f"the query has {name[:40]!r}, which the protocol does not define", operation
                )
        given = {name for name, _ in query}
        for name, rule in known.items():
            if self._schemas.node(rule).get("required") and name not in given:
                yield self._wrong("request", f"the query lacks {name!r}", rule)

    def answer(self, operation: Rule) -> Iterator[Violation]:
        """Yield the violations of an answer."""
        seen = self._exchange
        assert seen.status is not None
        rule = self._rules.answer(operation, seen.status)
        if rule is None:
            yield self._wrong(self._status, "the protocol has no such answer", operation / "responses")
            return
        found = self._schemas.node(rule)
        for name in found.get("headers", ()):
            header = self._schemas.node(self._schemas.resolved(rule / "headers" / name))
            if header.get("required") and name not in seen.headers:
                yield self._wrong(self._status, f"no header {name}", rule / "headers" / name)
        if "content" in found:
            place = rule / "content"
            yield from self._body(self._status, self._rules.kinds(place), place, seen.headers, seen.body)
        if self._schemas.node(operation)["operationId"] == "createSessionToken" and seen.status == 200:
            yield from self._claims(seen.body)

    def _claims(self, body: bytes | None) -> Iterator[Violation]:
        claims = claims_of(body)
        if claims is None:
            yield self._wrong(_CLAIMED, "it is not a JWT", _CLAIMS)
        else:
            claims.pop("jti", None)  # part of RFC 7519; clients ignore it
            yield from self._misfits(_CLAIMED, _CLAIMS, claims)

    def _body(
        self, part: str, kinds: Mapping[str, Rule], place: Rule, headers: Mapping[str, str], body: bytes | None
    ) -> Iterator[Violation]:
        kind = headers.get("Content-Type", "").partition(";")[0].strip()
        if kind not in kinds:
            wanted = " or ".join(kinds)
            yield self._wrong(part, f"its Content-Type is {kind[:40]!r}, not {wanted}", place)
            return
        if kind != "application/json":
            return
        data, wrong = (None, "its body was streamed") if body is None else parsed(body)
        if wrong:
            yield self._wrong(part, wrong, kinds[kind])
        else:
            yield from self._misfits(part, kinds[kind], data)


def _by(part: str) -> Literal["client", "service"]:
    return "service" if part.isdecimal() or part == _CLAIMED else "client"


def path_of(route: str) -> str:
    """Return the path in openapi.yaml, or `HANDSHAKE`, for a route as shown by the emulator or our client."""
    return PLACES.get(route) or _OF_CLIENT.get(route) or route


def claims_of(body: bytes | None) -> dict[str, Any] | None:
    """Return the claims of the session token in an answer; None if it has none that can be read."""
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        payload = json.loads(body or b"")["session_token"].split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return found if isinstance(found, dict) else None
    return None


def _pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route)))


def _value(text: str, schema: Any) -> Any:
    """Return the value that a text of a query has under ``schema``; the text itself if it has none."""
    with contextlib.suppress(ValueError, RecursionError):
        if schema.get("type") in ("integer", "boolean"):
            return json.loads(text)
    return text
