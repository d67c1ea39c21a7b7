"""Writes all schemas as one document, for tools that take a single JSON Schema."""

from __future__ import annotations

import json
from typing import Any

from tools.codegen.sources import Schema, definitions, split_reference

__all__ = ["bundled"]


def bundled(files: dict[str, Schema]) -> str:
    """Return one JSON Schema with every definition under `$defs` and no external reference."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made from spec/schemas by `python -m tools.codegen`. Do not edit.",
        "title": "The Odyssey wire protocol",
        "description": "Every REST body and every message; each is one entry of `$defs`.",
        "$defs": {name: _inward(schema, file) for file, name, schema in definitions(files)},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _inward(node: Any, file: str) -> Any:
    if isinstance(node, list):
        return [_inward(value, file) for value in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"#/$defs/{split_reference(value, file)[1]}" if key == "$ref" else _inward(value, file)
        for key, value in node.items()
    }
