"""What a program on generated code must read: the valid vectors, and whether it wrote them back with equal values.

A program reads lines of JSON, `{"Recording": {…}}`, and writes each back through the class of that name. A vector is
of the level of a generator if it conforms to the schema of the document that the generator read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import yaml
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["GENERATED", "Case", "Document", "read_document"]

_ROOT = Path(__file__).resolve().parents[2]
GENERATED = _ROOT / "generated"
_VECTORS = _ROOT / "spec" / "vectors" / "valid"
_UNLISTED = {"unlisted_field_1": {"deep": [1, None]}, "unlistedField2": "text"}


@attrs.frozen
class Case:
    """One vector: the name of its definition, its own name, and the value."""

    definition: str
    title: str
    value: Any


class Document:
    """A generated document, and what its schemas say about values."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._holder = {name: content[name] for name in ("components", "$defs") if name in content}
        self.definitions: dict[str, Any] = content.get("components", content).get("schemas") or content["$defs"]
        self._prefix = "#/components/schemas/" if "components" in content else "#/$defs/"

    def cases(self, *, unlisted: bool = False) -> list[Case]:
        """Return the valid vectors of its definitions, with fields that are not listed in every object if so asked."""
        found = {}
        for path in sorted(_VECTORS.glob("*.json")):
            name = path.stem
            if name not in self.definitions:
                continue
            for case in json.loads(path.read_text("utf-8"))["cases"]:
                for value in (case["data"], case.get("written")):
                    if value is not None and self._conforms({"$ref": f"{self._prefix}{name}"}, value):
                        seen = self._with_unlisted(self.definitions[name], value) if unlisted else value
                        found[name, json.dumps(seen)] = Case(name, case["name"], seen)
        assert found, "no vector conforms"
        return [*found.values()]

    def faults(self, cases: Sequence[Case], answers: Sequence[Any]) -> list[str]:
        """Return where the answers of a program differ from the cases, one line each."""
        assert len(answers) == len(cases)
        return [
            f"{case.definition}, {case.title}: {fault}"
            for case, answer in zip(cases, answers, strict=True)
            for fault in self._differences(self.definitions[case.definition], case.value, answer, "")
        ]

    def _conforms(self, schema: Any, value: Any) -> bool:
        return Draft202012Validator({**self._holder, **schema}).is_valid(value)

    def _resolved(self, schema: Any, value: Any) -> dict[str, Any]:
        """Follow references, and choices to the branch that the value conforms to."""
        if "$ref" in schema:
            return self._resolved(self.definitions[schema["$ref"].removeprefix(self._prefix)], value)
        if "properties" in schema:
            return dict(schema)
        for keyword in ("oneOf", "anyOf"):
            for branch in schema.get(keyword, []):
                if self._conforms(branch, value):
                    return self._resolved(branch, value)
        return dict(schema)

    def _with_unlisted(self, schema: Any, value: Any) -> Any:
        schema = self._resolved(schema, value)
        if isinstance(value, list):
            return [self._with_unlisted(schema.get("items", {}), item) for item in value]
        fields = schema.get("properties")
        if not isinstance(value, dict) or not fields:
            return value
        return {name: self._with_unlisted(fields.get(name, {}), item) for name, item in value.items()} | _UNLISTED

    def _differences(self, schema: Any, given: Any, found: Any, place: str) -> Iterator[str]:
        schema = self._resolved(schema, given)
        fields = schema.get("properties")
        if isinstance(given, list) and isinstance(found, list) and len(given) == len(found):
            for index, (item, other) in enumerate(zip(given, found, strict=True)):
                yield from self._differences(schema.get("items", {}), item, other, f"{place}/{index}")
        elif isinstance(given, dict) and isinstance(found, dict) and fields:
            for name, field in fields.items():
                if name in given:
                    yield from self._differences(field, given[name], found.get(name), f"{place}/{name}")
                elif found.get(name) not in (None, field.get("default")):
                    yield f"{place}/{name} is absent, and was written as {found[name]!r}"
        elif isinstance(given, bool) != isinstance(found, bool) or given != found:
            yield f"{place} is {given!r}, and was written as {found!r}"


def read_document(path: str) -> Document:
    """Return a document of `generated/`."""
    return Document(yaml.safe_load((GENERATED / path).read_text("utf-8")))  # JSON is YAML
