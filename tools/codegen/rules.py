"""What a schema of the spec may say: only what the models honour, so that nothing is dropped in silence.

A definition is an object, an open enum or a union of tagged objects. What the models could not keep (an inline
object, a bound of a list's items, another choice between fields) is a fault with its line. The matter of
`tools.codegen.envelopes` is which messages go where.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from tools.codegen.keywords import BOUNDS, FORMATS, KEYWORDS, OURS
from tools.codegen.lowering import member_name, python_name
from tools.codegen.marked import Fault, Marked, Path, Schema, definitions, split_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UNCHECKED", "faults", "tag_of"]

UNCHECKED: Final = frozenset(
    {
        ("IceServer", "anyOf"),  # clients pass over an entry without an address: a model must be able to hold it
        ("SessionRequest", "properties", "region_latencies", "additionalProperties", "minimum"),
    }
)
"""The rules that the spec states for other readers and that the models do not check. A new one is a decision."""

_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_NOTES: Final = frozenset({"title", "description", "examples", "default", *OURS})
_CLASS_NAME: Final = re.compile("[A-Z][A-Za-z0-9]*")
_TAKEN_CLASSES: Final = frozenset(
    {
        *("Any", "JsonObject", "Literal", "OpenStrEnum", "TypeAlias", *dir(builtins)),
        *("LiveChannels", "NoFields", "Record", "RestCalls", "Unlisted"),  # in the npm package
    }
)


def faults(documents: dict[str, Marked]) -> Iterator[Fault]:
    """Yield every fault of the schema files, by their names, which have a `$defs` each."""
    yield from _double_names(documents)
    sound: dict[str, Schema] = {}
    for file, marked in documents.items():
        found = list(_invalid(marked))
        yield from (marked.fault(path, text) for path, text in found)
        broken = {path[1] for path, _ in found if path[:1] == ("$defs",) and len(path) > 1}
        sound[file] = {
            "$defs": {name: {} if name in broken else schema for name, schema in marked.data["$defs"].items()}
        }
        if not marked.data.get("description"):
            yield marked.fault((), "the file has no description")
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
        """Return a fault of the schema at `path`, in the line of its keyword `word`."""
        shown = "/".join([self._name, *(str(step) for step in path if step != "properties")])
        within = (word,) if word else ()
        return self._marked.fault(("$defs", self._name, *path, *within), f"{shown}: {text}")

    def definition(self, schema: Any) -> Iterator[Fault]:
        """Yield the faults of the whole definition."""
        if not isinstance(schema, dict):
            yield self._fault((), "a definition is an object of keywords")
            return
        if not _CLASS_NAME.fullmatch(self._name) or self._name in _TAKEN_CLASSES:
            yield self._fault((), "not a name for a class; use CapWords that no generated code uses itself")
        yield from self._words((), schema, "object")
        if not schema.get("description"):
            yield self._fault((), "no description")
        match schema:
            case {"type": "object"}:
                yield from self._object(schema)
            case {"anyOf": [{"const": _}, *_]}:
                yield from self._enum(schema["anyOf"])
                yield from self._beside()
            case {"oneOf": [*branches]} if not set(schema) - _NOTES - {"oneOf"}:
                yield from self._union(branches)
            case _:
                yield self._fault((), "neither an object nor an open enum nor a union of objects")

    def _words(self, path: Path, schema: Schema, place: str) -> Iterator[Fault]:
        """Yield each keyword of one level that is unknown, misplaced, or has the wrong kind of value."""
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
                yield self._fault((), f"`{name}` is required, and is no property", "required")
        for name, field in fields.items():
            yield from self._field(name, field, required=name in schema.get("required", []))
        yield from self._python_names(fields)
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
                        yield self._fault(("oneOf", index), f"`{name}` is no property")
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

    def _beside(self) -> Iterator[Fault]:
        """Yield the names that generated code has beside that of an open enum, and that are taken."""
        for file, name, _ in definitions(self._files):
            if name in (f"Known{self._name}", f"Unknown{self._name}"):
                taken = f"in `{file}`, and generated code has it beside `{self._name}`"
                yield self._fault((), f"`{name}` is {taken}")

    def _union(self, branches: list[Any]) -> Iterator[Fault]:
        tags: dict[str, str] = {}
        for index, branch in enumerate(branches):
            path: Path = ("oneOf", index)
            if not isinstance(branch, dict) or list(branch) != ["$ref"]:
                yield self._fault(path, "a member of a union is a `$ref` and nothing else")
                continue
            yield from self._reference(path, branch)
            file, name = split_reference(branch["$ref"], self._file)
            member = self._files.get(file, {}).get("$defs", {}).get(name, {})
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
        kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
        plain = [kind for kind in kinds if kind != "null"]
        honoured = {"type"}
        if "$ref" in schema:
            honoured = {"$ref"}
            yield from self._reference(path, schema)
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
        elif not kinds or set(plain) - _SCALARS:
            yield self._fault(path, "no type")
        if len(plain) > 1:
            yield self._fault(path, "several types: name them in an `anyOf`", "type")
        for bound in sorted(set(schema) & set(BOUNDS)):
            if bound == "format":
                continue
            if not top and (self._name, *path, bound) not in UNCHECKED:
                yield self._fault(path, f"the models check `{bound}` only directly at a field", bound)
            elif not set(plain) & set(BOUNDS[bound]):
                yield self._fault(path, f"`{bound}` says nothing about this type", bound)
        yield from self._leftovers(path, schema, honoured | set(BOUNDS), "field")

    def _alternatives(self, path: Path, branches: list[Any]) -> Iterator[Fault]:
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

    def _leftovers(self, path: Path, schema: Schema, honoured: set[str], what: str) -> Iterator[Fault]:
        """Yield the known keywords that mean nothing beside the others."""
        choices = {"anyOf", "oneOf"} if what == "object" else {"properties", "required"}  # reported on their own
        for word in sorted(set(schema) & KEYWORDS - _NOTES - honoured - choices):
            yield self._fault(path, f"`{word}` is not honoured here", word)

    def _python_names(self, fields: Schema) -> Iterator[Fault]:
        for wire in fields:
            if not python_name(wire):
                yield self._fault(
                    ("properties", wire), "no attribute can be named after it: no letter and no digit"
                )


def tag_of(schema: Schema) -> str | None:
    """Return the constant `type` of a message; None if the schema has none."""
    match schema:
        case {"properties": {"type": {"const": str(tag)}}}:
            return tag
        case _:
            return None


def _is_nullable(schema: Schema) -> bool:
    return "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())


def _double_names(documents: dict[str, Marked]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for file, name, _ in definitions({file: marked.data for file, marked in documents.items()}):
        if name in seen:
            yield documents[file].fault(("$defs", name), f"{name}: also in {seen[name]}")
        seen.setdefault(name, documents[file].name)


def _invalid(marked: Marked) -> Iterator[tuple[Path, str]]:
    """Yield what is not JSON Schema at all: a `required` that is a text, a pattern that is none."""
    validator = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=FormatChecker(["regex"]))
    for error in validator.iter_errors(marked.data):
        yield tuple(error.absolute_path), f"not JSON Schema: {error.message}"


def _misfits(documents: dict[str, Marked], sound: dict[str, Schema]) -> Iterator[Fault]:
    """Yield the defaults, stand-ins and examples that violate their own schema."""
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
                    break  # a reference to nothing, which is reported where it is


def _subschemas(node: Any, path: Path) -> Iterator[tuple[Path, Schema]]:
    """Yield each schema below a mapping of names to schemas."""
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
