"""Writes all schemas as one document, for tools that take a single JSON Schema.

Unlike the components of OpenAPI and AsyncAPI, the definitions accept exactly what those of `spec/schemas` accept.
"""

from __future__ import annotations

import json
from typing import Any

from tools.codegen.components import is_choice_of_fields, known_values, open_values, pascal
from tools.codegen.sources import Schema, definitions, split_reference

__all__ = ["bundled"]

_ID = "https://schemas.odyssey-proto.invalid/{version}/odyssey.schema.json"
"""A name, not an address: `.invalid` belongs to nobody (RFC 6761)."""


def bundled(files: dict[str, Schema], version: str) -> str:
    """Return one JSON Schema with every definition under `$defs` and no external reference.

    Its `$id` has the `version` of the spec, so that different schemas never share a name. Its root is an object
    with one optional property for each definition, so that generators make all types. The values of an open enum
    are a definition of their own, `Known…`, for the same reason.
    """
    found: dict[str, Schema] = {}
    for file, name, schema in definitions(files):
        described = {"title": name, **_inward(schema, file)}
        for keyword in ("oneOf", "anyOf"):
            if is_choice_of_fields(schema.get(keyword)):
                described[keyword] = [_with_field(name, branch["required"][0]) for branch in schema[keyword]]
        if open_values(schema):
            known = f"Known{name}"
            described["anyOf"] = [{"$ref": f"#/$defs/{known}"}, described["anyOf"][-1]]
            found[name], found[known] = described, {"title": known, **known_values(name, schema)}
        else:
            found[name] = described
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID.format(version=version),
        "$comment": "Made from spec/schemas by `python -m tools.codegen`. Do not edit.",
        "title": "OdysseyProtocol",
        "description": "The Odyssey wire protocol: every REST body and every message. Each is a property.",
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/{name}"} for name in found},
        "additionalProperties": False,
        "$defs": found,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _with_field(owner: str, field: str) -> Schema:
    """Return a schema that only requires a field, with the keywords that generators and the strict mode of ajv
    need."""
    title = f"{owner}With{pascal(field)}"
    return {"title": title, "type": "object", "properties": {field: True}, "required": [field]}


def _inward(node: Any, file: str) -> Any:
    if isinstance(node, list):
        return [_inward(value, file) for value in node]
    if not isinstance(node, dict):
        return node
    if not isinstance(node.get("$ref"), str):  # a field may have that name
        return {key: _inward(value, file) for key, value in node.items()}
    found = {key: _inward(value, file) for key, value in node.items() if key != "$ref"}
    reference = {"$ref": f"#/$defs/{split_reference(node['$ref'], file)[1]}"}
    # If the reference had other keywords beside it, generators would copy its target under another name.
    return {**found, "allOf": [reference]} if found else reference
