# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""How the converter reads and writes: hooks for cattrs, which say what a value of each type looks like in JSON.

They know no names of the protocol: what they need is in the types of the fields and in their metadata. Errors name
types, but contain no values of the data, which could be secrets; only `UnknownTagError` has the tag.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import (
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]  # not all of it has types
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from ._json_object import JsonObject
from ._tags import UnknownTagError

__all__ = ["WrongTypeError", "converter_with_hooks"]

_NONE: Final = type(None)
_Hook = Callable[[Any, Any], Any]


class WrongTypeError(TypeError):
    """A JSON value whose type does not match the field."""


def converter_with_hooks() -> cattrs.Converter:
    """Return a new converter for all classes of this package, and for unions, lists and dicts of them."""
    converter = cattrs.Converter(unstruct_collection_overrides={})

    def of_list(hint: Any) -> _Hook:
        return _only(list, "a list", list_structure_factory(hint, converter))

    def of_dict(hint: Any) -> _Hook:
        return _only(dict, "an object", mapping_structure_factory(hint, converter))

    def of_class(cls: Any) -> _Hook:
        return _only(dict, "an object", make_dict_structure_fn(cls, converter, **_overrides(cls)))

    def of_model(cls: Any) -> Callable[[Any], Any]:
        return make_dict_unstructure_fn(cls, converter, **_overrides(cls))

    for scalar in (str, int, float, bool):
        converter.register_structure_hook(scalar, _exactly(scalar))
    converter.register_structure_hook_func(_has_origin(Literal), _structure_literal)
    converter.register_structure_hook_factory(_has_origin(list), of_list)
    converter.register_structure_hook_factory(_has_origin(dict), of_dict)
    converter.register_structure_hook_factory(
        _has_origin(Union, types.UnionType), functools.partial(_hook_of_union, converter)
    )
    converter.register_structure_hook_factory(attrs.has, of_class)
    converter.register_unstructure_hook_factory(attrs.has, of_model)
    # A field of a class outside this package may hold any model.
    converter.register_unstructure_hook_func(_is_any_model, converter.unstructure)
    return converter


def _is_any_model(hint: Any) -> bool:
    return hint is JsonObject


def _exactly(cls: type) -> _Hook:
    """Return a hook that reads a JSON scalar without conversion; an integer is a number, a bool is neither.

    The hook also reads the subclasses of `cls`: the string enums. As in JSON Schema, 3.0 is an integer.
    """
    accepted: tuple[type, ...] = (int, float) if cls is float else (cls,)

    def structure(value: Any, hint: Any) -> Any:
        if type(value) is hint:
            return value
        if cls is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, accepted) or (isinstance(value, bool) and cls is not bool):
            raise WrongTypeError(f"{cls.__name__} was expected, not {type(value).__name__}")
        return hint(value)

    return structure


def _structure_literal(value: Any, hint: Any) -> Any:
    if value not in get_args(hint):
        raise WrongTypeError("another constant was expected")
    return value


def _only(kind: type, name: str, structure: _Hook) -> _Hook:
    def checked(value: Any, hint: Any) -> Any:
        if not isinstance(value, kind):
            raise WrongTypeError(f"{name} was expected, not {type(value).__name__}")
        return structure(value, hint)

    return checked


def _has_origin(*origins: Any) -> Callable[[Any], bool]:
    return lambda hint: any(get_origin(hint) is origin for origin in origins)


def _hook_of_union(converter: cattrs.Converter, hint: Any) -> _Hook:
    """Return a hook that takes the member with the tag if all members have tags, or else the first that fits."""
    # Looked up once, not for each value: most fields in lists are unions.
    members = [member for member in get_args(hint) if member is not _NONE]
    nullable = len(members) < len(get_args(hint))
    hooks = [(member, converter.get_structure_hook(member)) for member in members]
    if len(hooks) == 1:
        return _nullable(*hooks[0]) if nullable else hooks[0][1]
    by_tag = {tag: one for one in hooks for tag in _tags(one[0])}
    structure = _by_tag(by_tag) if all(_tags(member) for member in members) else _first_that_fits(hooks)
    return _nullable(hint, structure) if nullable else structure


def _nullable(member: Any, structure: _Hook) -> _Hook:
    return lambda value, _: None if value is None else structure(value, member)


def _tags(member: Any) -> tuple[str, ...]:
    """Return the constants of the field `type`; empty if this is not the class of a message."""
    if not attrs.has(member):
        return ()
    attrs.resolve_types(member)
    field = attrs.fields_dict(member).get("type")
    return get_args(field.type) if field is not None and get_origin(field.type) is Literal else ()


def _by_tag(hooks: dict[str, tuple[Any, _Hook]]) -> _Hook:
    def structure(value: Any, _: Any) -> Any:
        tag: Any = cast(dict[str, Any], value).get("type") if isinstance(value, dict) else None
        if not isinstance(tag, str):
            raise WrongTypeError("an object with a string `type` was expected")
        if tag not in hooks:
            raise UnknownTagError(tag)
        member, read = hooks[tag]
        return read(value, member)

    return structure


def _first_that_fits(hooks: list[tuple[Any, _Hook]]) -> _Hook:
    def structure(value: Any, _: Any) -> Any:
        for member, read in hooks:
            try:
                return read(value, member)
            except (cattrs.BaseValidationError, ValueError, TypeError):
                continue
        raise WrongTypeError(f"no alternative fits {type(value).__name__}")

    return structure


def _overrides(cls: Any) -> dict[str, Any]:
    attrs.resolve_types(cls)
    return {
        field.name: override(
            rename=field.metadata.get("wire"),
            omit_if_default=field.default is None and not field.metadata.get("write_null"),
        )
        for field in attrs.fields(cls)
    }
