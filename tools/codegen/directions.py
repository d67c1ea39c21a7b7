"""Finds out from the two envelopes which schemas a client sends. This module changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.codegen.sources import definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.codegen.sources import Schema

__all__ = ["names_below", "reached", "sent_by_clients"]


def sent_by_clients(files: dict[str, Schema], openapi: Schema, asyncapi: Schema) -> set[str]:
    """Return the names of all schemas in messages and bodies of clients, even if the service sends them, too."""
    sent: list[Any] = [openapi["components"]["parameters"]]
    for item in openapi["paths"].values():
        sent.append(item.get("parameters"))
        for call in item.values():
            if isinstance(call, dict):
                sent += [call.get("parameters"), call.get("requestBody")]
    for operation in asyncapi["operations"].values():
        if operation["action"] == "send":
            channel = asyncapi["channels"][_last(operation["channel"])]["messages"]
            messages = [channel[_last(message)] for message in operation["messages"]]
            sent += [asyncapi["components"]["messages"][_last(message)] for message in messages]
    return reached({name: schema for _, name, schema in definitions(files)}, names_below(sent))


def reached(schemas: dict[str, Schema], start: set[str]) -> set[str]:
    """Return the names of the schemas in `start`, and of those that they refer to, directly or not."""
    found: set[str] = set()
    waiting = start & schemas.keys()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= (names_below(schemas[name]) & schemas.keys()) - found
    return found


def names_below(node: Any) -> set[str]:
    """Return the last part of each reference below `node`."""
    return {reference.rpartition("/")[2] for reference in _references(node)}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for value in node:
            yield from _references(value)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and key == "$ref":
                yield value
            elif key == "mapping" and isinstance(value, dict):
                yield from value.values()
            else:
                yield from _references(value)


def _last(node: Schema) -> str:
    return str(node["$ref"]).rpartition("/")[2]
