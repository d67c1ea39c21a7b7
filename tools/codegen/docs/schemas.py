"""Describes schemas for readers: the type of a field in words, its limits, and its notes, as HTML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs
from markupsafe import Markup, escape

from tools.codegen.docs.markdown import inline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Definition", "Field", "Value", "described", "example", "fields_of", "type_of"]

_BOUNDS: Final = {
    "minimum": Markup("at least {}"),
    "maximum": Markup("at most {}"),
    "minLength": Markup("at least {} characters"),
    "maxLength": Markup("at most {} characters"),
    "minItems": Markup("at least {} entries"),
    "maxItems": Markup("at most {} entries"),
    "pattern": Markup("matches <code>{}</code>"),
    "format": Markup("format {}"),
}
_NOTES: Final = {
    "x-secret": "secret: must not be logged",
    "x-large": "large",
    "x-write-null": "null if there is none",
    "x-essential": "essential: a reader cannot do without it",
}


@attrs.frozen(kw_only=True)
class Field:
    """One row of a table of fields."""

    name: str
    anchor: str
    type: Markup
    required: bool
    text: Markup
    notes: tuple[Markup, ...]
    assumed: bool
    place: str = ""
    """The location of a parameter, such as `query`; "" for a field of an object."""


@attrs.frozen(kw_only=True)
class Value:
    """One listed value of an enum."""

    value: str
    anchor: str
    text: Markup
    assumed: bool


@attrs.frozen(kw_only=True)
class Definition:
    """One definition, ready to be laid out."""

    name: str
    text: Markup
    fields: tuple[Field, ...]
    values: tuple[Value, ...]
    others: Markup
    """The note on unlisted values."""
    members: tuple[Markup, ...]
    """The members of a union of definitions; empty if it is not a union."""
    rule: Markup
    """A rule between fields, or the type of a definition that is not an object."""
    example: str
    assumed: bool


def described(name: str, schema: dict[str, Any], link: Callable[[str], str]) -> Definition:
    """Describe a definition; ``link`` returns the address of any other definition."""
    listed = _listed(schema)
    return Definition(
        name=name,
        text=inline(schema["description"]),
        fields=tuple(
            _field(name, wire, field, wire in schema.get("required", ()), link)
            for wire, field in schema.get("properties", {}).items()
        ),
        values=tuple(
            Value(
                value=str(each["const"]),
                anchor=f"{name}.{each['const']}",
                text=inline(each.get("description", "")),
                assumed=bool(each.get("x-assumed")),
            )
            for each in listed
        ),
        others=_others(schema) if listed else Markup(),
        members=tuple(_members(schema, link)),
        rule=_rule(schema) if schema.get("properties") else Markup() if listed else type_of(schema, link),
        example="" if listed else example(schema),
        assumed=bool(schema.get("x-assumed")),
    )


def fields_of(owner: str, parameters: Iterable[dict[str, Any]], link: Callable[[str], str]) -> list[Field]:
    """Describe the parameters of the call ``owner``."""
    return [
        attrs.evolve(
            _field(owner, each["name"], {**_parameter(each), **each["schema"]}, bool(each.get("required")), link),
            place=each["in"],
            text=inline(each.get("description", "")),
        )
        for each in parameters
    ]


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameter.items() if key == "x-assumed"}


def type_of(schema: dict[str, Any], link: Callable[[str], str]) -> Markup:
    """Return the type of a value in words, with links to definitions."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="{}">{}</a>').format(link(name), name)
    if "const" in schema:
        return Markup("<code>{}</code>").format(json.dumps(schema["const"], ensure_ascii=False))
    for keyword in ("anyOf", "oneOf"):
        branches = [each for each in schema.get(keyword, ()) if set(each) != {"required"}]
        if branches:
            return Markup(" or ").join(dict.fromkeys(type_of(each, link) for each in branches))
    kinds = schema.get("type", "object" if "properties" in schema else "any value")
    names = [_kind(kind, schema, link) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return Markup(" or ").join(names)


def _kind(kind: str, schema: dict[str, Any], link: Callable[[str], str]) -> Markup:
    if kind == "array":
        return Markup("list of {}").format(type_of(schema.get("items", {}), link))
    more = schema.get("additionalProperties")
    if kind == "object" and isinstance(more, dict) and more:
        return Markup("object of {}").format(type_of(more, link))
    return escape(kind)


def _listed(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the listed values of an enum, whatever its form; empty for any other schema."""
    for keyword in ("enum", "x-extensible-enum"):
        if keyword in schema:
            return [{"const": value} for value in schema[keyword]]
    return [each for each in schema.get("anyOf", ()) if "const" in each]


def _others(schema: dict[str, Any]) -> Markup:
    texts = [each.get("description", "") for each in schema.get("anyOf", ()) if "const" not in each]
    return inline(texts[0]) if texts else Markup()


def _members(schema: dict[str, Any], link: Callable[[str], str]) -> list[Markup]:
    if "properties" in schema:
        return []
    return [type_of(each, link) for each in schema.get("oneOf", ()) if "$ref" in each]


def _rule(schema: dict[str, Any]) -> Markup:
    for keyword, word in (("oneOf", "Exactly one of"), ("anyOf", "At least one of")):
        names = [each["required"][0] for each in schema.get(keyword, ()) if set(each) == {"required"}]
        if names:
            listed = Markup(", ").join(Markup("<code>{}</code>").format(name) for name in names)
            return Markup("{} {} is given.").format(word, listed)
    return Markup()


def _field(owner: str, wire: str, field: dict[str, Any], required: bool, link: Callable[[str], str]) -> Field:
    notes = [escape(text) for keyword, text in _NOTES.items() if field.get(keyword)]
    if field.get("minLength") == 1 or field.get("minItems") == 1:
        notes.append(escape("not empty"))
        field = {key: value for key, value in field.items() if key not in ("minLength", "minItems")}
    notes += [text.format(field[keyword]) for keyword, text in _BOUNDS.items() if keyword in field]
    for keyword, word in (("default", "default"), ("x-stand-in", "a reader without it takes")):
        if keyword in field:
            shown = json.dumps(field[keyword], ensure_ascii=False)
            notes.append(Markup("{} <code>{}</code>").format(word, shown))
    if field.get("examples"):
        shown = json.dumps(field["examples"][0], ensure_ascii=False)
        notes.append(Markup("for example <code>{}</code>").format(shown))
    return Field(
        name=wire,
        anchor=f"{owner}.{wire}",
        type=type_of(field, link),
        required=required,
        text=inline(field["description"]) if field.get("description") else Markup(),
        notes=tuple(notes),
        assumed=bool(field.get("x-assumed")),
    )


def example(schema: dict[str, Any]) -> str:
    """Return the first example of a schema as JSON, or "" if it has none."""
    examples = schema.get("examples")
    return json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else ""
