"""The rules for `openapi.yaml` and `asyncapi.yaml`: every reference has a target, every message a channel.

A message is named in four places: its schema, a union of the schemas, and in `asyncapi.yaml` a channel and an
operation. A message that is missing from any of them is a fault. Tests check that our client and the emulator
handle every message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.codegen.calls import call_faults, forgotten
from tools.codegen.keywords import OURS
from tools.codegen.marked import Fault, Marked, Path, split_reference
from tools.codegen.rules import tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ENVELOPES", "UNIONS", "faults"]

ENVELOPES: Final = ("openapi.yaml", "asyncapi.yaml")

UNIONS: Final = {
    ("signaling", "receive"): "SignalingServerMessage",
    ("signaling", "send"): "SignalingClientMessage",
    ("streamerToClient", "receive"): "DataChannelStreamerMessage",
    ("clientToStreamer", "send"): "DataChannelClientMessage",
}
"""A channel, and whether a client receives or sends there -> the union of the messages."""


def faults(envelopes: dict[str, Marked], schemas: dict[str, Marked]) -> Iterator[Fault]:
    """Yield every fault of the envelopes. These and the schemas are given by their file names."""
    documents = {f"schemas/{file}": marked.data for file, marked in schemas.items()}
    documents |= {file: envelopes[file].data for file in ENVELOPES}
    for file in ENVELOPES:
        marked = envelopes[file]
        for path, node in _objects(marked.data, ()):
            for word in (word for word in node if isinstance(word, str) and word.startswith("x-")):
                if word not in OURS or file not in OURS[word].places:
                    yield marked.fault((*path, word), f"`{word}` is not registered for {file}")
                elif not OURS[word].fits(node[word]):
                    yield marked.fault((*path, word), f"`{word}` takes {OURS[word].value}")
            if isinstance(node.get("$ref"), str) and _found(node["$ref"], file, documents) is None:
                yield marked.fault((*path, "$ref"), f"`{node['$ref']}` leads nowhere")
    yield from call_faults(envelopes["openapi.yaml"])
    yield from forgotten(envelopes["openapi.yaml"], envelopes["asyncapi.yaml"], schemas)
    yield from _Messages(envelopes["asyncapi.yaml"], schemas).faults()


class _Messages:
    """The messages of `asyncapi.yaml`, compared with the unions of the schemas."""

    def __init__(self, asyncapi: Marked, schemas: dict[str, Marked]) -> None:
        self._asyncapi = asyncapi
        self._schemas = schemas
        self._documents = {"asyncapi.yaml": asyncapi.data}
        self._files = {name: file for file, marked in schemas.items() for name in marked.data["$defs"]}

    def faults(self) -> Iterator[Fault]:
        """Yield every fault."""
        data = self._asyncapi.data
        messages = data.get("components", {}).get("messages", {})
        for key, message in messages.items():
            path = ("components", "messages", key)
            name = self._payload(message)
            tag = tag_of(self._definition(name))
            if tag != message.get("name"):
                yield self._asyncapi.fault(path, f"named `{message.get('name')}`, and its `type` is `{tag}`")
        carried: dict[tuple[str, str], set[str]] = {}
        operated: set[tuple[str, str]] = set()
        for key, operation in data.get("operations", {}).items():
            yield from self._strays(("operations", key), operation)
            channel = _last(operation.get("channel", {}))
            for reference in operation.get("messages", []):
                operated.add((channel, _last(reference)))
                carried.setdefault((channel, operation.get("action", "")), set()).add(self._name(reference))
        for key, operation in data.get("operations", {}).items():
            reply = operation.get("reply", {})
            yield from self._strays(("operations", key, "reply"), reply)
            for index, reference in enumerate(reply.get("messages", [])):
                way = "receive" if operation["action"] == "send" else "send"
                if self._name(reference) not in carried.get((_last(reply["channel"]), way), set()):
                    yield self._asyncapi.fault(
                        ("operations", key, "reply", "messages", index),
                        f"no operation `{way}`s `{_last(reference)}` on `{_last(reply['channel'])}`",
                    )
        for channel, item in data.get("channels", {}).items():
            for key in item.get("messages", {}):
                if (channel, key) not in operated:
                    yield self._asyncapi.fault(
                        ("channels", channel, "messages", key), f"`{key}` is in no operation of `{channel}`"
                    )
        used = {
            _last(message) for item in data.get("channels", {}).values() for message in item["messages"].values()
        }
        for key in set(messages) - used:
            yield self._asyncapi.fault(("components", "messages", key), f"`{key}` is on no channel")
        yield from self._unions(carried)

    def _strays(self, path: Path, operation: dict[str, Any]) -> Iterator[Fault]:
        """Yield a fault for each message of an operation or a reply that does not belong to its channel."""
        channel = operation.get("channel", {}).get("$ref", "")
        for index, reference in enumerate(operation.get("messages", [])):
            if reference["$ref"].rpartition("/")[0] != f"{channel}/messages":
                yield self._asyncapi.fault(
                    (*path, "messages", index), f"`{reference['$ref']}` is not among the messages of its channel"
                )

    def _unions(self, carried: dict[tuple[str, str], set[str]]) -> Iterator[Fault]:
        for place in set(carried) - set(UNIONS):
            yield self._asyncapi.fault(("operations",), f"no union has what a client {place[1]}s on `{place[0]}`")
        for (channel, action), union in UNIONS.items():
            there = carried.get((channel, action), set())
            members = self._members(union)
            marked = self._schemas.get(self._files.get(union, ""), self._asyncapi)
            for name, path in members.items():
                if name not in there:
                    yield marked.fault(
                        path, f"{union}: `{name}` is in no `{action}` operation of `{channel}` in asyncapi.yaml"
                    )
            for name in there - set(members):
                yield self._asyncapi.fault(
                    ("operations",), f"a client {action}s `{name}` on `{channel}`, and it is not in `{union}`"
                )
        unions = {
            (file, name): marked
            for file, marked in self._schemas.items()
            for name, schema in marked.data["$defs"].items()
            if isinstance(schema, dict) and "oneOf" in schema and "type" not in schema
        }
        for (_, name), marked in unions.items():
            if name not in UNIONS.values():
                yield marked.fault(("$defs", name), f"{name}: a union that no channel carries")

    def _members(self, union: str) -> dict[str, Path]:
        branches = self._definition(union).get("oneOf", [])
        return {
            split_reference(branch["$ref"], "")[1]: ("$defs", union, "oneOf", index)
            for index, branch in enumerate(branches)
            if isinstance(branch, dict) and "$ref" in branch
        }

    def _definition(self, name: str) -> dict[str, Any]:
        file = self._files.get(name)
        schema = self._schemas[file].data["$defs"][name] if file else {}
        return schema if isinstance(schema, dict) else {}

    def _name(self, reference: Any) -> str:
        """Return the name of the definition that an operation's message carries."""
        for _ in range(2):  # from the operation to the channel, from there to the components
            reference = _found(reference.get("$ref", ""), "asyncapi.yaml", self._documents) or {}
        return self._payload(reference)

    def _payload(self, message: Any) -> str:
        return split_reference(message.get("payload", {}).get("$ref", ""), "")[1]


def _objects(node: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from _objects(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _objects(value, (*path, index))


def _found(reference: str, file: str, documents: dict[str, Any]) -> Any:
    """Return the target of a reference; None if there is none."""
    target, _, pointer = reference.partition("#")
    node: Any = documents.get(target or file)
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _last(reference: Any) -> str:
    return str(reference.get("$ref", "")).rpartition("/")[2]
