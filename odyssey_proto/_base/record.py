"""Conversion to JSON-ready data for public values that never go over the wire, such as events.

Messages of the protocol have the same method, from `odyssey_models`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

import attrs

__all__ = ["Record", "json_ready"]


class Record:
    """Base class of frozen attrs classes with `to_dict`."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data, including secrets: send it only to its intended recipient."""
        fields = attrs.fields(cast("Any", type(self)))
        return {field.name: json_ready(getattr(self, field.name)) for field in fields}


def json_ready(value: Any) -> Any:
    """Return enums, tuples and objects with ``to_dict`` as JSON-ready data, and other values unchanged.

    >>> class Colour(Enum):
    ...     RED = "red"
    >>> json_ready(Colour.RED)
    'red'
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [json_ready(each) for each in value]
    return value.to_dict() if hasattr(value, "to_dict") else value
