"""Reads `spec/schemas/` and checks it against the project's rules, which are narrower than JSON Schema.

It reports all faults at once, and knows nothing of Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Schema", "SpecError", "definitions", "read", "split_reference"]

KEYWORDS = frozenset(
    {
        *("$ref", "type", "const", "anyOf", "oneOf", "items"),
        *("properties", "required", "additionalProperties"),
        *("description", "default", "examples"),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"),
        *("x-assumed", "x-secret", "x-large", "x-write-null", "x-essential", "x-stand-in"),
    }
)
"""Every keyword that a schema may use: those that the models support, and notes."""

Schema = dict[str, Any]


class SpecError(Exception):
    """The schemas break the rules; `faults` has one line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def read(folder: Path) -> dict[str, Schema]:
    """Read every schema file of `folder`, by file name, in a fixed order.

    Raises `SpecError` with all faults found: a keyword that the models do not support, a definition or a field
    without a description, a name defined twice, a reference to nothing, a stand-in that no reader would use.
    """
    files = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*.yaml"))}
    faults = [*_double_names(files)]
    for file, name, schema in definitions(files):
        place = f"{file}#/$defs/{name}"
        if not schema.get("description"):
            faults.append(f"{place}: no description")
        faults += _faults(schema, place, file, files)
    if faults:
        raise SpecError(faults)
    return files


def definitions(files: dict[str, Schema]) -> Iterator[tuple[str, str, Schema]]:
    """Yield `(file, name, schema)` for every definition."""
    for file, document in files.items():
        for name, schema in document["$defs"].items():
            yield file, name, schema


def split_reference(reference: str, file: str) -> tuple[str, str]:
    """Split a `$ref` in `file` into a file and the name of a definition there."""
    target, _, pointer = reference.partition("#/$defs/")
    return target or file, pointer


def _double_names(files: dict[str, Schema]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for file, name, _ in definitions(files):
        if name in seen:
            yield f"{file}#/$defs/{name}: also in {seen[name]}"
        seen[name] = file


def _faults(schema: Any, place: str, file: str, files: dict[str, Schema]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for keyword in sorted(set(schema) - KEYWORDS):
        yield f"{place}: keyword `{keyword}` is not understood"
    if "$ref" in schema:
        target, name = split_reference(schema["$ref"], file)
        if name not in files.get(target, {}).get("$defs", {}):
            yield f"{place}: `{schema['$ref']}` leads nowhere"
    for name, field in schema.get("properties", {}).items():
        if not field.get("description"):
            yield f"{place}/{name}: no description"
        if "x-stand-in" in field and (field.get("x-essential") or name not in schema.get("required", [])):
            yield f"{place}/{name}: `x-stand-in` is for required fields that are not essential"
        yield from _faults(field, f"{place}/{name}", file, files)
    for keyword in ("items", "additionalProperties"):
        yield from _faults(schema.get(keyword), f"{place}/{keyword}", file, files)
    for keyword in ("anyOf", "oneOf"):
        for index, branch in enumerate(schema.get(keyword, [])):
            yield from _faults(branch, f"{place}/{keyword}/{index}", file, files)
