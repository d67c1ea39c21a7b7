"""Reads everything in spec/ that the documentation shows, and follows its references. This module writes nothing.

It has no list of the documents: a file directly in spec/ is an OpenAPI or AsyncAPI document if it says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from tools import yaml_text
from tools.codegen.docs.markdown import slug
from tools.codegen.marked import load
from tools.codegen.sources import SpecError, definitions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.codegen.marked import Fault, Marked
    from tools.codegen.marked import Path as Place
    from tools.codegen.sources import Schema

__all__ = ["METHODS", "Call", "Message", "Source", "read_source"]

_SEQUENCES: Final = "sequences.yaml"
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@attrs.frozen(kw_only=True)
class Call:
    """One HTTP call."""

    id: str
    method: str
    path: str
    tag: str
    operation: dict[str, Any] = attrs.field(repr=False)
    servers: tuple[dict[str, Any], ...]
    parameters: tuple[dict[str, Any], ...]
    assumed: bool
    """Whether the whole call is assumed."""
    about: str
    """The summary of the path; "" if it has none."""
    security: bool
    """Whether it needs a bearer token."""

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.address}"

    @property
    def address(self) -> str:
        """The path, or the variable that stands for the whole address."""
        return self.servers[0]["url"] if self.path == "/" and self.servers else self.path


@attrs.frozen(kw_only=True)
class Message:
    """One message of a channel, in one direction."""

    name: str
    channel: str
    sent: bool
    """Whether the client sends it."""
    entry: dict[str, Any] = attrs.field(repr=False)
    schema: str
    """The name of its definition."""


@attrs.frozen(kw_only=True)
class Source:
    """All of spec/."""

    schemas: dict[str, Schema]
    """By file name."""
    files: dict[str, str]
    """Name of a definition -> its file."""
    rest: tuple[dict[str, Any], ...]
    """The OpenAPI documents."""
    live: dict[str, Any]
    """The AsyncAPI document."""
    sequences: dict[str, Any]
    texts: dict[str, str]
    """The Markdown files, by name."""

    def definition(self, name: str) -> Schema:
        """Return a definition by its name."""
        found: Schema = self.schemas[self.files[name]]["$defs"][name]
        return found

    def resolved(self, node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        """Return ``node``, or the target of its reference within ``document``."""
        while str(node.get("$ref", "")).startswith("#/"):
            found: Any = document
            for key in node["$ref"][2:].split("/"):
                found = found[key.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def calls(self) -> Iterator[Call]:
        """Yield every call of every OpenAPI document."""
        for document in self.rest:
            for path, item in document["paths"].items():
                for method in METHODS:
                    if method in item:
                        yield self._call(document, path, item, method)

    def _call(self, document: dict[str, Any], path: str, item: dict[str, Any], method: str) -> Call:
        operation = item[method]
        parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
        security = operation.get("security", document.get("security", []))
        return Call(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            tag=operation.get("tags", ["other"])[0],
            operation={**operation, "responses": self._responses(operation, document)},
            servers=tuple(operation.get("servers", item.get("servers", ()))),
            parameters=tuple(self.resolved(each, document) for each in parameters),
            assumed=bool(item.get("x-assumed") or operation.get("x-assumed")),
            about=item.get("summary", ""),
            security=bool(security),
        )

    def _responses(self, operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        responses = {str(status): self.resolved(each, document) for status, each in operation["responses"].items()}
        return {
            status: {
                **each,
                "headers": {
                    name: self.resolved(header, document) for name, header in each.get("headers", {}).items()
                },
            }
            for status, each in responses.items()
        }

    def tags(self) -> dict[str, str]:
        """Return the tags of calls with their descriptions, in their order."""
        return {
            tag["name"]: tag.get("description", "") for document in self.rest for tag in document.get("tags", ())
        }

    def messages(self) -> Iterator[Message]:
        """Yield the messages of each channel, first those that the client sends; replies are in `operations`."""
        for channel in self.live["channels"]:
            for sent in (True, False):
                for key in self.channel_messages(channel, sent=sent):
                    entry = self.resolved(self.live["channels"][channel]["messages"][key], self.live)
                    reference = self.resolved(entry["payload"], self.live)["$ref"]
                    yield Message(
                        name=entry.get("name", key),
                        channel=channel,
                        sent=sent,
                        entry=entry,
                        schema=reference.rpartition("/")[2],
                    )

    def channel_messages(self, channel: str, *, sent: bool) -> list[str]:
        """Return the keys of the messages that travel on a channel in one direction."""
        found: dict[str, None] = {}
        for operation in self.live["operations"].values():
            if operation["channel"]["$ref"] == f"#/channels/{channel}" and (operation["action"] == "send") is sent:
                found |= dict.fromkeys(each["$ref"].rpartition("/")[2] for each in operation["messages"])
        return [key for key in self.live["channels"][channel]["messages"] if key in found]


def read_source(folder: Path, schemas: dict[str, Schema]) -> Source:
    """Read the folder spec/; ``schemas`` are those of its schema files.

    Raises `SpecError` if a sequence names a section, a participant, a call, an answer or a message that does not
    exist, or if the file of the sequences is faulty.
    """
    documents = {path.name: yaml_text.parsed(path.read_text("utf-8")) for path in sorted(folder.glob("*.yaml"))}
    source = Source(
        schemas=schemas,
        files={name: file for file, name, _ in definitions(schemas)},
        rest=tuple(document for document in documents.values() if "openapi" in document),
        live=next(document for document in documents.values() if "asyncapi" in document),
        sequences=documents[_SEQUENCES],
        texts={path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.md"))},
    )
    marked = load(folder / _SEQUENCES, f"{folder.name}/{_SEQUENCES}")
    if faults := [*marked.faults, *_faults(source, marked)]:
        raise SpecError(faults)
    return source


def _faults(source: Source, marked: Marked) -> Iterator[Fault]:
    calls = {call.id: call for call in source.calls()}
    messages = {message.name for message in source.messages()}
    sections = {
        slug(line.lstrip("#")) for line in source.texts["behaviour.md"].splitlines() if line.startswith("#")
    }
    for key, sequence in source.sequences["sequences"].items():
        place: Place = ("sequences", key)
        for index, name in enumerate(sequence["see"]):
            if name not in sections:
                yield marked.fault((*place, "see", index), f"{key}: no section `{name}`")
        known = set(sequence["participants"])
        for name in sorted(known - set(source.sequences["participants"])):
            yield marked.fault((*place, "participants"), f"{key}: no participant `{name}`")
        for here, step in _steps(sequence["steps"], (*place, "steps")):
            named = {*step.get("over", ()), *(step[end] for end in ("from", "to") if end in step)}
            for name in sorted(named - known):
                yield marked.fault(here, f"{key}: `{name}` takes no part")
            for kind, names in (("call", calls), ("of", calls), ("message", messages)):
                if kind in step and step[kind] not in names:
                    what = "message" if kind == "message" else "call"
                    yield marked.fault((*here, kind), f"{key}: no {what} `{step[kind]}`")
            answered = calls.get(step.get("of", ""))
            if answered is not None and str(step["answer"]) not in answered.operation["responses"]:
                yield marked.fault((*here, "answer"), f"{key}: `{step['of']}` has no answer `{step['answer']}`")


def _steps(steps: list[dict[str, Any]], place: Place) -> Iterator[tuple[Place, dict[str, Any]]]:
    for index, step in enumerate(steps):
        here = (*place, index)
        yield from _steps(step["steps"], (*here, "steps")) if "part" in step else ((here, step),)
