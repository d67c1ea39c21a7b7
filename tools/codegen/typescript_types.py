"""Writes the declarations of the npm package: one for each definition, and tables of calls and of channels.

The fields for which the service writes null are required and may be null, as its documentation shows them.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

from tools.codegen.marked import fault_at
from tools.codegen.sources import Schema, SpecError, definitions
from tools.codegen.typescript_schemas import (
    UnsupportedError,
    choice_of_fields,
    is_required,
    key,
    located,
    members,
    referenced,
    tags,
    type_names,
    value_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Declarations", "comment", "field_type", "note", "rest_calls"]

_WIDTH = 110
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_METHODS = ("get", "put", "post", "delete", "patch")

_OPENING = """\
export {{}}; // only what is marked as exported is exported

/**
 * The texts that an enum of the protocol does not list: a type for each of these enums, and no value at run time.
 * An enum of TypeScript is the one kind of text that cannot be compared with any other text.
 */
declare enum Unlisted {{
{unlisted}
}}

/** A JSON object with any fields. */
export type JsonObject = {{ [field: string]: unknown }};

type NoFields = Record<string, never>;
"""


class Declarations:
    """The declarations of all definitions of the schemas `files`."""

    def __init__(self, files: dict[str, Schema]) -> None:
        self._files = files
        self._unions = {
            frozenset(map(referenced, _references(schema["oneOf"]))): name
            for _, name, schema in definitions(files)
            if tags(files, name)
        }

    def text(self) -> str:
        """Return the declarations, with those of their guards and lists of values.

        Raises `SpecError` if a definition has no form in TypeScript.
        """
        enums = [name for _, name, schema in definitions(self._files) if members(schema)]
        unlisted = "\n".join(f"  {name} = {json.dumps(f'any other {name}')}," for name in enums)
        parts = [_OPENING.format(unlisted=unlisted)]
        for file, document in self._files.items():
            parts.append(f"// {document['title']}: schemas/{file}\n")
            for name, schema in document["$defs"].items():
                with located(self._files, name):
                    parts.append(self._declaration(name, schema))
        return "\n".join(parts)

    def live_channels(self, asyncapi: dict[str, Any]) -> str:
        """Return the table of the messages that a client sends and receives on each channel."""
        messages = asyncapi["components"]["messages"]
        lines = []
        for channel, described in asyncapi["channels"].items():
            lines += comment(2, f"{described['title']}. {described.get('description', '')}".strip())
            lines.append(f"  {key(channel)}: {{")
            for action in ("send", "receive"):
                names = [
                    referenced(messages[referenced(entry["$ref"])]["payload"]["$ref"])
                    for name, entry in described["messages"].items()
                    if name in _moved(asyncapi, channel, action)
                ]
                union = self._unions.get(frozenset(names)) or " | ".join(names) or "never"
                lines.append(f"    {action}: {union};")
            lines.append("  };")
        doc = "\n".join(comment(0, "What a client sends and receives on each channel."))
        return f"\n{doc}\nexport interface LiveChannels {{\n" + "\n".join(lines) + "\n}\n"

    def _declaration(self, name: str, schema: Schema) -> str:
        doc = "\n".join(comment(0, *note(schema), *_example(schema)))
        guard = f"\n/** Returns whether `value` has the type {{@link {name}}}. */\n"
        guard += f"export declare function is{name}(value: unknown): value is {name};\n"
        if listed := members(schema):
            return f"{doc}\n{_enum(name, listed)}{guard}"
        if found := tags(self._files, name):
            guard += f"\n/** The `type` of each {{@link {name}}}. */\n"
            guard += f"export declare const {value_name(name, 'Types')}: {_tuple_type(found)};\n"
        return f"{doc}\n{_named(name, schema)}{guard}"


def rest_calls(openapi: Schema) -> str:
    """Return the table of the calls of an OpenAPI document, by `operationId`.

    Raises `SpecError` if a schema in it has no form in TypeScript.
    """
    lines: list[str] = []
    for path, item in openapi["paths"].items():
        for method in _METHODS:
            if method in item:
                try:
                    lines += _call(openapi, path, method, item)
                except UnsupportedError as exc:
                    raise SpecError([fault_at(openapi, ("paths", path, method), str(exc))]) from exc
    doc = "\n".join(comment(0, "Each REST call: its method, path, parameters, body and answer."))
    return f"\n{doc}\nexport interface RestCalls {{\n" + "\n".join(lines) + "\n}\n"


def field_type(schema: Schema, place: str) -> str:
    """Return the type of a schema as a TypeScript expression; `place` is where an `UnsupportedError` occurs."""
    if "$ref" in schema:
        return referenced(schema["$ref"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if members(schema):
        return "string"
    for keyword, glue in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if keyword in schema:
            return glue.join(field_type(branch, place) for branch in schema[keyword])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if not schema.get("type"):
        raise UnsupportedError(place, schema)
    return " | ".join(_of_one_type(name, schema, place) for name in type_names(schema))


def comment(indent: int, *paragraphs: str) -> list[str]:
    """Return the lines of a TSDoc comment."""
    margin = " " * indent
    lines: list[str] = []
    for paragraph in paragraphs:
        verbatim = paragraph.startswith("@example")
        lines += paragraph.split("\n") if verbatim else textwrap.wrap(paragraph, _WIDTH - indent - 3)
    if len(lines) == 1:
        return [f"{margin}/** {lines[0]} */"]
    return [f"{margin}/**", *(f"{margin} * {line}".rstrip() for line in lines), f"{margin} */"]


def note(schema: Schema) -> list[str]:
    """Return the paragraphs that describe a definition or a field."""
    text = _escaped(" ".join(str(schema.get("description", "")).split()))
    if schema.get("x-assumed"):
        text += " Assumed: not observed."
    if schema.get("x-secret"):
        text += " Secret: do not log it."
    default = schema.get("default")
    return [text] if default is None else [text, f"@defaultValue `{json.dumps(default)}`"]


def _tuple_type(values: list[str]) -> str:
    """Return the type of a frozen list of texts."""
    return "readonly [\n" + "".join(f"  {json.dumps(value)},\n" for value in values) + "]"


def _enum(name: str, listed: list[Schema]) -> str:
    known = "\n".join(
        line for value in listed for line in (*comment(2, *note(value)), f"  | {json.dumps(value['const'])}")
    )
    values = _tuple_type([value["const"] for value in listed])
    return (
        f"export type {name} = Known{name} | Unknown{name};\n"
        f"\n/** The listed values of {{@link {name}}}. */\nexport type Known{name} =\n{known};\n"
        f"\n/** A value of {{@link {name}}} that is not listed. */\n"
        f"export type Unknown{name} = Unlisted.{name};\n"
        f"\n/** The listed values of {{@link {name}}}. */\n"
        f"export declare const {value_name(name, 'Values')}: {values};\n"
        f"\n/** Returns whether `value` is a listed value of {{@link {name}}}. */\n"
        f"export declare function isKnown{name}(value: unknown): value is Known{name};\n"
    )


def _named(name: str, schema: Schema) -> str:
    if not schema.get("properties"):
        return f"export type {name} = {field_type(schema, name)};\n"
    keyword, chosen = choice_of_fields(schema)
    if not keyword:
        return f"export interface {name} {{\n" + "\n".join(_fields(schema, name, schema["properties"])) + "\n}\n"
    always = [field for field in schema["properties"] if field not in chosen]
    branches = [
        "\n".join(["  | {", *_indented(_choice(schema, name, chosen, field, keyword), 4), "    }"])
        for field in chosen
    ]
    common = "\n".join(["{", *_fields(schema, name, always), "}"]) + " & " if always else ""
    return f"export type {name} = {common}(\n" + "\n".join(branches) + "\n);\n"


def _choice(schema: Schema, place: str, chosen: list[str], given: str, keyword: str) -> Iterator[str]:
    """Yield the fields of a branch of a choice: one is given, the others are forbidden or optional."""
    for name in chosen:
        field = schema["properties"][name]
        if name == given:
            yield from comment(2, *note(field))
            yield f"  {key(name)}: {field_type(field, place)};"
        else:
            yield f"  {key(name)}?: {'never' if keyword == 'oneOf' else field_type(field, place)};"


def _fields(schema: Schema, place: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        field = schema["properties"][name]
        yield from comment(2, *note(field))
        yield f"  {key(name)}{'' if is_required(name, schema) else '?'}: {field_type(field, f'{place}/{name}')};"


def _of_one_type(name: str, schema: Schema, place: str) -> str:
    if name == "array":
        item = field_type(schema["items"], f"{place}/items")
        return f"({item})[]" if " " in item else f"{item}[]"
    if name == "object":
        values = schema.get("additionalProperties", True)
        if schema.get("properties"):
            raise UnsupportedError(place, schema)  # a class without a name
        return f"{{ [key: string]: {field_type(values, place)} }}" if isinstance(values, dict) else "JsonObject"
    return _SIMPLE[name]


def _call(document: dict[str, Any], path: str, method: str, item: dict[str, Any]) -> Iterator[str]:
    call = item[method]
    parameters = [
        _resolved(document, entry) for entry in (*item.get("parameters", []), *call.get("parameters", []))
    ]
    yield from comment(2, _escaped(call["summary"]))
    yield f"  {call['operationId']}: {{"
    yield f"    method: {json.dumps(method.upper())};"
    yield f"    path: {json.dumps(path)};"
    for where in ("path", "query"):
        fields = [
            f"{key(entry['name'])}{'' if entry.get('required') else '?'}: {field_type(entry['schema'], path)}"
            for entry in parameters
            if entry["in"] == where
        ]
        yield (
            f"    {where}Parameters: {{ {'; '.join(fields)} }};" if fields else f"    {where}Parameters: NoFields;"
        )
    yield f"    body: {_content(document, call.get('requestBody', {}), path)};"
    answers = [
        _content(document, answer, path) for status, answer in call["responses"].items() if str(status)[0] == "2"
    ]
    yield f"    answer: {' | '.join(dict.fromkeys(answers)) or 'unknown'};"
    yield "  };"


def _content(document: dict[str, Any], node: dict[str, Any], place: str) -> str:
    content = _resolved(document, node).get("content", {})
    return " | ".join(field_type(media["schema"], place) for media in content.values()) or "undefined"


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if not node.get("$ref", "").startswith("#/"):
        return node
    found: Any = document
    for step in node["$ref"][2:].split("/"):
        found = found[step]
    return _resolved(document, found)


def _moved(asyncapi: dict[str, Any], channel: str, action: str) -> set[str]:
    """Return the keys, in a channel, of the messages that clients `send` or `receive` on it."""
    prefix = f"#/channels/{channel}/messages/"
    return {
        entry["$ref"].removeprefix(prefix)
        for operation in asyncapi["operations"].values()
        if operation["action"] == action
        for entry in operation["messages"]
        if entry["$ref"].startswith(prefix)
    }


def _references(branches: list[Schema]) -> list[str]:
    return [branch["$ref"] for branch in branches if "$ref" in branch]


def _example(schema: Schema) -> list[str]:
    examples = schema.get("examples", [])
    if members(schema) or not examples or not examples[0]:
        return []
    return ["@example\n```json\n" + json.dumps(examples[0], indent=2, ensure_ascii=False) + "\n```"]


def _escaped(text: str) -> str:
    """Escape the characters that mean something in TSDoc, except in code, and the end of a comment everywhere."""
    parts = re.split(r"(`[^`]*`)", text.replace("*/", "*\\/"))
    return "".join(part if part.startswith("`") else re.sub(r"([{}<>@])", r"\\\1", part) for part in parts)


def _indented(lines: Iterable[str], indent: int) -> Iterator[str]:
    return (" " * indent + line for line in lines)
