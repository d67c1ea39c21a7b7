"""Turns the schemas of `spec/` into named components in the forms that code generators understand.

The schemas are exact; generators understand less. The changes, for OpenAPI and AsyncAPI alike:

- An open enum is a plain `string`: a client with a closed enum would break on the first new value. Its values are
  in `x-extensible-enum`, and in a closed enum beside it, `Known…`, which no body uses; code made from it has the
  constants.
- Nothing is anonymous: an object or a map inside a field is a component, named after its owner and field.
- In objects that only the service sends, fields that it writes as null are required, and a default is only part
  of the text: it would hide that a field is absent. `additionalProperties: true` is explicit there: some generated
  code otherwise refuses fields that it does not know.
- An object without known fields has `additionalProperties: true`, too; otherwise, it would be an empty class.
- "Exactly one of these fields" is a union of objects, one for each field.
- A value without a tag that may be of several types, such as `ErrorBody.detail`, is any JSON value. Many languages
  have no such unions, and their code could not read it at all. Its text names the types; objects are components.
- Integers are `int64`, other numbers `double`. No text is a `date-time` or a `uri`: generated code would parse it
  and refuse an answer for one odd value that the official clients pass on.

This module knows nothing of the envelopes; `openapi` and `asyncapi` make the documents.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from tools.codegen.lowering import member_name
from tools.codegen.marked import fault_in
from tools.codegen.names import pascal
from tools.codegen.sources import SpecError, definitions, split_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.codegen.marked import Fault
    from tools.codegen.sources import Schema

__all__ = [
    "PREFIX",
    "Components",
    "Dialect",
    "is_choice_of_fields",
    "known_values",
    "open_values",
    "pascal",
    "tag_of",
]

PREFIX = "#/components/schemas/"
_WORDS = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "object": "another object",
    "null": "null",
}
_FORMATS = {"integer": "int64", "number": "double"}
_KEPT = frozenset(
    {
        *("type", "const", "items", "description", "examples", "additionalProperties"),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"),
        *("x-assumed", "x-secret", "x-large", "x-essential", "x-stand-in"),
    }
)


@attrs.frozen
class Dialect:
    """The differences between the documents."""

    discriminator: Callable[[dict[str, str]], Any]
    """Makes the value of the keyword `discriminator` from the tags and the references that they lead to."""
    ref_has_siblings: bool
    """Whether a `$ref` may have other keywords beside it."""


class Components:
    """The named components for one document: every definition, and every part that needs a name.

    `sent` has the names of the schemas that a client sends. Raises `SpecError`, with every such name, if two
    components would have the same name.
    """

    def __init__(self, files: dict[str, Schema], sent: set[str], dialect: Dialect) -> None:
        self.schemas: dict[str, Schema] = {}
        self._files = files
        self._sent = sent
        self._dialect = dialect
        self._definitions = {name: schema for _, name, schema in definitions(files)}
        self._faults: list[Fault] = []
        for name, schema in self._definitions.items():
            self._owner = name
            self._define(name, schema)
        if self._faults:
            raise SpecError(self._faults)

    def _define(self, name: str, schema: Schema) -> None:
        if open_values(schema):
            self._put(name, _open_string(schema))
            self._put(f"Known{name}", known_values(name, schema))
        elif "properties" not in schema and "oneOf" in schema:
            self._put(name, self._tagged_union(schema))
        elif is_choice_of_fields(schema.get("oneOf")):
            self._choice(name, schema)
        else:
            self._put(name, self._object(name, schema, schema.get("properties", {})))

    def _put(self, name: str, schema: Schema) -> None:
        if name in self.schemas:
            text = f"{self._owner}: two components would have the name `{name}`"
            self._faults.append(fault_in(self._files, self._owner, (), text))
        self.schemas[name] = {"title": name, **schema}

    def _tagged_union(self, schema: Schema) -> Schema:
        names = [branch["$ref"].rpartition("/")[2] for branch in schema["oneOf"]]
        mapping = {tag_of(self._definitions[name]): f"{PREFIX}{name}" for name in names}
        return {
            "description": schema["description"],
            "oneOf": [{"$ref": reference} for reference in mapping.values()],
            "discriminator": self._dialect.discriminator(mapping),
        }

    def _choice(self, name: str, schema: Schema) -> None:
        """Define a union with one object for each field of the choice."""
        choices = [branch["required"][0] for branch in schema["oneOf"]]
        variants = {}
        for chosen in choices:
            fields = {
                wire: _without_null(field) if wire == chosen else field
                for wire, field in schema["properties"].items()
                if wire == chosen or wire not in choices
            }
            variant = self._object(name, {**schema, "required": [*schema["required"], chosen]}, fields)
            variant["description"] = f"A `{name}` with `{chosen}`."
            variant["examples"] = [example for example in schema["examples"] if chosen in example]
            variants[f"{name}With{pascal(chosen)}"] = variant
        self._put(
            name,
            {
                "description": schema["description"],
                "oneOf": [{"$ref": f"{PREFIX}{variant}"} for variant in variants],
                "examples": schema["examples"],
            },
        )
        for title, variant in variants.items():
            self._put(title, variant)

    def _object(self, name: str, schema: Schema, fields: dict[str, Schema]) -> Schema:
        answer = name not in self._sent
        nulls = [wire for wire, field in fields.items() if answer and field.get("x-write-null")]
        required = [wire for wire in fields if wire in schema.get("required", []) or wire in nulls]
        found: Schema = {"description": _text(schema), "type": "object"}
        if required:
            found["required"] = required
        if fields:
            found["properties"] = {wire: self._field(name, wire, field) for wire, field in fields.items()}
        if answer or not fields or "additionalProperties" in schema:
            found["additionalProperties"] = schema.get("additionalProperties", True)
        return {**found, **{key: schema[key] for key in ("examples", "x-assumed") if key in schema}}

    def _field(self, owner: str, wire: str, field: Schema) -> Schema:
        found = self._type(f"{owner}{pascal(wire)}", field)
        found["description"] = _text(field) + _types(field)
        if "$ref" in found and not self._dialect.ref_has_siblings:
            found["allOf"] = [{"$ref": found.pop("$ref")}]
        if "default" in field:
            if owner in self._sent:
                found["default"] = field["default"]
            else:
                found["description"] += f" If absent: `{json.dumps(field['default'])}`."
        return found

    def _type(self, name: str, schema: Schema) -> Schema:
        """Return the type of a part of an object; `name` is that of the component that it may need."""
        found = {key: value for key, value in schema.items() if key in _KEPT}
        if "$ref" in schema:
            return {**found, "$ref": PREFIX + split_reference(schema["$ref"], "")[1]}
        if "anyOf" in schema:
            branches = [branch for branch in schema["anyOf"] if branch.get("type") != "null"]
            if len(branches) > 1:
                return found
            return {**found, "anyOf": [self._type(name, branches[0]), {"type": "null"}]}
        if "const" in schema:
            found = {"type": "string", **found}
        if "items" in schema:
            found["items"] = self._type(f"{name}Item", schema["items"])
        kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
        if kinds and kinds[0] in _FORMATS:
            found["format"] = _FORMATS[kinds[0]]
        if schema.get("x-secret"):
            found["format"] = "password"
        if kinds == ["object"]:
            part = {**found, "description": schema.get("description", f"A part of `{name}`.")}
            if isinstance(part.get("additionalProperties"), dict):
                part["additionalProperties"] = self._type(f"{name}Value", part["additionalProperties"])
            self._put(name, part)
            return {"$ref": f"{PREFIX}{name}"}
        return found


def open_values(schema: Schema) -> list[Schema]:
    """Return the listed values of an open enum, each with its text; empty for any other schema."""
    return [branch for branch in schema.get("anyOf", []) if "const" in branch]


def known_values(name: str, schema: Schema) -> Schema:
    """Return the closed enum of the values that an open enum lists."""
    values = open_values(schema)
    return {
        "description": (
            f"The known values of `{name}`, for constants. There may be others: bodies and messages use `{name}`."
        ),
        "type": "string",
        "enum": [value["const"] for value in values],
        "x-enum-varnames": [member_name(value["const"]) for value in values],
        "x-enum-descriptions": [_text(value) for value in values],
    }


def tag_of(schema: Schema) -> str:
    """Return the tag of a message: its constant `type`."""
    return str(schema["properties"]["type"]["const"])


def is_choice_of_fields(branches: Any) -> bool:
    """Return whether the branches of a `oneOf` or `anyOf` only require fields."""
    return bool(branches) and all(list(branch) == ["required"] for branch in branches)


def _open_string(schema: Schema) -> Schema:
    values = open_values(schema)
    lines = [f"- `{value['const']}`: {_text(value)}" for value in values]
    other = next(branch["description"] for branch in schema["anyOf"] if "const" not in branch)
    found: Schema = {
        "description": "\n".join([_text(schema), "", *lines, f"- {other}"]),
        "type": "string",
        "x-extensible-enum": [value["const"] for value in values],
        "examples": schema["examples"],
    }
    return {**found, "x-assumed": True} if schema.get("x-assumed") else found


def _without_null(field: Schema) -> Schema:
    """Return the schema of the field that distinguishes a variant, without null as an alternative."""
    branches = [branch for branch in field.get("anyOf", []) if branch.get("type") != "null"]
    return field if len(branches) != 1 else {"description": field["description"], **branches[0]}


def _text(schema: Schema) -> str:
    text = str(schema["description"])
    if is_choice_of_fields(schema.get("anyOf")):
        names = " or ".join(f"`{branch['required'][0]}`" for branch in schema["anyOf"])
        text += f" At least one of {names} is present."
    return f"{text} Assumed: not observed." if schema.get("x-assumed") else text


def _types(schema: Schema, of: str = " Any JSON value: ") -> str:
    """Return the types of a value without a tag, in words; empty if it has only one."""
    branches = [branch for branch in schema.get("anyOf", []) if branch.get("type") != "null"]
    if len(branches) > 1:
        return f"{of}{', or '.join(_type_in_words(branch) for branch in branches)}."
    return _types(schema["items"], " Each element: ") if "items" in schema else ""


def _type_in_words(schema: Schema) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "items" in schema:
        return f"a list of {_type_in_words(schema['items'])}"
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return " or ".join(_WORDS[kind] for kind in kinds)
