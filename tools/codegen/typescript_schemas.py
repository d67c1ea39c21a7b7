"""Answers questions about schemas for the writers of TypeScript and JavaScript. This module writes nothing."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from tools.codegen.marked import fault_in
from tools.codegen.sources import Schema, SpecError, definitions, split_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "UnsupportedError",
    "choice_of_fields",
    "is_required",
    "key",
    "located",
    "members",
    "referenced",
    "tags",
    "type_names",
    "value_name",
]


def members(schema: Schema) -> list[Schema]:
    """Return the listed values of an open enum, each with its text; empty for any other schema."""
    return [branch for branch in schema.get("anyOf", []) if "const" in branch]


def is_required(name: str, schema: Schema) -> bool:
    """Return whether every object has the field: it is listed as required, or the service writes null for it."""
    return name in schema.get("required", []) or bool(schema["properties"][name].get("x-write-null"))


def choice_of_fields(schema: Schema) -> tuple[str, list[str]]:
    """Return the keyword whose branches only require one field each, and these fields; "" and [] if none."""
    for keyword in ("oneOf", "anyOf"):
        branches = schema.get(keyword, [])
        if branches and all(list(branch) == ["required"] and len(branch["required"]) == 1 for branch in branches):
            return keyword, [branch["required"][0] for branch in branches]
    return "", []


def type_names(schema: Schema) -> list[str]:
    """Return the JSON types that a schema names."""
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def referenced(reference: str) -> str:
    """Return the name of the definition that a `$ref` leads to."""
    return split_reference(reference, "")[1] or reference.rpartition("/")[2]


def tags(files: dict[str, Schema], name: str) -> list[str]:
    """Return the values of `type` in the branches of a union of messages; empty for any other definition."""
    found = {defined: schema for _, defined, schema in definitions(files)}
    branches = [found[referenced(branch["$ref"])] for branch in found[name].get("oneOf", []) if "$ref" in branch]
    constants = [branch.get("properties", {}).get("type", {}).get("const") for branch in branches]
    return constants if constants and all(constants) else []


def key(name: str) -> str:
    """Return the name of a property as source text, in quotes if it needs them."""
    return name if name.replace("$", "_").isidentifier() and name.isascii() else json.dumps(name)


def value_name(name: str, ending: str) -> str:
    """Return the name of a constant for a definition: `simulationJobStatusValues`."""
    return name[0].lower() + name[1:] + ending


class UnsupportedError(Exception):
    """A schema has no form in TypeScript; `place` leads to it, from the name of its definition on."""

    def __init__(self, place: str, schema: Schema) -> None:
        super().__init__(f"{place}: no TypeScript for {sorted(schema)}")
        self.place = place


@contextlib.contextmanager
def located(files: dict[str, Schema], name: str) -> Iterator[None]:
    """Turn an `UnsupportedError` in the definition `name` into a `SpecError` with its line."""
    try:
        yield
    except UnsupportedError as exc:
        path = ("properties", *exc.place.split("/")[1:])
        raise SpecError([fault_in(files, name, path, str(exc))]) from exc
