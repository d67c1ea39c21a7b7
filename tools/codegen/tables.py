"""Reads from `asyncapi.yaml` which messages a channel carries in each direction, by their tags.

This module follows references to the definitions of the schemas, and checks only these and the tags. How a table
looks in Python is the job of `models`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from tools.codegen.marked import load
from tools.codegen.sources import Schema, SpecError, split_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.codegen.marked import Fault, Marked
    from tools.codegen.marked import Path as Place

__all__ = ["Table", "read_tables"]

_PARTIES = {"send": "CLIENT", "receive": "SERVER"}  # asyncapi.yaml takes the client's point of view


@attrs.frozen(kw_only=True)
class Table:
    """The messages of one channel in one direction."""

    name: str
    """Name of the table as a constant: that of the channel, with the sender if both sides send on it."""
    channel: str
    """Name of the channel."""
    action: str
    """`send` or `receive`, from the client's point of view."""
    messages: dict[str, str]
    """Tag -> name of the definition, in the order of the document."""


def read_tables(path: Path, files: dict[str, Schema]) -> list[Table]:
    """Read the tables of the document at `path`, whose payloads are definitions of `files`.

    Raises `SpecError` with all faults found: a dangling reference, a payload without a tag, a tag of two messages
    in one direction.
    """
    return _Reader(load(path, f"{path.parent.name}/{path.name}"), files).tables()


class _FaultError(Exception):
    pass


class _Reader:
    def __init__(self, marked: Marked, files: dict[str, Schema]) -> None:
        self._marked = marked
        self._document: dict[str, Any] = marked.data
        self._files = files
        self._faults: list[Fault] = []

    def tables(self) -> list[Table]:
        carried: dict[tuple[str, str], dict[str, str]] = {}
        for place, action, channel, message in self._uses():
            try:
                self._resolved(channel)
                tag, name = self._message(message)
            except _FaultError as exc:
                self._faults.append(self._marked.fault(place, str(exc)))
                continue
            messages = carried.setdefault((channel["$ref"].rpartition("/")[2], action), {})
            if (other := messages.setdefault(tag, name)) != name:
                self._faults.append(self._marked.fault(place, f"`{tag}` is the tag of {other} and of {name}"))
        if self._faults:
            raise SpecError(self._faults)
        actions: dict[str, list[str]] = {}
        for channel, action in carried:
            actions.setdefault(channel, []).append(action)
        return [
            Table(
                name=_constant(channel) + (f"_FROM_{_PARTIES[action]}" if len(actions[channel]) > 1 else ""),
                channel=channel,
                action=action,
                messages=messages,
            )
            for (channel, action), messages in sorted(carried.items())
        ]

    def _uses(self) -> Iterator[tuple[Place, str, Any, Any]]:
        """Yield every message of every operation, and then those of replies: place, action, channel, message."""
        opposite = {"send": "receive", "receive": "send"}
        operations = self._document["operations"]
        for name, operation in operations.items():
            for index, message in enumerate(operation.get("messages", [])):
                place: Place = ("operations", name, "messages", index)
                yield place, operation["action"], operation["channel"], message
        for name, operation in operations.items():
            reply = operation.get("reply", {})
            for index, message in enumerate(reply.get("messages", [])):
                channel = reply.get("channel", operation["channel"])
                place = ("operations", name, "reply", "messages", index)
                yield place, opposite[operation["action"]], channel, message

    def _message(self, reference: Any) -> tuple[str, str]:
        """Return the tag of a message and the definition of its payload."""
        node = self._resolved(reference).get("payload", {})
        while "$ref" in node and node["$ref"].startswith("#"):
            node = self._target(node["$ref"])
        file, name = split_reference(node.get("$ref", ""), "")
        schema = self._files.get(file.rpartition("/")[2], {}).get("$defs", {}).get(name)
        if schema is None:
            raise _FaultError(f"the payload of `{reference['$ref']}` is not a definition of the schemas")
        tag = schema.get("properties", {}).get("type", {}).get("const")
        if not isinstance(tag, str):
            raise _FaultError(f"{name} has no constant `type`")
        return tag, name

    def _resolved(self, node: Any) -> dict[str, Any]:
        while "$ref" in node:
            node = self._target(node["$ref"])
        found: dict[str, Any] = node
        return found

    def _target(self, reference: str) -> Any:
        node: Any = self._document
        for key in reference.removeprefix("#/").split("/"):
            node = node.get(key) if isinstance(node, dict) else None
        if node is None:
            raise _FaultError(f"`{reference}` leads nowhere")
        return node


def _constant(channel: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", r"_\1", channel).upper()
