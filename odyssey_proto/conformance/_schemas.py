"""Checks data against the schemas of ``spec/``, closed: it finds unlisted fields and values, too.

Readers ignore such fields and values; here they are differences between traffic and documents. This module does
not know which schema belongs to which call or message.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

import attrs
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from .._model.nesting import MOST_LEVELS, shallow
from . import _documents
from ._violation import Kind, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Misfit", "Schemas", "is_open_enum", "parsed", "schemas"]

_LONGEST_VALUE: Final = 300
_FAR: Final = 100
_TYPES: Final = {
    "array": "a list",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_BOUNDS: Final = {
    "minimum": "it is less than {}",
    "maximum": "it is more than {}",
    "minLength": "it has fewer than {} characters",
    "minItems": "it has fewer than {} entries",
    "pattern": "it does not match {}",
}


@attrs.frozen(kw_only=True)
class Misfit:
    """A place where data does not fit its schema."""

    at: str
    what: str
    rule: Rule
    kind: Kind
    value: str = attrs.field(repr=False)


class Schemas:
    """The schemas of ``spec/``, and checks against them. Any thread may call."""

    def __init__(self) -> None:
        found = _documents.documents("schemas", ".yaml")
        found |= {name: _documents.document(name) for name in ("openapi.yaml", "asyncapi.yaml")}
        self._found: dict[str, Any] = found
        self._closed = {name: _closed(document) for name, document in found.items()}
        self._registry: Registry[Any] = Registry().with_resources(
            (name, DRAFT202012.create_resource(document)) for name, document in self._closed.items()
        )
        self._validators: dict[Rule, Draft202012Validator] = {}

    def node(self, rule: Rule) -> Any:
        """Return the content of a place in ``spec/``."""
        return _node(self._found, rule)

    def resolved(self, rule: Rule) -> Rule:
        """Return the place that ``rule`` refers to, through all ``$ref``; itself if it refers to none."""
        while isinstance(node := self.node(rule), dict) and "$ref" in node:
            rule = Rule.of(node["$ref"], rule.file)
        return rule

    def fits(self, rule: Rule, data: Any) -> bool:
        """Return whether ``data`` fits the schema at ``rule``, with no field or value that is not listed."""
        return bool(self._validator(rule).is_valid(data))

    def misfits(self, rule: Rule, data: Any) -> Iterator[Misfit]:
        """Yield the places where ``data`` does not fit the schema at ``rule``."""
        for error in self._validator(rule).iter_errors(data):
            for one in _flattened(error):
                yield from self._misfit(rule, one)

    def _validator(self, rule: Rule) -> Draft202012Validator:
        found = self._validators.get(rule)
        if found is None:
            found = Draft202012Validator({"$ref": rule.reference}, registry=self._registry)
            self._validators[rule] = found
        return found

    def _misfit(self, rule: Rule, error: Any) -> Iterator[Misfit]:
        at = "".join(f"/{key}" for key in error.absolute_path)
        broken = self._broken(rule, error.absolute_schema_path)
        value = repr(error.instance)[:_LONGEST_VALUE]
        if error.validator == "additionalProperties":
            for name in sorted(set(error.instance) - set(error.schema["properties"])):
                what = "the protocol has no such field"
                yield Misfit(at=f"{at}/{name}", what=what, rule=broken, kind="unknown field", value=value)
        elif error.validator == "enum" and isinstance(error.instance, str):
            what = "the protocol has no such value"
            yield Misfit(at=at, what=what, rule=broken, kind="unknown value", value=value)
        else:
            yield Misfit(at=at, what=_wrong(error), rule=broken, kind="violation", value=value)

    def _broken(self, rule: Rule, path: Iterable[str | int]) -> Rule:
        """Return the place of the keyword at ``path`` from ``rule``; the validator does not name references."""
        for key in path:
            while key != "$ref" and "$ref" in (node := _node(self._closed, rule)) and key not in node:
                rule = Rule.of(node["$ref"], rule.file)
            rule = Rule.of(_node(self._closed, rule)["$ref"], rule.file) if key == "$ref" else rule / key
        *keys, last = rule.keys
        parent = Rule(rule.file, tuple(keys))
        written = self.node(parent)
        return rule if isinstance(written, list) or last in written else parent  # a keyword added by closing it


@functools.cache
def schemas() -> Schemas:
    """Return the schemas, read once."""
    return Schemas()


def is_open_enum(node: Any) -> bool:
    """Return whether a schema lists values of a string, and allows any other."""
    branches = node.get("anyOf") if isinstance(node, dict) else None
    if not isinstance(branches, list) or len(branches) < 2:
        return False
    *listed, other = branches
    return all("const" in branch for branch in listed) and other.get("type") == "string"


def parsed(text: str | bytes) -> tuple[Any, str]:
    """Return the data of a JSON text, and its fault, empty if there is none. Data nested too deeply is null."""
    try:
        text = text if isinstance(text, str) else text.decode()
        if text.count("[") + text.count("{") > MOST_LEVELS:
            text = shallow(text)  # validators recurse, too
        return json.loads(text, parse_constant=_refuse), ""
    except UnicodeDecodeError:
        return None, "it is not UTF-8"
    except (ValueError, RecursionError):
        return None, "it is not JSON"


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _node(found: dict[str, Any], rule: Rule) -> Any:
    node = found[rule.file]
    for key in rule.keys:
        node = node[int(key)] if isinstance(node, list) else node[key]
    return node


def _closed(node: Any) -> Any:
    """Return a schema, or a document with schemas, that allows no other fields and values than those listed."""
    if isinstance(node, list):
        return [_closed(value) for value in node]
    if not isinstance(node, dict):
        return node
    if is_open_enum(node):
        return {"enum": [branch["const"] for branch in node["anyOf"][:-1]]}
    found = {key: _closed(value) for key, value in node.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


# --- what the validator reports


def _flattened(error: Any) -> Iterator[Any]:
    """Yield ``error``, or the errors of the intended branch if it is about branches and one is nearest."""
    branches: dict[Any, list[Any]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    # A branch of another type, such as null, was not intended.
    meant = [inner for inner in branches.values() if not any(_is_other_type(error, one) for one in inner)]
    meant.sort(key=functools.partial(_distance, error))
    if not meant or (len(meant) > 1 and _distance(error, meant[0]) == _distance(error, meant[1])):
        yield error
        return
    for inner in meant[0]:
        yield from _flattened(inner)


def _distance(error: Any, branch: list[Any]) -> int:
    """Return how far the data is from a branch: a missing field counts for more than one with a wrong value."""
    return sum(
        1 if inner.validator in ("additionalProperties", "enum") or _is_deeper(error, inner) else _FAR
        for inner in branch
    )


def _is_other_type(error: Any, inner: Any) -> bool:
    of_text = inner.validator == "enum" and not isinstance(inner.instance, str)
    return (inner.validator == "type" or of_text) and not _is_deeper(error, inner)


def _is_deeper(error: Any, inner: Any) -> bool:
    return len(inner.absolute_path) > len(error.absolute_path)


def _wrong(error: Any) -> str:
    """Return the fault in words, without the value, which may be a secret."""
    wanted, keyword = error.validator_value, error.validator
    if keyword == "type":
        names = [wanted] if isinstance(wanted, str) else wanted
        return f"it is {_type(error.instance)}, not {' or '.join(_TYPES[name] for name in names)}"
    if keyword == "enum":
        return f"it is {_type(error.instance)}, not a string"
    if keyword == "required":
        absent = [name for name in wanted if name not in error.instance]
        # One error for each name; its text quotes the name, which is the schema's.
        return f"it lacks {next((name for name in absent if repr(name) in error.message), 'a field')!r}"
    if keyword == "const":
        return f"it is not {wanted!r}"
    if keyword in _BOUNDS:
        return _BOUNDS[keyword].format(wanted)
    if keyword == "oneOf" and not error.context:
        return "it fits more than one of the forms of which only one is allowed"
    if keyword in ("anyOf", "oneOf"):
        return "it fits none of the forms that the protocol has"
    return f"it breaks {keyword}"


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
