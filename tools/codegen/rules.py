"""The rules for schemas of the spec: only keywords that the models honour, so that nothing is silently dropped.

A definition is an object, an open enum or a union of tagged objects. A construct that the models could not express
(an inline object, a bound of a list's items, another choice between fields) is a fault with its line.
`tools.codegen.envelopes` checks the routes of messages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from tools.codegen import names
from tools.codegen.keywords import BOUNDS, DIALECT, FORMATS, KEYWORDS, OURS
from tools.codegen.lowering import member_name, python_name
from tools.codegen.marked import Fault, Marked, Path, Schema, definitions, split_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UNCHECKED", "faults", "tag_of"]

UNCHECKED: Final = frozenset(
    {
        ("IceServer", "anyOf"),  # clients skip an entry without an address: a model must be able to hold it
        ("SessionRequest", "properties", "region_latencies", "additionalProperties", "minimum"),
    }
)
"""The rules that the spec states for other readers but the models do not check. Adding one needs a decision."""

_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_NOTES: Final = frozenset({"title", "description", "examples", "default", *OURS})
_HEAD: Final = ("$schema", "title", "description")
"""The keywords of a schema file before its definitions."""
_NOT_ECMASCRIPT: Final = re.compile(r"\(\?(?![:=!]|<[=!])|\\[AZz]|[*+?}]\+")
"""Syntax in patterns that ECMAScript, the language of JSON Schema's patterns, does not read as Python does."""
_PAIRS: Final = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))


def faults(documents: dict[str, Marked]) -> Iterator[Fault]:
    """Yield every fault of the schema files, which are given by name and each have `$defs`."""
    sound: dict[str, Schema] = {}
    for file, marked in documents.items():
        found = list(_invalid(marked))
        yield from (marked.fault(path, text) for path, text in found)
        broken = {path[1] for path, _ in found if path[:1] == ("$defs",) and len(path) > 1}
        sound[file] = {
            "$defs": {name: {} if name in broken else schema for name, schema in marked.data["$defs"].items()}
        }
        yield from _head(marked)
    yield from names.faults(documents)
    for file, name, schema in definitions(sound):
        if schema != {}:
            yield from _Check(documents[file], file, name, sound).definition(schema)
    yield from _misfits(documents, sound)


class _Check:
    """The rules for one definition."""

    def __init__(self, marked: Marked, file: str, name: str, files: dict[str, Schema]) -> None:
        self._marked = marked
        self._file = file
        self._name = name
        self._files = files

    def _fault(self, path: Path, text: str, word: str | None = None) -> Fault:
        """Return a fault of the schema at `path`, or of its keyword `word`, with its line."""
        shown = "/".join([self._name, *(str(step) for step in path if step != "properties")])
        within = (word,) if word else ()
        return self._marked.fault(("$defs", self._name, *path, *within), f"{shown}: {text}")

    def definition(self, schema: Any) -> Iterator[Fault]:
        """Yield the faults of the whole definition."""
        if not isinstance(schema, dict):
            yield self._fault((), "a definition is an object of keywords")
            return
        yield from self._words((), schema, "object")
        if not schema.get("description"):
            yield self._fault((), "no description")
        if not schema.get("examples") and "$ref" not in str(schema.get("oneOf")):
            yield self._fault((), "no examples")
        match schema:
            case {"type": "object"}:
                yield from self._object(schema)
            case {"anyOf": [{"const": _}, *_]}:
                yield from self._enum(schema["anyOf"])
            case {"oneOf": [*branches]} if not set(schema) - _NOTES - {"oneOf"}:
                yield from self._union(branches)
            case _:
                yield self._fault((), "neither an object nor an open enum nor a union of objects")

    def _words(self, path: Path, schema: Schema, place: str) -> Iterator[Fault]:
        """Yield a fault for each keyword of one level that is unknown, misplaced, or has a wrong kind of value."""
        for word, value in schema.items():
            if word in OURS:
                extension = OURS[word]
                if place not in extension.places:
                    yield self._fault(path, f"`{word}` is not for this place: {place}", word)
                elif not extension.fits(value):
                    yield self._fault(path, f"`{word}` takes {extension.value}", word)
            elif word not in KEYWORDS:
                yield self._fault(path, f"keyword `{word}` is not understood", word)
        if "format" in schema and schema["format"] not in FORMATS:
            yield self._fault(path, f"the format `{schema['format']}` is not registered", "format")

    # --- the three kinds

    def _object(self, schema: Schema) -> Iterator[Fault]:
        fields = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in fields:
                yield self._fault((), f"`{name}` is required, but is not a property", "required")
        for name, field in fields.items():
            yield from self._field(name, field, required=name in schema.get("required", []))
        yield from self._field_names(fields)
        written = [wire for wire, field in fields.items() if isinstance(field, dict) and field.get("x-write-null")]
        for index, example in enumerate(schema.get("examples", [])):
            for wire in sorted(set(written) - set(example if isinstance(example, dict) else written)):
                yield self._fault(("examples", index), f"the service writes null for `{wire}`: show it")
        if schema.get("additionalProperties", True) is not True:
            yield self._fault((), "an object may have fields that are not listed", "additionalProperties")
        if "anyOf" in schema and (self._name, "anyOf") not in UNCHECKED:
            yield self._fault((), "the models do not check an `anyOf` of objects", "anyOf")
        if "oneOf" in schema:
            yield from self._choice(schema["oneOf"], fields)
        yield from self._leftovers(
            (), schema, {"type", "properties", "required", "additionalProperties"}, "object"
        )

    def _choice(self, branches: list[Any], fields: Schema) -> Iterator[Fault]:
        for index, branch in enumerate(branches):
            match branch:
                case {"required": [str(name)]} if len(branch) == 1:
                    if name not in fields:
                        yield self._fault(("oneOf", index), f"`{name}` is not a property")
                case _:
                    yield self._fault(
                        ("oneOf", index), "only a choice of exactly one field is honoured: `required: [name]`"
                    )

    def _enum(self, branches: list[Any]) -> Iterator[Fault]:
        members: dict[str, str] = {}
        for index, branch in enumerate(branches[:-1]):
            path = ("anyOf", index)
            yield from self._words(path, branch, "enum value")
            if not isinstance(branch.get("const"), str) or not branch["const"]:
                yield self._fault(path, "a value of an enum is a text that is not empty")
                continue
            if not branch.get("description"):
                yield self._fault(path, "no description")
            value = branch["const"]
            if not (member := member_name(value)):
                yield self._fault(path, f"no member can be named after `{value}`: no letter and no digit")
            elif member in members:
                yield self._fault(path, f"`{value}` and `{members[member]}` would both be `{member}` in code")
            members[member] = value
        if not isinstance(branches[-1], dict) or branches[-1].get("type") != "string" or "const" in branches[-1]:
            yield self._fault((), "an enum is open: its last branch is any string", "anyOf")
        elif not branches[-1].get("description"):
            yield self._fault(("anyOf", len(branches) - 1), "no description")

    def _union(self, branches: list[Any]) -> Iterator[Fault]:
        tags: dict[str, str] = {}
        for index, branch in enumerate(branches):
            path: Path = ("oneOf", index)
            if not isinstance(branch, dict) or list(branch) != ["$ref"]:
                yield self._fault(path, "a member of a union is a `$ref` and nothing else")
                continue
            yield from self._reference(path, branch)
            file, name = split_reference(branch["$ref"], self._file)
            member = self._definition(file, name)
            tag = tag_of(member)
            if member and tag is None:
                yield self._fault(path, f"`{name}` has no constant `type` that would tell it from the others")
            elif tag in tags:
                yield self._fault(path, f"`{name}` and `{tags[tag]}` have the same `type`")
            elif tag is not None:
                tags[tag] = name

    # --- fields

    def _field(self, name: str, field: Any, *, required: bool) -> Iterator[Fault]:
        path: Path = ("properties", name)
        if not isinstance(field, dict):
            yield self._fault(path, "a field is an object of keywords")
            return
        yield from self._words(path, field, "field")
        if not field.get("description"):
            yield self._fault(path, "no description")
        if "const" in field:
            if not isinstance(field["const"], str) or not required:
                yield self._fault(path, "a constant is a text, and required: writers always send it")
            return
        if "default" in field and required:
            yield self._fault(path, "a required field has no default", "default")
        if field.get("default", "") is None or isinstance(field.get("default"), dict):
            yield self._fault(path, "a default is a text, a number, a boolean or an empty list", "default")
        elif field.get("default") != [] and isinstance(field.get("default"), list):
            yield self._fault(path, "a default that is a list is empty", "default")
        elif "default" in field and ("$ref" in field or "anyOf" in field):
            yield self._fault(path, "only a field with a plain type has a default", "default")
        if field.get("x-secret") and "string" not in _types(field):
            yield self._fault(path, "only a text can be secret", "x-secret")
        if "x-stand-in" in field and ("x-essential" in field or not required):
            yield self._fault(path, "`x-stand-in` is for required fields that are not essential", "x-stand-in")
        if "x-essential" in field and not required:
            yield self._fault(path, "only a required field can be essential", "x-essential")
        if "x-write-null" in field and (required or not _is_nullable(field)):
            yield self._fault(path, "`x-write-null` is for optional fields that may be null", "x-write-null")
        yield from self._value(path, field, top=True)

    def _value(self, path: Path, schema: Schema, *, top: bool = False) -> Iterator[Fault]:
        """Yield the faults of a field, or (not `top`) of a branch, an item or a value of a map."""
        if not top:
            yield from self._words(path, schema, "value")
        kinds = _types(schema)
        plain = [kind for kind in kinds if kind != "null"]
        honoured = {"type"}
        if "$ref" in schema:
            honoured = {"$ref"}
            yield from self._reference(path, schema)
            file, name = split_reference(str(schema["$ref"]), self._file)
            if "properties" not in (other := self._definition(file, name)) and "oneOf" in other:
                yield self._fault(path, f"`{name}` is a union of messages, which only a channel carries", "$ref")
        elif "anyOf" in schema:
            honoured = {"anyOf"}
            yield from self._alternatives(path, schema["anyOf"])
        elif "object" in plain:
            honoured |= {"additionalProperties"}
            yield from self._map(path, schema)
        elif "array" in plain:
            honoured |= {"items"}
            if isinstance(schema.get("items"), dict):
                yield from self._value((*path, "items"), schema["items"])
            else:
                yield self._fault(path, "a list without `items`: nothing would check what is in it")
        elif not plain or set(plain) - _SCALARS:
            yield self._fault(path, "no type")
        if len(plain) > 1:
            yield self._fault(path, "several types: name them in an `anyOf`", "type")
        yield from self._bounds(path, schema, plain, top=top)
        yield from self._leftovers(path, schema, honoured | set(BOUNDS), "field")

    def _bounds(self, path: Path, schema: Schema, plain: list[str], *, top: bool) -> Iterator[Fault]:
        if FORMATS.get(schema.get("format", ""), "string") not in (
            *plain,
            "string" if "format" not in schema else "",
        ):
            yield self._fault(path, f"the format `{schema['format']}` says nothing about this type", "format")
        for bound in sorted(set(schema) & set(BOUNDS) - {"format"}):
            if not top and (self._name, *path, bound) not in UNCHECKED:
                yield self._fault(path, f"the models check `{bound}` only directly at a field", bound)
            elif not set(plain) & set(BOUNDS[bound]):
                yield self._fault(path, f"`{bound}` says nothing about this type", bound)
        for least, most in _PAIRS:
            if schema.get(least, 0) > schema.get(most, schema.get(least, 0)):
                yield self._fault(path, f"no value fits: `{least}` is above `{most}`", least)
        if _NOT_ECMASCRIPT.search(schema.get("pattern", "")):
            yield self._fault(path, "the pattern means something else, or nothing, in ECMAScript", "pattern")

    def _alternatives(self, path: Path, branches: list[Any]) -> Iterator[Fault]:
        if len(branches) == 1 or all(branch == {"type": "null"} for branch in branches):
            yield self._fault(path, "an `anyOf` names several types", "anyOf")
        for index, branch in enumerate(branches):
            here = (*path, "anyOf", index)
            if not isinstance(branch, dict):
                continue  # not JSON Schema, which is reported
            if "const" in branch:
                yield self._fault(here, "an inline enum: give it a name under `$defs`")
                return
            if list(branch) == ["required"]:
                yield self._fault(here, "the models do not check an `anyOf` of `required`")
            elif branch != {"type": "null"}:
                yield from self._value(here, branch)

    def _map(self, path: Path, schema: Schema) -> Iterator[Fault]:
        values = schema.get("additionalProperties")
        if "properties" in schema or "required" in schema:
            yield self._fault(path, "an inline object: give it a name under `$defs`")
        elif isinstance(values, dict):
            yield from self._value((*path, "additionalProperties"), values)
        elif values is not True:
            yield self._fault(path, "an object of any fields says `additionalProperties: true`")

    def _reference(self, path: Path, schema: Schema) -> Iterator[Fault]:
        file, name = split_reference(str(schema["$ref"]), self._file)
        if name not in self._files.get(file, {}).get("$defs", {}):
            yield self._fault(path, f"`{schema['$ref']}` leads nowhere", "$ref")

    def _definition(self, file: str, name: str) -> Schema:
        """Return a definition; an empty one if there is none, or if it is faulty itself."""
        found = self._files.get(file, {}).get("$defs", {}).get(name)
        return found if isinstance(found, dict) else {}

    def _leftovers(self, path: Path, schema: Schema, honoured: set[str], what: str) -> Iterator[Fault]:
        """Yield a fault for each known keyword that means nothing beside the others."""
        choices = {"anyOf", "oneOf"} if what == "object" else {"properties", "required"}  # reported on their own
        for word in sorted(set(schema) & KEYWORDS - _NOTES - honoured - choices):
            yield self._fault(path, f"`{word}` is not honoured here", word)

    def _field_names(self, fields: Schema) -> Iterator[Fault]:
        for wire in fields:
            if not python_name(wire):
                yield self._fault(
                    ("properties", wire), "no attribute can be named after it: no letter and no digit"
                )
            if wire in names.EVERY_OBJECT_HAS:
                yield self._fault(("properties", wire), "every object of JavaScript has one already")


def tag_of(schema: Schema) -> str | None:
    """Return the constant `type` of a message; None if the schema has none."""
    match schema:
        case {"properties": {"type": {"const": str(tag)}}}:
            return tag
        case _:
            return None


def _types(schema: Schema) -> list[str]:
    """Return the JSON types that a schema names."""
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def _head(marked: Marked) -> Iterator[Fault]:
    """Yield the faults of a file outside its definitions."""
    for word in _HEAD:
        if not marked.data.get(word):
            yield marked.fault((), f"the file has no {word}")
    if marked.data.get("$schema", DIALECT) != DIALECT:
        yield marked.fault(("$schema",), f"the schemas are those of {DIALECT}")
    for word in marked.data:
        if word not in (*_HEAD, "$defs"):
            yield marked.fault((word,), f"`{word}` is not for the head of a file")


def _is_nullable(schema: Schema) -> bool:
    return "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())


def _invalid(marked: Marked) -> Iterator[tuple[Path, str]]:
    """Yield all violations of JSON Schema itself, such as a `required` that is a text, or an invalid pattern."""
    validator = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=FormatChecker(["regex"]))
    for error in validator.iter_errors(marked.data):
        yield tuple(error.absolute_path), f"not JSON Schema: {error.message}"


def _misfits(documents: dict[str, Marked], sound: dict[str, Schema]) -> Iterator[Fault]:
    """Yield a fault for each default, stand-in and example that violates its own schema."""
    registry: Registry[Any] = Registry().with_resources(
        (file, DRAFT202012.create_resource(document)) for file, document in sound.items()
    )
    for file, document in sound.items():
        marked = documents[file]
        for path, schema in _subschemas(document["$defs"], ("$defs",)):
            given = [((*path, word), schema[word]) for word in ("default", "x-stand-in") if word in schema]
            given += [((*path, "examples", i), value) for i, value in enumerate(schema.get("examples", []))]
            pointer = "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path)
            validator = Draft202012Validator({"$ref": f"{file}#/{pointer}"}, registry=registry)
            for place, value in given:
                shown = "/".join(str(step) for step in path[1:] if step != "properties")
                try:
                    for error in validator.iter_errors(value):
                        yield marked.fault(place, f"{shown}: `{place[len(path)]}` does not fit: {error.message}")
                except Unresolvable:
                    break  # a dangling reference, which is reported at its place


def _subschemas(node: Any, path: Path) -> Iterator[tuple[Path, Schema]]:
    """Yield each schema below a mapping of names to schemas, with its path."""
    for name, schema in node.items():
        if isinstance(schema, dict):
            yield from _within(schema, (*path, name))


def _within(schema: Schema, path: Path) -> Iterator[tuple[Path, Schema]]:
    yield path, schema
    yield from _subschemas(schema.get("properties") or {}, (*path, "properties"))
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from _within(schema[word], (*path, word))
    for word in ("anyOf", "oneOf"):
        for index, branch in enumerate(schema.get(word) or []):
            if isinstance(branch, dict):
                yield from _within(branch, (*path, word, index))
