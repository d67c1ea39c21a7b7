"""Takes one definition out of the bundle of all schemas, with those that it refers to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["bundled", "definition", "summary"]

_PREFIX: Final = "#/$defs/"
_LEAST_CHARS: Final = 40  # of a summary
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def bundled(path: Path) -> dict[str, dict[str, Any]]:
    """Return the definitions of a bundle, by name."""
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))["$defs"]
    return found


def definition(definitions: Mapping[str, dict[str, Any]], name: str, *, alone: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of one definition, complete in itself unless ``alone``.

    >>> cat = {"$ref": "#/$defs/Name"}
    >>> definition({"Cat": cat, "Name": {"type": "string"}, "Dog": {}}, "Cat")["$defs"]
    {'Name': {'type': 'string'}}
    """
    if alone:
        return definitions[name]
    needed = {name: definitions[name]}
    waiting = [name]
    while waiting:
        for other in _references(definitions[waiting.pop()]):
            if other not in needed:
                needed[other] = definitions[other]
                waiting.append(other)
    refers_to_itself = name in {other for schema in needed.values() for other in _references(schema)}
    schema = {"$schema": _DIALECT, **definitions[name]}
    others = {other: needed[other] for other in sorted(needed) if other != name or refers_to_itself}
    return {**schema, "$defs": others} if others else schema


def summary(schema: Mapping[str, Any]) -> str:
    """Return the first sentence of a definition's description, and further ones while the text is short.

    >>> summary({"description": "A cat that sleeps all day, on a windowsill. It purrs."}), summary({})
    ('A cat that sleeps all day, on a windowsill.', '')
    """
    text = ""
    for sentence in " ".join(str(schema.get("description", "")).split()).split(". "):
        if len(text) >= _LEAST_CHARS:
            return f"{text}."
        text = f"{text}. {sentence}".removeprefix(". ")
    return text


def _references(schema: Any) -> Iterator[str]:
    match schema:
        case {"$ref": str(target)} if target.startswith(_PREFIX):
            yield target.removeprefix(_PREFIX)
    values = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for value in values:
        yield from _references(value)
