"""Mutations of the service's objects, made from their schemas, and the right reading of each.

The right reading follows from the keywords of the schemas, by the rules of "What a reader tolerates" in
spec/README.md. This module is written independently of the library's reader, and works on JSON and schemas only.
"""

from __future__ import annotations

import copy
import functools
import itertools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from tools import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "SPEC",
    "UNKNOWN_FIELD",
    "UNKNOWN_VALUE",
    "Mutation",
    "Raw",
    "UnreadableError",
    "definition",
    "definitions",
    "json_text",
    "mutations",
    "right",
    "served",
]

SPEC: Final = Path(__file__).resolve().parents[2] / "spec"

Schema = dict[str, Any]

UNKNOWN_FIELD: Final = "x-conformance-4c81de"
"""A name that no field has or will have: names that begin like this are reserved for vectors."""
UNKNOWN_VALUE: Final = "x-conformance-b27f09"
"""A text that no enum lists or will list."""


class UnreadableError(Exception):
    """No reader should accept the value."""


@attrs.frozen
class Raw:
    """JSON text that no Python value represents, and its reading as a string; None if it has none."""

    json: bytes
    text: str | None = None


@attrs.frozen
class Twice:
    """A value whose key appears twice."""

    value: Any


_ABSENT: Final = object()
_TOO_LARGE: Final = 2**63

SCALARS: Final[dict[str, Any]] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "an integer": 42,
    "a negative integer": -1,
    "a fraction": 600.7,
    "a number without a fraction": 3.0,
    "a huge integer": 10**30,
    "an integer of 5000 digits": Raw(b"9" * 5000),
    "NaN": Raw(b"NaN"),
    "an infinite number": Raw(b"Infinity"),
    "a number out of range": Raw(b"1e999"),
    "an empty text": "",
    "a text": UNKNOWN_VALUE,
    "an integer in a text": "600",
    "a fraction in a text": "600.7",
    "a number among spaces": " 600 ",
    "NaN in a text": "NaN",
    "infinity in a text": "-inf",
    "a huge text": "x" * 100_000,
    "half of a character": Raw(b'"caf\\ud83d"', text="caf\ufffd"),
    "bytes that are not UTF-8": Raw(b'"caf\xe9"'),
    "an empty list": [],
    "a list": ["x", 1, None],
    "an empty object": {},
    "an object": {UNKNOWN_FIELD: 1},
}
"""The replacements of each value, by what they are."""


@functools.cache
def _documents() -> dict[str, Schema]:
    paths = [*(SPEC / "schemas").glob("*.yaml"), SPEC / "openapi.yaml", SPEC / "asyncapi.yaml"]
    return {path.name: yaml_text.parsed(path.read_text("utf-8")) for path in paths}


@functools.cache
def definitions() -> dict[str, tuple[str, Schema]]:
    """Return every schema by its name, with the file that it is in."""
    return {
        name: (file, schema)
        for file, document in _documents().items()
        for name, schema in document.get("$defs", {}).items()
    }


def definition(name: str) -> Schema:
    """Return a schema by its name."""
    return definitions()[name][1]


def served() -> list[str]:
    """Return the names of all objects that the service sends."""
    api, live = _documents()["openapi.yaml"], _documents()["asyncapi.yaml"]
    sent: list[Any] = [api["components"]["responses"], api["components"]["schemas"]]
    sent += [
        call["responses"]
        for path in api["paths"].values()
        for call in path.values()
        if isinstance(call, dict) and "responses" in call
    ]
    sent += [
        _pointed(live, _pointed(live, message["$ref"])["$ref"])
        for operation in live["operations"].values()
        for message in (operation if operation["action"] == "receive" else operation.get("reply", {})).get(
            "messages", []
        )
    ]
    found: set[str] = set()
    waiting = [name for each in sent for name in _referred(each)]
    while waiting:
        name = waiting.pop()
        if name in definitions() and name not in found:
            found.add(name)
            waiting += _referred(definition(name))
    return sorted(name for name in found if "properties" in definition(name))


def _pointed(document: Schema, reference: str) -> Any:
    return functools.reduce(lambda node, key: node[key], reference.split("/")[1:], document)


def _referred(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _referred(value)
    elif isinstance(node, list):
        for value in node:
            yield from _referred(value)


# --- the right reading


def right(schema: Schema, value: Any) -> Any:
    """Return the reading of a value, as a reader would write it. Raises `UnreadableError` if there is none."""
    if "$ref" in schema:
        return right(definition(schema["$ref"].rpartition("/")[2]), value)
    if isinstance(value, Raw):
        value = _only(value.text is not None, value.text)
    if "const" in schema:
        return _only(value == schema["const"], value)
    if "anyOf" in schema and "properties" not in schema:
        return _right_of_any(schema["anyOf"], value)
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if value is None and "null" in kinds:
        return None
    match kinds[0]:
        case "object":
            return _right_object(schema, _only(isinstance(value, dict), value))
        case "array":
            return list(_right_rows(schema["items"], _only(isinstance(value, list), value)))
        case "boolean":
            return _only(isinstance(value, bool), value)
        case "string":
            if isinstance(value, int | float) and not isinstance(value, bool):
                return str(int(value) if value == int(value) else value)
            return _only(isinstance(value, str), value)
        case "integer":
            return _only(-_TOO_LARGE <= (number := int(_number(value))) < _TOO_LARGE, number)
        case "number":
            return float(_number(value))
    raise AssertionError(kinds)


def _only(fits: bool, value: Any) -> Any:
    if not fits:
        raise UnreadableError
    return value


def _number(value: Any) -> int | float:
    if not isinstance(value, str | int | float):
        raise UnreadableError
    try:
        number = value if isinstance(value, int) else float(value)
    except ValueError:
        raise UnreadableError from None
    return _only(math.isfinite(number), number)  # type: ignore[no-any-return]  # what it is given


def _right_of_any(branches: list[Schema], value: Any) -> Any:
    if any("const" in branch for branch in branches):  # an open enum
        return _only(isinstance(value, str), value)
    names = {"null": None, "string": str, "boolean": bool, "integer": int, "array": list, "object": dict}

    def own(branch: Schema) -> bool:
        if "$ref" in branch:
            branch = definition(branch["$ref"].rpartition("/")[2])
        kind = names[branch.get("type", "string")]
        return value is None if kind is None else type(value) is kind

    for branch in sorted(branches, key=own, reverse=True):
        if branch.get("type") == "null" and value is not None:
            continue
        try:
            return right(branch, value)
        except UnreadableError:
            continue
    raise UnreadableError


def _right_object(schema: Schema, value: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in schema:
        return value
    written: dict[str, Any] = {}
    for name, field in schema["properties"].items():
        required = name in schema.get("required", []) and "const" not in field
        try:
            found = value.get(name, _ABSENT)
            if (found is _ABSENT or found is None) and not required:
                found = field.get("const", copy.deepcopy(field.get("default")))
            else:
                found = right(field, _only(found is not _ABSENT and not isinstance(found, Twice), found))
                _only(found != "" or "minLength" not in field, found)
        except UnreadableError:
            if field.get("x-essential") or "const" in field:
                raise
            found = field["x-stand-in"] if required else field.get("default")
        if found is not None or required or field.get("x-write-null"):
            written[name] = found
    return written


def _right_rows(schema: Schema, rows: list[Any]) -> Iterator[Any]:
    for row in rows:
        try:
            yield right(schema, row)
        except UnreadableError:
            continue


# --- mutations


@attrs.frozen
class Mutation:
    """One change of an object that the service sends."""

    name: str
    data: Any
    """The changed object; parts of it may be `Raw` or `Twice`."""


def mutations(name: str) -> Iterator[Mutation]:
    """Yield the mutations of the richest valid vector of an object."""
    vector = json.loads((SPEC / "vectors" / "valid" / f"{name}.json").read_text("utf-8"))
    base = max((case["data"] for case in vector["cases"]), key=lambda data: len(json.dumps(data)))
    for path in _paths(base):
        if name == "ErrorBody" and len(path) > 1:
            continue  # its parts have mutations of their own
        place = "".join(f"/{key}" for key in path)
        for what, value in SCALARS.items():
            yield Mutation(f"{place}: {what}", _changed(base, path, value))
        found = _at(base, path)
        yield Mutation(f"{place}: in a list", _changed(base, path, [found]))
        yield Mutation(f"{place}: in an object", _changed(base, path, {"value": found}))
        if path and isinstance(path[-1], str):
            yield Mutation(f"{place}: absent", _changed(base, path, _ABSENT))
            yield Mutation(f"{place}: twice", _changed(base, path, Twice(found)))
        if isinstance(found, dict):
            for what, value in {**SCALARS, "an object twice": Twice({UNKNOWN_FIELD: 1})}.items():
                yield Mutation(f"{place}: and {what}", _changed(base, path, {**found, UNKNOWN_FIELD: value}))
        if isinstance(found, list):
            for what, value in SCALARS.items():
                yield Mutation(f"{place}: a row with {what}", _changed(base, path, [value, *found]))


def _paths(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    inner: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from _paths(value, (*path, key))


def _at(node: Any, path: tuple[str | int, ...]) -> Any:
    return functools.reduce(lambda inner, key: inner[key], path, node)


def _changed(base: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    data = copy.deepcopy(base)
    parent = _at(data, path[:-1])
    if value is _ABSENT:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return data


def json_text(data: Any) -> bytes:
    """Return the JSON text of the data of a mutation."""
    raw: dict[bytes, bytes] = {}
    numbers = itertools.count()

    def shown(value: Raw) -> str:
        name = f"raw value {next(numbers)}"
        raw[json.dumps(name).encode()] = value.json
        return name

    text = json.dumps(_doubled(data), default=shown, ensure_ascii=False).encode()
    text = text.replace(b"(again)", b"")
    for name, value in raw.items():
        text = text.replace(name, value)
    return text


def _doubled(node: Any) -> Any:
    """Return the data with each `Twice` under two keys, of which `json_text` makes one."""
    if isinstance(node, list):
        return [_doubled(value) for value in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {}
    for key, value in node.items():
        plain = value.value if isinstance(value, Twice) else value
        found[key] = _doubled(plain)
        if isinstance(value, Twice):
            found[f"{key}(again)"] = _doubled(plain)
    return found
