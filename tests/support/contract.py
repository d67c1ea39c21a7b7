"""A witness for every test, which checks the traffic between emulators and clients against ``spec/``.

Answers and messages of an emulator must conform unless a fault wrote them; requests and messages of a client must
if the client is ours. `spec/openapi.yaml` lists the calls and statuses, `spec/asyncapi.yaml` the direction of each
message, and the schemas the content. All objects are closed here: our side sends no field that the
spec does not list, although readers would ignore it.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from odyssey_proto.emulator._traffic import Exchange, Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from odyssey_proto.emulator._traffic import Seen

__all__ = ["OTHERS", "PLACES", "SPEC", "Contract", "Witness", "contract", "request_alone"]

SPEC: Final = Path(__file__).resolve().parents[2] / "spec"
_OURS: Final = "odyssey-proto/"
_LONGEST_TEXT: Final = 300
_HANDSHAKE: Final = "/signaling/client/{session_id}"
_CLAIMS: Final = "schemas/sessions.yaml#/$defs/SessionTokenClaims"
_ERROR: Final = "schemas/errors.yaml#/$defs/ErrorBody"

PLACES: Final = {
    "/signaling/config": "/config",
    "/ping/{region}": "/",
    "/live/{stream_id}/whep": "/whep",
    "/live/{stream_id}/whep/{resource}": "/whep/{resource}",
    "/live/{stream_id}/index.m3u8": "/index.m3u8",
}
"""The emulator's paths for those in openapi.yaml that stand for addresses chosen by the service."""

OTHERS: Final = re.compile(r"/artifacts/|/_emulator/|/live/\{stream_id\}/\{segment\}")
"""Paths that the protocol does not describe: files behind signed addresses, HLS segments, and the fault script."""


class Contract:
    """The documents of ``spec/``, and checks against them."""

    def __init__(self) -> None:
        documents = {
            f"schemas/{path.name}": yaml.safe_load(path.read_text("utf-8"))
            for path in (SPEC / "schemas").glob("*.yaml")
        }
        self._openapi = yaml.safe_load((SPEC / "openapi.yaml").read_text("utf-8"))
        documents["openapi.yaml"] = self._openapi
        documents["asyncapi.yaml"] = asyncapi = yaml.safe_load((SPEC / "asyncapi.yaml").read_text("utf-8"))
        self._registry: Registry[Any] = Registry().with_resources(
            (name, DRAFT202012.create_resource(_closed(document))) for name, document in documents.items()
        )
        self._handshake = asyncapi["channels"]["signaling"]
        self._messages = {
            (place, from_client): _tags(asyncapi, place, from_client)
            for place in asyncapi["channels"]
            for from_client in (True, False)
        }

    def route_of(self, path: str) -> str | None:
        """Return the path in openapi.yaml, with its braces, that matches ``path``; None if no path does."""
        return next((route for route in self._openapi["paths"] if _pattern(route).fullmatch(path)), None)

    def violations(self, seen: Seen) -> Iterator[str]:
        """Yield one text for each fault of ``seen``."""
        if isinstance(seen, Message):
            if not seen.injected and (not seen.from_client or seen.user_agent.startswith(_OURS)):
                yield from self._message(seen)
            return
        if OTHERS.match(seen.route):
            return
        ours = seen.request_headers.get("User-Agent", "").startswith(_OURS)
        answered = seen.status is not None and not seen.injected
        judge = self._handshakes if seen.route == _HANDSHAKE else self._call
        yield from (f"{seen.method} {seen.path}: {text}" for text in judge(seen, ours=ours, answered=answered))

    # Messages

    def _message(self, message: Message) -> Iterator[str]:
        where = f"{message.place}, from the {'client' if message.from_client else 'service'}"
        if not isinstance(message.text, str):
            yield f"{where}: a message is text, not bytes"
            return
        data, wrong = _parsed(message.text)
        if wrong:
            yield f"{where}: {wrong}"
            return
        tag = data.get("type") if isinstance(data, dict) else None
        reference = self._messages[message.place, message.from_client].get(str(tag))
        if reference is None:
            yield f"{where}: no message {tag!r} goes this way (spec/asyncapi.yaml)"
        else:
            yield from (f"{where}, {tag}: {text}" for text in self._misfits({"$ref": reference}, data))

    # Calls

    def _handshakes(self, seen: Exchange, *, ours: bool, answered: bool) -> Iterator[str]:
        if ours:
            query = self._handshake["bindings"]["ws"]["query"]
            yield from (f"query: {text}" for text in self._misfits(query, dict(seen.query)))
            if "Authorization" in seen.request_headers:
                yield "the handshake carries a bearer token"
        if answered and seen.status != 101:
            refused = (self._handshake["x-refused-handshake"]["status"], 426)  # 426: it was not a WebSocket
            if seen.status not in refused:
                yield f"{seen.status}: a handshake is refused with {refused[0]} (spec/asyncapi.yaml)"
            yield from self._body({"application/json": {"schema": {"$ref": _ERROR}}}, seen.headers, seen.body)

    def _call(self, seen: Exchange, *, ours: bool, answered: bool) -> Iterator[str]:
        path = PLACES.get(seen.route, seen.route)
        item = self._openapi["paths"].get(path, {})
        operation = item.get(seen.method.lower())
        if operation is None:
            if ours:
                yield "no such call in spec/openapi.yaml"
            if answered and seen.method != "OPTIONS":
                yield from self._refusal_of_what_is_not_there(seen)
            return
        if ours:
            parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
            yield from self._request(operation, [self._resolved(found) for found in parameters], seen)
        if answered:
            yield from self._answer(operation, seen)

    def _refusal_of_what_is_not_there(self, seen: Exchange) -> Iterator[str]:
        if seen.status not in (404, 405):
            yield f"{seen.status}: no such call in spec/openapi.yaml"
        yield from self._body({"application/json": {"schema": {"$ref": _ERROR}}}, seen.headers, seen.body)

    def _request(self, operation: Any, parameters: list[Any], seen: Exchange) -> Iterator[str]:
        wanted = operation.get("security", self._openapi["security"])
        authorization = seen.request_headers.get("Authorization", "")
        if wanted and not re.fullmatch(r"Bearer \S+", authorization):
            yield "request: no bearer token"
        if not wanted and authorization:
            yield "request: it carries a bearer token, which is not for this call"
        known = {found["name"]: found for found in parameters if found["in"] == "query"}
        for name, text in seen.query:
            if name not in known:
                yield f"request: no query argument {name!r} in spec/openapi.yaml"
            else:
                schema = known[name]["schema"]
                yield from (f"request: query {name}: {why}" for why in self._misfits(schema, _value(text, schema)))
        given = {name for name, _ in seen.query}
        yield from (
            f"request: no query argument {name!r}"
            for name, found in known.items()
            if found.get("required") and name not in given
        )
        content = operation.get("requestBody", {}).get("content")
        if content is None:
            if seen.request_body:
                yield "request: it has a body, and there is none in spec/openapi.yaml"
        elif seen.request_body is not None:
            yield from (
                f"request: {text}" for text in self._body(content, seen.request_headers, seen.request_body)
            )

    def _answer(self, operation: Any, seen: Exchange) -> Iterator[str]:
        answers = operation["responses"]
        found = answers.get(str(seen.status)) or answers.get(f"{str(seen.status)[0]}XX") or answers.get("default")
        if found is None:
            yield f"{seen.status}: no such answer in spec/openapi.yaml"
            return
        found = self._resolved(found)
        for name, header in found.get("headers", {}).items():
            if header.get("required") and name not in seen.headers:
                yield f"{seen.status}: no header {name}"
        if "content" in found:
            yield from (f"{seen.status}: {text}" for text in self._body(found["content"], seen.headers, seen.body))
        if operation["operationId"] == "createSessionToken" and seen.status == 200 and seen.body:
            claims = json.loads(seen.body)["session_token"].split(".")[1]
            data = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            data.pop("jti", None)  # part of RFC 7519; clients ignore it
            yield from (f"session token: {text}" for text in self._misfits({"$ref": _CLAIMS}, data))

    def _body(self, content: Any, headers: Mapping[str, str], body: bytes | None) -> Iterator[str]:
        kind = headers.get("Content-Type", "").partition(";")[0].strip()
        if kind not in content:
            yield f"its Content-Type is {kind!r}, not {' or '.join(content)}"
            return
        schema = content[kind]["schema"]
        if kind != "application/json":
            return
        if body is None:
            yield "its body was streamed"
            return
        data, wrong = _parsed(body)
        if wrong:
            yield wrong
        else:
            yield from self._misfits(schema, data)

    def _resolved(self, node: Any) -> Any:
        while "$ref" in node:
            found = self._openapi
            for key in node["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            node = found
        return node

    # Schemas

    def _misfits(self, schema: Any, data: Any) -> Iterator[str]:
        """Yield the places where ``data`` violates ``schema``, which is in an envelope."""
        for error in Draft202012Validator(_closed(schema), registry=self._registry).iter_errors(data):
            place = "".join(f"/{key}" for key in error.absolute_path) or "all of it"
            yield f"{place}: {error.message[:_LONGEST_TEXT]}"


class Witness:
    """Collects the traffic and checks it on request, so never on the emulator's thread."""

    def __init__(self) -> None:
        self._seen: collections.deque[Seen] = collections.deque()

    def __call__(self, seen: Seen) -> None:
        self._seen.append(seen)

    def violations(self) -> list[str]:
        """Return the violations in the traffic since the last call."""
        found: dict[str, None] = {}
        while self._seen:
            found |= dict.fromkeys(contract().violations(self._seen.popleft()))
        return list(found)


def request_alone(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Exchange | None:
    """Return a request that reached another server than the emulator; None if it is not one of the protocol."""
    url = urlsplit(target)
    route = contract().route_of(url.path)
    if route is None:
        return None
    return Exchange(
        method=method,
        route=route,
        path=url.path,
        query=tuple(parse_qsl(url.query, keep_blank_values=True)),
        request_headers={name.title(): value for name, value in headers.items()},
        request_body=body,
        status=None,
        headers={},
        body=None,
        injected=True,
    )


@functools.cache
def contract() -> Contract:
    """Return the contract, read once."""
    return Contract()


def _tags(asyncapi: Any, place: str, from_client: bool) -> dict[str, str]:
    """Return the schema of each message in a channel and direction, by its tag."""
    told = {}
    for operation in asyncapi["operations"].values():
        if _last(operation["channel"]) == place and (operation["action"] == "send") == from_client:
            for reference in operation["messages"]:
                message = asyncapi["channels"][place]["messages"][_last(reference)]
                found = asyncapi["components"]["messages"][_last(message)]
                told[found["name"]] = found["payload"]["$ref"]
    return told


def _pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route)))


def _last(node: Any) -> str:
    """Return the last key of the pointer that ``node`` refers to."""
    return str(node["$ref"].rpartition("/")[2])


def _closed(node: Any) -> Any:
    """Return a schema, or a document with schemas, whose objects have no other fields than those listed."""
    if isinstance(node, list):
        return [_closed(value) for value in node]
    if not isinstance(node, dict):
        return node
    found = {key: _closed(value) for key, value in node.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


def _parsed(text: str | bytes) -> tuple[Any, str]:
    """Return the data of a JSON text, and its faults."""
    try:
        return json.loads(text if isinstance(text, str) else text.decode(), parse_constant=_refuse), ""
    except ValueError as exc:
        return None, f"it is no JSON: {exc}"


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is none")


def _value(text: str, schema: Any) -> Any:
    """Return the value of a query's text under ``schema``; the text itself if it has no such value."""
    with contextlib.suppress(ValueError):
        if schema.get("type") in ("integer", "boolean"):
            return json.loads(text)
    return text
