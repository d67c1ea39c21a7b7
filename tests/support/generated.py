"""Checks of programs on generated code: they must read the valid vectors, and write them back with equal values.

A program reads lines of JSON, `{"Recording": {…}}`, and writes each back through the class of that name. It gets
the vectors that conform to the schemas of the document from which its code was generated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from tests.support import node
from tools import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["GENERATED", "Case", "Document", "check_program", "read_document"]

_ROOT = Path(__file__).resolve().parents[2]
GENERATED = _ROOT / "generated"
_VECTORS = _ROOT / "spec" / "vectors" / "valid"
_UNLISTED = {"unlisted_field_1": {"deep": [1, None]}, "unlistedField2": "text"}

_NONE = object()

_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
"""It does not accept 24.0 as an integer: the vectors with 24.0 are for tolerant readers."""


@attrs.frozen
class Case:
    """One vector: the name of its definition, its own name, and the value."""

    definition: str
    title: str
    value: Any


class Document:
    """A generated document, and checks of values against its schemas."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._holder = {name: content[name] for name in ("components", "$defs") if name in content}
        self.definitions: dict[str, Any] = content.get("components", content).get("schemas") or content["$defs"]
        self._prefix = "#/components/schemas/" if "components" in content else "#/$defs/"

    def cases(self, *, unlisted: bool = False) -> list[Case]:
        """Return the valid vectors of its definitions; `unlisted` adds unlisted fields to objects."""
        found: dict[tuple[str, str], Case] = {}
        for path in sorted(_VECTORS.glob("*.json")):
            name = path.stem
            if name not in self.definitions:
                continue
            for case in json.loads(path.read_text("utf-8"))["cases"]:
                for value in (case["data"], case.get("written")):
                    if value is not None and self._conforms({"$ref": f"{self._prefix}{name}"}, value):
                        seen = self._with_unlisted(self.definitions[name], value) if unlisted else value
                        for named in (name, *self._variants(name, value)):
                            found[named, json.dumps(seen)] = Case(named, case["name"], seen)
        assert found, "no vector conforms"
        return [*found.values()]

    def objects(self) -> set[str]:
        """Return the names of its objects: most generators make classes of objects only."""
        return {name for name, schema in self.definitions.items() if schema.get("properties")}

    def faults(self, cases: Sequence[Case], answers: Sequence[Any]) -> list[str]:
        """Return where the answers of a program differ from the cases, one line each."""
        assert len(answers) == len(cases)
        return [
            f"{case.definition}, {case.title}: {fault}"
            for case, answer in zip(cases, answers, strict=True)
            for fault in self._differences({"$ref": f"{self._prefix}{case.definition}"}, case.value, answer, "")
        ]

    def _variants(self, name: str, value: Any) -> list[str]:
        """Return the names of the branches of a union to which the value conforms."""
        branches = [branch for branch in self.definitions[name].get("oneOf", []) if "$ref" in branch]
        return [branch["$ref"].removeprefix(self._prefix) for branch in branches if self._conforms(branch, value)]

    def _conforms(self, schema: Any, value: Any) -> bool:
        return bool(_Validator({**self._holder, **schema}).is_valid(value))

    def _resolved(self, schema: Any, value: Any) -> dict[str, Any]:
        """Follow references, and choices to the branch that the value conforms to."""
        if "$ref" in schema:
            return self._resolved(self.definitions[schema["$ref"].removeprefix(self._prefix)], value)
        if "properties" in schema:
            return dict(schema)
        for keyword in ("oneOf", "anyOf", "allOf"):
            for branch in schema.get(keyword, []):
                if self._conforms(branch, value):
                    return self._resolved(branch, value)
        return dict(schema)

    def _with_unlisted(self, schema: Any, value: Any) -> Any:
        schema = self._resolved(schema, value)
        if isinstance(value, list):
            return [self._with_unlisted(schema.get("items", {}), item) for item in value]
        fields = schema.get("properties")
        if not value or not isinstance(value, dict) or not fields:
            return value  # TypeScript refuses an object that has none of the listed fields, but has others
        return {name: self._with_unlisted(fields.get(name, {}), item) for name, item in value.items()} | _UNLISTED

    def _differences(self, schema: Any, given: Any, found: Any, place: str) -> Iterator[str]:
        schema = self._resolved(schema, given)
        fields = schema.get("properties")
        if isinstance(given, list) and isinstance(found, list) and len(given) == len(found):
            for index, (item, other) in enumerate(zip(given, found, strict=True)):
                yield from self._differences(schema.get("items", {}), item, other, f"{place}/{index}")
        elif isinstance(given, dict) and isinstance(found, dict) and fields:
            for name, field in fields.items():
                if name in given and not (found.get(name) is None and given[name] == field.get("default", _NONE)):
                    yield from self._differences(field, given[name], found.get(name), f"{place}/{name}")
                elif found.get(name) not in (None, field.get("default")):
                    yield f"{place}/{name} is absent, and was written as {found[name]!r}"
        elif isinstance(given, dict) and isinstance(found, dict) and _describes_no_field(schema):
            return
        elif isinstance(given, bool) != isinstance(found, bool) or given != found:
            yield f"{place} is {given!r}, and was written as {found!r}"


def _describes_no_field(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and not isinstance(schema.get("additionalProperties"), dict)


def read_document(path: str) -> Document:
    """Return a document of `generated/`."""
    return Document(yaml_text.parsed((GENERATED / path).read_text("utf-8")))  # JSON is YAML


def check_program(folder: Path, document: Document, *command: str | Path, only: set[str] | None = None) -> None:
    """Let a program read and write each vector, both without and with unlisted fields.

    `only` has the names of the definitions that the program knows, if it does not know all.
    """
    known = [*document.cases(), *document.cases(unlisted=True)]
    cases = [case for case in known if only is None or case.definition in only]
    assert cases
    answers = node.answers([{case.definition: case.value} for case in cases], *command, cwd=folder)
    written = [answer.get(case.definition) for case, answer in zip(cases, answers, strict=True)]
    faults = document.faults(cases, written)
    assert not faults, "\n".join(faults)
