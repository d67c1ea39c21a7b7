"""Compares the envelopes: the calls of `openapi.yaml` with their answers, the messages of `asyncapi.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.spec_diff.changes import BOTH, READERS, WRITERS, Change
from tools.spec_diff.schemas import between_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.spec_diff.schemas import Definitions

__all__ = ["between_calls", "between_messages"]

Document = dict[str, Any]
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def between_calls(old: Document, new: Document, before: Definitions, after: Definitions) -> Iterator[Change]:
    """Yield every change from one `openapi.yaml` to another."""
    was, now = _calls(old), _calls(new)
    servers = ([one["url"] for one in document.get("servers", ())] for document in (old, new))
    if (addresses := tuple(servers))[0] != addresses[1]:
        yield Change(
            "openapi.yaml", f"the servers are now {', '.join(addresses[1])}", "calls go elsewhere", WRITERS
        )
    for call in [*was, *(call for call in now if call not in was)]:
        if call not in now:
            yield Change(call, "call removed", "clients make it", WRITERS)
        elif call not in was:
            yield Change(call, "call added", "nobody has to make it")
        else:
            yield from _Call(call, old, new, before, after).changes(was[call], now[call])


def _calls(document: Document) -> dict[str, Document]:
    """Return every call by `POST /path`, with the parameters of its path and the security of the document."""
    return {
        f"{method.upper()} {path}": {
            "security": document.get("security", []),
            **item[method],
            "parameters": [*item.get("parameters", ()), *item[method].get("parameters", ())],
            "servers": [one["url"] for one in item[method].get("servers", item.get("servers", ()))],
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
                yield from self._contents(place, old.get("content", {}), new.get("content", {}))
                yield from self._headers(place, old.get("headers", {}), new.get("headers", {}))

    def _headers(self, place: str, was: Document, now: Document) -> Iterator[Change]:
        for name in sorted(was.keys() | now.keys()):
            if name not in now:
                required = self._resolved(was[name], 0).get("required", False)
                breaks = {"breaks": READERS} if required else {}
                yield Change(
                    f"{place} {name}",
                    "header removed",
                    "clients may rely on it" if required else "it was optional",
                    **breaks,
                )
            elif name not in was:
                yield Change(f"{place} {name}", "header added", "clients ignore what they do not know")


# --- messages


def between_messages(old: Document, new: Document) -> Iterator[Change]:
    """Yield every change from one `asyncapi.yaml` to another."""
    was, now = old.get("channels", {}), new.get("channels", {})
    for channel in [*was, *(channel for channel in now if channel not in was)]:
        if channel not in now:
            yield Change(channel, "channel removed", "both sides use it", BOTH)
        elif channel not in was:
            yield Change(channel, "channel added", "nobody uses it")
        elif was[channel].get("address") != now[channel].get("address"):
            yield Change(
                channel, f"its address is now {now[channel].get('address')}", "it is found elsewhere", BOTH
            )
    sent = (_sent(old), _sent(new))
    for place in sorted(sent[0] ^ sent[1]):
        channel, action, message = place
        reverse = (channel, "send" if action == "receive" else "receive", message)
        shown = f"{channel} {action}"
        if place in sent[0] and reverse in sent[1] and reverse not in sent[0]:
            yield Change(shown, f"`{message}` now goes the other way", "both sides have it the old way", BOTH)
        elif place in sent[1] and reverse in sent[0] and reverse not in sent[1]:
            continue  # said above
        elif place in sent[1]:
            yield Change(shown, f"`{message}` added", "readers ignore messages that they do not know")
        elif channel in now:
            yield Change(shown, f"`{message}` removed", "writers may send it, and readers may wait for it", BOTH)


def _sent(document: Document) -> set[tuple[str, str, str]]:
    """Return which message a client sends or receives on which channel."""

    def last(reference: Document) -> str:
        return str(reference["$ref"]).rpartition("/")[2]

    return {
        (last(operation["channel"]), operation["action"], last(message))
        for operation in document.get("operations", {}).values()
        for message in operation.get("messages", ())
    }
