"""Decides the page of each definition, call, message and section of text, and so the targets of links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from tools.codegen.docs.source import Call, Source

__all__ = [
    "BEHAVIOUR",
    "CHANNELS",
    "HOSTS",
    "OBJECTS",
    "PROVENANCE",
    "READING",
    "REST",
    "SIGNALING",
    "TIMERS",
    "TOLERANCE",
]
__all__ += ["Placement"]

REST: Final = "rest.html"
HOSTS: Final = "media.html"
SIGNALING: Final = "signaling.html"
CHANNELS: Final = "data-channels.html"
OBJECTS: Final = "objects.html"
READING: Final = "reading.html"
BEHAVIOUR: Final = "behaviour.html"
TIMERS: Final = "timers.html"
PROVENANCE: Final = "provenance.html"
TOLERANCE: Final = "tolerance.html"

_TIMERS_SECTION: Final = "timers-and-limits"
_PROVENANCE_SECTIONS: Final = ("where-each-fact-comes-from", "not-observed")
_PAGES: Final = {"behaviour.md": BEHAVIOUR, "tolerance.md": TOLERANCE, "README.md": READING}


@attrs.frozen
class Placement:
    """The pages of one specification."""

    pages: dict[str, str]
    """Name of a definition -> page."""
    calls: dict[str, str]
    """Identifier of a call -> page."""

    @classmethod
    def of(cls, source: Source) -> Placement:
        """Return the placement of every definition and call of ``source``."""
        calls = {call.id: HOSTS if on_other_host(call) else REST for call in source.calls()}
        pages = dict.fromkeys(source.files, OBJECTS)
        for call in source.calls():
            for name in reached(source, call.operation, call.parameters):
                if pages[name] != REST:
                    pages[name] = calls[call.id]
        of_rest = {source.files[name] for name, page in pages.items() if page == REST}
        for document in source.rest:
            for name in reached(source, document.get("components", {}).get("schemas", {})):
                if pages[name] == OBJECTS and source.files[name] in of_rest:
                    pages[name] = REST
        for message in source.messages():
            page = channel_page(source, message.channel)
            for name in reached(source, message.entry):
                if pages[name] != CHANNELS:
                    pages[name] = page
        for name in reached(source, source.live.get("components", {}).get("schemas", {})):
            if pages[name] == OBJECTS:
                pages[name] = SIGNALING if source.files[name] == "signaling.yaml" else CHANNELS
        return cls(pages, calls)

    def definition(self, name: str) -> str:
        """Return the address of a definition."""
        return f"{self.pages[name]}#{name}"

    def call(self, name: str) -> str:
        """Return the address of a call."""
        return f"{self.calls[name]}#{name}"

    def section(self, document: str, target: str) -> str:
        """Return where a link to ``target`` in the Markdown file ``document`` of spec/ leads from a page."""
        if "://" in target:
            return target
        path, _, anchor = target.partition("#")
        path = path or document
        if path not in _PAGES:
            return f"../../spec/{target}"
        page = _PAGES[path]
        if anchor == _TIMERS_SECTION and page == BEHAVIOUR:
            return TIMERS  # the section is the page
        if anchor in _PROVENANCE_SECTIONS and page == READING:
            page = PROVENANCE
        return f"{page}#{anchor}" if anchor else page


def on_other_host(call: Call) -> bool:
    """Return whether a call goes to an address that the API returned, and not to the API."""
    return any("{" in server["url"] for server in call.servers)


def channel_page(source: Source, channel: str) -> str:
    """Return the page of an AsyncAPI channel: that of the WebSocket, or that of the data channels."""
    servers = source.live["channels"][channel].get("servers", ())
    protocols = {source.resolved(server, source.live).get("protocol") for server in servers}
    return CHANNELS if "webrtc" in protocols else SIGNALING


def reached(source: Source, *nodes: Any) -> dict[str, None]:
    """Return all definitions that ``nodes`` refer to, directly or not, in the order in which they are found."""
    found: dict[str, None] = {}
    waiting: list[Any] = list(nodes)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, list | tuple):
            waiting += node
        elif isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/$defs/")[2]
            if name in source.files and name not in found:
                found[name] = None
                waiting.append(source.definition(name))
            waiting += [value for key, value in node.items() if key != "$ref" or isinstance(value, dict)]
    return found
