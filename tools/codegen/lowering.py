"""Converts the schemas of `spec/` to simpler ones for the model generator, and notes what these leave out.

The generator reads types, bounds and defaults. Texts, open enums, secrets, wire names and rules between fields go
to the templates separately, as `Lowered.notes`. Nothing here reads or writes a file.
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from tools.codegen.sources import Schema, definitions

__all__ = ["Lowered", "lower", "python_name"]

_NOTES = (
    *("description", "examples"),
    *("x-assumed", "x-secret", "x-large", "x-write-null", "x-essential", "x-stand-in"),
)


@attrs.frozen(kw_only=True)
class Lowered:
    """Schemas for the model generator, and the notes for its templates."""

    files: dict[str, Schema]
    """File name -> schema."""
    notes: dict[str, dict[str, Any]]
    """Name of a definition -> variables of its template."""
    aliases: dict[str, str]
    """Wire name -> Python name, if they differ."""


def lower(files: dict[str, Schema]) -> Lowered:
    """Lower all schemas, without changing `files`."""
    notes = {name: _notes(schema) for _, name, schema in definitions(files)}
    wire_names = {wire for _, _, schema in definitions(files) for wire in schema.get("properties", {})}
    return Lowered(
        files={
            file: {
                "$schema": document["$schema"],
                "$defs": {name: _plain(schema) for name, schema in document["$defs"].items()},
            }
            for file, document in files.items()
        },
        notes=notes,
        aliases={wire: python_name(wire) for wire in sorted(wire_names) if python_name(wire) != wire},
    )


def python_name(wire: str) -> str:
    """Return the snake_case form of a wire name.

    >>> python_name("sdpMLineIndex"), python_name("iceServers"), python_name("session_id")
    ('sdp_mline_index', 'ice_servers', 'session_id')
    """
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", r"_\1", wire).lower()


def _plain(schema: Any) -> Any:
    """Return the schema without notes and rules between fields, and with open enums as enums."""
    if not isinstance(schema, dict):
        return schema
    if _is_open_enum(schema):
        return {"type": "string", "enum": [branch["const"] for branch in _members(schema)]}
    plain: Schema = {}
    for keyword, value in schema.items():
        if keyword in _NOTES or (keyword in ("oneOf", "anyOf") and _is_choice_of_fields(value)):
            continue
        if keyword == "additionalProperties" and "properties" in schema:
            continue  # readers drop what they do not know
        if keyword == "properties":
            plain[keyword] = {name: _plain(field) for name, field in value.items()}
        elif keyword in ("oneOf", "anyOf"):
            plain[keyword] = [_plain(branch) for branch in value]
        else:
            plain[keyword] = _plain(value) if keyword in ("items", "additionalProperties") else value
    return plain


def _notes(schema: Schema) -> dict[str, Any]:
    notes: dict[str, Any] = {"doc": schema["description"]}
    if _is_open_enum(schema):
        notes["members"] = {branch["const"]: _doc(branch) for branch in _members(schema)}
        return notes
    notes["notes"] = {
        python_name(wire): {
            "doc": _doc(field),
            "hidden": bool(field.get("x-secret") or field.get("x-large")),
            "metadata": _metadata(wire, field),
        }
        for wire, field in schema.get("properties", {}).items()
    }
    if _is_choice_of_fields(schema.get("oneOf", [])):
        notes["exactly_one"] = [python_name(branch["required"][0]) for branch in schema["oneOf"]]
    return notes


def _metadata(wire: str, field: Schema) -> str:
    entries: dict[str, Any] = {"wire": wire} if python_name(wire) != wire else {}
    if field.get("x-write-null"):
        entries["write_null"] = True
    if field.get("x-essential"):
        entries["essential"] = True
    if "x-stand-in" in field:
        entries["stand_in"] = field["x-stand-in"]
    return repr(entries) if entries else ""


def _doc(schema: Schema) -> str:
    text = schema["description"]
    return f"{text} Assumed: not observed." if schema.get("x-assumed") else text


def _is_open_enum(schema: Schema) -> bool:
    return bool(_members(schema))


def _members(schema: Schema) -> list[Schema]:
    """Return the listed values of an open enum, each with its text."""
    return [branch for branch in schema.get("anyOf", []) if "const" in branch]


def _is_choice_of_fields(branches: Any) -> bool:
    """Return whether the branches of a `oneOf` or `anyOf` only require fields."""
    return bool(branches) and all(list(branch) == ["required"] for branch in branches)
