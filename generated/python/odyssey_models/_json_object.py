# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""What every class of this package has besides its fields: the way back to JSON, and a hash or a reason for none.

Reading JSON, and checking it, is the job of a converter.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import attrs

from ._field_texts import FieldTexts

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JsonObject"]


class JsonObject:
    """One JSON object of the protocol.

    It equals another object of the same class with the same values. It can be hashed unless a value in it is a
    list or a dict, because these can change: then, `hash` raises a TypeError that names the field. Use an
    identifier as the key instead.
    """

    __slots__ = ()

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        type.__setattr__(cls, "__slots__", FieldTexts(cls))  # finished: nothing makes slots of them any more
        type.__setattr__(cls, "__hash__", _hash_or_reason(cls.__hash__))
        type.__setattr__(cls, "__repr__", _shown_anyway(cls.__repr__))

    def to_dict(self) -> dict[str, Any]:
        """Return the object as JSON-ready data, under the wire names.

        What is None is left out, except for the keys that the service always writes, as null.
        """
        data: dict[str, Any] = {}
        for field in attrs.fields(cast(Any, type(self))):
            value = getattr(self, field.name)
            if value is not None or field.default is not None or field.metadata.get("write_null"):
                data[field.metadata.get("wire", field.name)] = _plain(value)
        return data


def _plain(value: Any) -> Any:
    if isinstance(value, JsonObject):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.value
    if issubclass(type(value), list):
        return [_plain(item) for item in value]
    if issubclass(type(value), dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _hash_or_reason(hash_of: Callable[[Any], int]) -> Callable[[Any], int]:
    def hash_or_reason(self: Any) -> int:
        try:
            return hash_of(self)
        except TypeError:
            path, value = _what_can_change(self)
            kind = "list" if isinstance(value, list) else type(value).__name__
            name = type(self).__name__
            raise TypeError(f"{name} cannot be hashed: `{path}` is a {kind}, which can change") from None

    return hash_or_reason


def _shown_anyway(show: Callable[[Any], str]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:  # noqa: N807 - it becomes one
        try:
            return show(self)
        except AttributeError:  # its `__init__` did not run to its end
            return f"<{type(self).__name__}, not initialised>"

    return __repr__


def _what_can_change(model: Any) -> tuple[str, Any]:
    """Return the path of the first value in a model that has no hash, and the value."""
    name, value = next((name, value) for name, value in _values(model) if not _has_hash(value))
    if isinstance(value, JsonObject):
        path, value = _what_can_change(value)
        return f"{name}.{path}", value
    return name, value


def _values(model: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(model, field.name)) for field in attrs.fields(cast(Any, type(model)))]


def _has_hash(value: Any) -> bool:
    if isinstance(value, JsonObject):
        return all(_has_hash(one) for _, one in _values(value))
    return isinstance(value, Hashable)
