"""What users hold and may want as JSON: the base of events and of other values that never go over the wire.

Messages of the protocol have the same method, from `odyssey_models`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

import attrs

__all__ = ["Record", "json_ready"]


class Record:
    """A frozen attrs class whose content can be JSON."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return its fields as JSON-ready data, the secret ones too: send it only to whom it is for."""
        fields = attrs.fields(cast("Any", type(self)))
        return {field.name: json_ready(getattr(self, field.name)) for field in fields}


def json_ready(value: Any) -> Any:
    """Return ``value`` as JSON-ready data, if it is one of ours.

    >>> class Colour(Enum):
    ...     RED = "red"
    >>> json_ready(Colour.RED)
    'red'
    """
    if isinstance(value, Enum):
        return value.value
    return value.to_dict() if hasattr(value, "to_dict") else value
