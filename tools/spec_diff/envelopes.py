"""Compares the envelopes: the calls of `openapi.yaml` with their answers, and the messages of `asyncapi.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.spec_diff.changes import BOTH, NOBODY, READERS, WRITERS, Change
from tools.spec_diff.nodes import between_nodes
from tools.spec_diff.schemas import between_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.spec_diff.schemas import Definitions

__all__ = ["between_calls", "between_messages"]

Document = dict[str, Any]
_NAMES: Final = {
    "operationId": "a name in generated code, and nothing on the wire",
    "path": "a note on where the fact comes from",
}
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def between_calls(old: Document, new: Document, before: Definitions, after: Definitions) -> Iterator[Change]:
    """Yield every change from one `openapi.yaml` to another."""
    was, now = _calls(old), _calls(new)
    servers = ([one["url"] for one in document.get("servers", ())] for document in (old, new))
    if (addresses := tuple(servers))[0] != addresses[1]:
        yield Change(
            "openapi.yaml", f"the servers are now {', '.join(addresses[1])}", "calls go elsewhere", WRITERS
        )
    schemes, others = (document.get("components", {}).get("securitySchemes", {}) for document in (old, new))
    yield from between_nodes(
        "securitySchemes", schemes, others, "clients present what they presented before", WRITERS
    )
    yield from _headers_between(old, new, before, after)
    for call in [*was, *(call for call in now if call not in was)]:
        if call not in now:
            yield Change(call, "call removed", "clients make it", WRITERS)
        elif call not in was:
            yield Change(call, "call added", "nobody has to make it")
        else:
            yield from _Call(call, old, new, before, after).changes(was[call], now[call])


def _calls(document: Document) -> dict[str, Document]:
    """Return every call by its `POST /path`, with the parameters of its path and the security of the document."""
    return {
        f"{method.upper()} {path}": {
            "security": document.get("security", []),
            **item[method],
            "parameters": [*item.get("parameters", ()), *item[method].get("parameters", ())],
            "servers": [one["url"] for one in item[method].get("servers", item.get("servers", ()))],
            "path": {key: value for key, value in item.items() if key.startswith("x-")},
        }
        for path, item in document.get("paths", {}).items()
        for method in _METHODS
        if method in item
    }


class _Call:
    """One call, before and after."""

    def __init__(self, name: str, old: Document, new: Document, before: Definitions, after: Definitions) -> None:
        self._name = name
        self._documents = (old, new)
        self._definitions = (before, after)

    def changes(self, was: Document, now: Document) -> Iterator[Change]:
        """Yield every change of the call."""
        if was["security"] != now["security"]:
            yield Change(self._name, "other credentials", "clients present what they presented before", WRITERS)
        if was["servers"] != now["servers"]:
            yield Change(self._name, "other servers", "the call goes elsewhere", WRITERS)
        for word, why in _NAMES.items():
            yield from between_nodes(self._name, {word: was.get(word)}, {word: now.get(word)}, why, NOBODY)
        yield from self._parameters(self._named(was, 0), self._named(now, 1))
        yield from self._body(was.get("requestBody"), now.get("requestBody"))
        yield from self._statuses(was.get("responses", {}), now.get("responses", {}))

    def _resolved(self, node: Any, side: int) -> Any:
        while isinstance(node, dict) and str(node.get("$ref", "")).startswith("#/"):
            found: Any = self._documents[side]
            for step in node["$ref"].split("/")[1:]:
                found = found[step]
            node = found
        return node

    def _named(self, call: Document, side: int) -> dict[str, Document]:
        parameters = [self._resolved(parameter, side) for parameter in call["parameters"]]
        return {f"{one['in']} {one['name']}": one for one in parameters}

    def _schemas(self, place: str, old: Any, new: Any) -> Iterator[Change]:
        yield from between_schemas(place, old or {}, new or {}, *self._definitions)

    def _parameters(self, was: dict[str, Document], now: dict[str, Document]) -> Iterator[Change]:
        for name in [*was, *(name for name in now if name not in was)]:
            place = f"{self._name} {name}"
            required = (was.get(name, {}).get("required", False), now.get(name, {}).get("required", False))
            if name not in now:
                yield Change(place, "parameter removed", "clients send it", WRITERS)
                continue
            if name not in was and not required[1]:
                yield Change(place, "parameter added, optional", "clients may omit it")
            elif required == (False, True):
                yield Change(place, "parameter required", "clients do not have to send it so far", WRITERS)
            elif required == (True, False):
                yield Change(place, "parameter now optional", "servers rely on it", READERS)
            if name in was:
                yield from _mark(place, was[name], now[name])
                yield from self._schemas(place, was[name].get("schema"), now[name].get("schema"))

    def _body(self, was: Any, now: Any) -> Iterator[Change]:
        was, now, place = self._resolved(was, 0), self._resolved(now, 1), f"{self._name} body"
        if was is None or now is None:
            if now is not None:
                breaks = {"breaks": WRITERS} if now.get("required") else {}
                yield Change(place, "body added", "clients send none", **breaks)
            elif was is not None:
                yield Change(place, "body removed", "clients send one", WRITERS)
            return
        if was.get("required", False) != now.get("required", False):
            if now.get("required"):
                yield Change(place, "body now required", "clients may omit it", WRITERS)
            else:
                yield Change(place, "body now optional", "servers rely on it", READERS)
        yield from self._contents(place, was.get("content", {}), now.get("content", {}))

    def _contents(self, place: str, was: Document, now: Document) -> Iterator[Change]:
        for kind in sorted(was.keys() | now.keys()):
            if kind not in now:
                yield Change(place, f"`{kind}` removed", "writers send it", WRITERS)
            elif kind not in was:
                yield Change(place, f"`{kind}` added", "readers do not know it", READERS)
            else:
                yield from self._schemas(place, was[kind].get("schema"), now[kind].get("schema"))

    def _statuses(self, was: Document, now: Document) -> Iterator[Change]:
        for status in sorted(was.keys() | now.keys()):
            place = f"{self._name} {status}"
            covered = {"default", f"{status[0]}XX"} - {status}
            if status not in now:
                if covered & now.keys():
                    yield Change(place, "answer removed", "a wider range still has it")
                else:
                    yield Change(place, "answer removed", "servers send it", WRITERS)
            elif status not in was:
                if covered & was.keys():
                    yield Change(place, "answer added", "a wider range had it already")
                else:
                    yield Change(place, "answer added", "clients do not expect it", READERS)
            else:
                old, new = self._resolved(was[status], 0), self._resolved(now[status], 1)
                yield from _mark(place, old, new)
                yield from between_nodes(
                    f"{place} links",
                    old.get("links", {}),
                    new.get("links", {}),
                    "a note on which call may follow",
                    NOBODY,
                )
                yield from self._contents(place, old.get("content", {}), new.get("content", {}))
                yield from self.headers(place, old.get("headers", {}), new.get("headers", {}))

    def headers(self, place: str, was: Document, now: Document) -> Iterator[Change]:
        """Yield every change of the headers of an answer."""
        for name in sorted(was.keys() | now.keys()):
            old, new = (self._resolved(headers.get(name), side) for side, headers in enumerate((was, now)))
            here = f"{place} {name}"
            required = tuple(bool(header and header.get("required")) for header in (old, new))
            if new is None:
                why = "clients may rely on it" if required[0] else "it was optional"
                yield Change(here, "header removed", why, READERS if required[0] else NOBODY)
            elif old is None:
                yield Change(here, "header added", "clients ignore what they do not know")
            else:
                if required == (True, False):
                    yield Change(here, "header now optional", "clients rely on it", READERS)
                elif required == (False, True):
                    yield Change(here, "header now required", "servers may omit it", WRITERS)
                yield from _mark(here, old, new)
                yield from self._schemas(here, old.get("schema"), new.get("schema"))


def _headers_between(old: Document, new: Document, before: Definitions, after: Definitions) -> Iterator[Change]:
    """Yield the changes of the headers that any answer may have."""
    headers = [document.get("components", {}).get("headers", {}) for document in (old, new)]
    yield from _Call("any answer", old, new, before, after).headers("headers", *headers)


def _mark(place: str, old: Document, new: Document) -> Iterator[Change]:
    """Yield the changes of our own keywords, such as `x-assumed`."""
    was, now = ({key: value for key, value in node.items() if key.startswith("x-")} for node in (old, new))
    yield from between_nodes(place, was, now, "a note", NOBODY)


# --- messages


def between_messages(old: Document, new: Document) -> Iterator[Change]:
    """Yield every change from one `asyncapi.yaml` to another."""
    was, now = old.get("channels", {}), new.get("channels", {})
    yield from between_nodes("asyncapi.yaml", _around(old), _around(new), "both sides meet in the old way", BOTH)
    for channel in [*was, *(channel for channel in now if channel not in was)]:
        if channel not in now:
            yield Change(channel, "channel removed", "both sides use it", BOTH)
        elif channel not in was:
            yield Change(channel, "channel added", "nobody uses it")
        elif was[channel].get("address") != now[channel].get("address"):
            yield Change(
                channel, f"its address is now {now[channel].get('address')}", "it is found elsewhere", BOTH
            )
        if channel in was and channel in now:
            rest, others = (
                {key: value for key, value in item.items() if key not in ("address", "messages")}
                for item in (was[channel], now[channel])
            )
            yield from between_nodes(channel, rest, others, "both sides meet in the old way", BOTH)
    answers = (_replies(old), _replies(new))
    for name in sorted(answers[0].keys() & answers[1].keys()):
        yield from between_nodes(
            f"{name} reply", answers[0][name], answers[1][name], "writers wait for others", BOTH
        )
    sent = (_sent(old), _sent(new))
    for place in sorted(sent[0] ^ sent[1]):
        channel, action, message = place
        reverse = (channel, "send" if action == "receive" else "receive", message)
        shown = f"{channel} {action}"
        if place in sent[0] and reverse in sent[1] and reverse not in sent[0]:
            yield Change(shown, f"`{message}` now goes the other way", "both sides have it the old way", BOTH)
        elif place in sent[1] and reverse in sent[0] and reverse not in sent[1]:
            continue  # reported for the other direction
        elif place in sent[1]:
            yield Change(shown, f"`{message}` added", "readers ignore messages that they do not know")
        elif channel in now:
            yield Change(shown, f"`{message}` removed", "writers may send it, and readers may wait for it", BOTH)


def _sent(document: Document) -> set[tuple[str, str, str]]:
    """Return the messages that a client sends or receives: channel, action, and name of the definition of each."""
    return {
        (_last(operation["channel"]), operation["action"], _payload(document, message))
        for operation in document.get("operations", {}).values()
        for message in operation.get("messages", ())
    }


def _replies(document: Document) -> dict[str, list[str]]:
    """Return the messages that answer each operation."""
    return {
        name: sorted(_payload(document, message) for message in operation.get("reply", {}).get("messages", ()))
        for name, operation in document.get("operations", {}).items()
    }


def _around(document: Document) -> Document:
    """Return what is common to all channels of an `asyncapi.yaml`: content type, servers, security schemes."""
    components = document.get("components", {})
    keys = ("defaultContentType", "servers")
    return {
        **{key: document[key] for key in keys if key in document},
        "securitySchemes": components.get("securitySchemes", {}),
    }


def _payload(document: Document, reference: Document) -> str:
    """Return the name of the definition of a message; its key if the document does not state a payload."""
    node: Any = reference
    while isinstance(node, dict) and str(node.get("$ref", "")).startswith("#/"):
        found: Any = document
        for step in node["$ref"].split("/")[1:]:
            found = found.get(step, {})
        node = found
    return _last(node["payload"]) if "payload" in node else _last(reference)


def _last(reference: Document) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
