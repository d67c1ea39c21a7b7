"""Writes the code of the npm package: a guard for each definition, and the listed values of enums and unions.

A guard checks the promises of a type: its fields, and their types. Bounds and patterns are not part of a type.
"""

from __future__ import annotations

import json

from tools.codegen.sources import Schema, definitions
from tools.codegen.typescript_schemas import (
    UnsupportedError,
    choice_of_fields,
    is_required,
    located,
    members,
    referenced,
    tags,
    type_names,
    value_name,
)

__all__ = ["guards"]

_HELPERS = """\
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isListOf = (value, isItem) => Array.isArray(value) && value.every(isItem);
const isMapOf = (value, isItem) => isObject(value) && Object.values(value).every(isItem);
"""

_CHECKS = {
    "string": 'typeof {0} === "string"',
    "integer": "Number.isInteger({0})",
    "number": "Number.isFinite({0})",
    "boolean": 'typeof {0} === "boolean"',
    "null": "{0} === null",
}


def guards(files: dict[str, Schema]) -> str:
    """Return the source text of the module, whose declarations `typescript_types.Declarations` makes.

    Raises `SpecError` if a definition has no form in TypeScript.
    """
    parts = [_HELPERS]
    for _, name, schema in definitions(files):
        if listed := members(schema):
            values = _list([value["const"] for value in listed])
            parts.append(f"export const {value_name(name, 'Values')} = Object.freeze({values});\n")
            known = f"{value_name(name, 'Values')}.includes(value)"
            parts.append(f"export function isKnown{name}(value) {{\n  return {known};\n}}\n")
        if found := tags(files, name):
            parts.append(f"export const {value_name(name, 'Types')} = Object.freeze({_list(found)});\n")
        with located(files, name):
            check = _object(schema, name) if schema.get("properties") else _check(schema, "value", name)
        parts.append(f"export function is{name}(value) {{\n  return {check};\n}}\n")
    return "\n".join(parts)


def _list(values: list[str]) -> str:
    return "[\n" + "".join(f"  {json.dumps(value)},\n" for value in values) + "]"


def _object(schema: Schema, place: str) -> str:
    keyword, chosen = choice_of_fields(schema)
    checks = ["isObject(value)"]
    for name, field in schema["properties"].items():
        expression = f"value.{name}" if name.isidentifier() else f"value[{json.dumps(name)}]"
        check = _check(field, expression, f"{place}/{name}")
        if not is_required(name, schema):
            check = f"({expression} === undefined || {check})"
        checks.append(check)
    if keyword:
        given = f"{json.dumps(chosen)}.filter((name) => value[name] !== undefined).length"
        checks.append(f"{given} === 1" if keyword == "oneOf" else f"{given} > 0")
    return "(\n    " + " &&\n    ".join(checks) + "\n  )"


def _check(schema: Schema, expression: str, place: str) -> str:
    """Return source text that reports whether the value of `expression` has the type of `schema`."""
    if "$ref" in schema:
        return f"is{referenced(schema['$ref'])}({expression})"
    if "const" in schema:
        return f"{expression} === {json.dumps(schema['const'])}"
    if members(schema):
        return f'typeof {expression} === "string"'
    for keyword, glue in (("anyOf", " || "), ("oneOf", " || "), ("allOf", " && ")):
        if keyword in schema:
            return f"({glue.join(_check(branch, expression, place) for branch in schema[keyword])})"
    if "enum" in schema:
        return f"{json.dumps(schema['enum'])}.includes({expression})"
    if not schema.get("type"):
        raise UnsupportedError(place, schema)
    checks = [_of_one_type(name, schema, expression, place) for name in type_names(schema)]
    return checks[0] if len(checks) == 1 else f"({' || '.join(checks)})"


def _of_one_type(name: str, schema: Schema, expression: str, place: str) -> str:
    if name == "array":
        return f"isListOf({expression}, (item) => {_check(schema['items'], 'item', place)})"
    if name == "object":
        if schema.get("properties"):
            raise UnsupportedError(place, schema)  # a class without a name
        values = schema.get("additionalProperties", True)
        if isinstance(values, dict):
            return f"isMapOf({expression}, (item) => {_check(values, 'item', place)})"
        return f"isObject({expression})"
    return _CHECKS[name].format(expression)
