"""Converts the schemas of `spec/` to simpler ones for the model generator, and notes the omitted parts.

The generator reads types, bounds and defaults, under the names that attributes have in Python. Texts, open enums,
secrets, wire names and rules between fields go to the templates separately, as `Lowered.notes`. Nothing here reads
or writes a file.
"""

from __future__ import annotations

import json
import re
import unicodedata
from keyword import kwlist
from typing import Any

import attrs

from tools.codegen.marked import Schema, definitions

__all__ = ["RESERVED", "Lowered", "lower", "member_name", "python_name"]

_NOTES = (
    *("title", "description", "examples", "format"),
    *("x-assumed", "x-secret", "x-large", "x-write-null", "x-essential", "x-stand-in"),
)

RESERVED = frozenset(
    {
        *kwlist,
        "self",  # the first argument of the constructor
        "to_dict",  # what every model has
        *("attrs", "re"),  # what the bodies of the classes use
        *("bool", "dict", "float", "int", "list", "str"),
    }
)
"""Names that no attribute of a model can have; such an attribute gets an underscore at its end."""


@attrs.frozen(kw_only=True)
class Lowered:
    """Schemas for the model generator, and the notes for its templates."""

    files: dict[str, Schema]
    """File name -> schema."""
    notes: dict[str, dict[str, Any]]
    """Name of a definition -> variables of its template."""


def lower(files: dict[str, Schema]) -> Lowered:
    """Lower all schemas of `files`, which must keep the rules (`tools.codegen.rules`), without changing them."""
    names = {name: _field_names(schema) for _, name, schema in definitions(files)}
    return Lowered(
        files={
            file: {
                "$schema": document["$schema"],
                "$defs": {name: _plain(schema, names[name]) for name, schema in document["$defs"].items()},
            }
            for file, document in files.items()
        },
        notes={name: _notes(schema, names[name]) for _, name, schema in definitions(files)},
    )


def python_name(wire: str) -> str:
    """Return a wire name in snake_case, as a valid name of an attribute; empty if it has no letter or digit.

    >>> python_name("sdpMLineIndex"), python_name("iceServers"), python_name("session_id")
    ('sdp_mline_index', 'ice_servers', 'session_id')
    >>> python_name("trace-id"), python_name("class"), python_name("2fa"), python_name("$ref"), python_name("_id")
    ('trace_id', 'class_', 'field_2fa', 'ref', 'id')
    """
    text = unicodedata.normalize("NFKC", wire)  # as Python reads names
    words = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])([A-Z]+)", r"_\1", text)).lower()
    # The constructor's arguments would lack underscores in front.
    name = words.lstrip("_") if text.isidentifier() else words.strip("_")
    if name and not name.isidentifier():
        name = f"field_{name}"
    return f"{name}_" if name in RESERVED else name


def member_name(value: str) -> str:
    """Return the name of a member of an enum; empty if the value has no letter or digit."""
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", value)).upper().strip("_")
    return name if name.isidentifier() or not name else f"VALUE_{name}"


def _field_names(schema: Schema) -> dict[str, str]:
    """Return the attribute name of each property. If two would be the same, the property with exactly that
    spelling gets the name."""
    wires = list(schema.get("properties", {}))
    names: dict[str, str] = {}
    for wire in sorted(wires, key=lambda wire: python_name(wire) != wire):
        name = python_name(wire)
        while name in names.values():
            name += "_"
        names[wire] = name
    return {wire: names[wire] for wire in wires}


def _plain(schema: Any, names: dict[str, str]) -> Any:
    """Return the schema without notes and rules between fields, with open enums as enums, and Python's `names`."""
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
            plain[keyword] = {names[wire]: _plain(field, {}) for wire, field in value.items()}
        elif keyword == "required":
            plain[keyword] = [names[wire] for wire in value]
        elif keyword in ("oneOf", "anyOf"):
            plain[keyword] = [_plain(branch, {}) for branch in value]
        else:
            plain[keyword] = _plain(value, {}) if keyword in ("items", "additionalProperties") else value
    return plain


def _notes(schema: Schema, names: dict[str, str]) -> dict[str, Any]:
    notes: dict[str, Any] = {"doc": schema["description"]}
    if _is_open_enum(schema):
        notes["members"] = [
            {"name": member_name(branch["const"]), "value": json.dumps(branch["const"]), "doc": _doc(branch)}
            for branch in _members(schema)
        ]
        return notes
    notes["notes"] = {
        names[wire]: {
            "doc": _doc(field),
            "hidden": bool(field.get("x-secret") or field.get("x-large")),
            "metadata": _metadata(wire, names[wire], field),
        }
        for wire, field in schema.get("properties", {}).items()
    }
    if _is_choice_of_fields(schema.get("oneOf", [])):
        notes["exactly_one"] = [names[branch["required"][0]] for branch in schema["oneOf"]]
    return notes


def _metadata(wire: str, name: str, field: Schema) -> str:
    entries: dict[str, Any] = {"wire": wire} if name != wire else {}
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
