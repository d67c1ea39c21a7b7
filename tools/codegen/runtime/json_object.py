"""What every class of this package has beside its fields: the way back to JSON.

Reading JSON, and checking it, is the job of a converter.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

import attrs

from .field_texts import FieldTexts

__all__ = ["JsonObject"]


class JsonObject:
    """One JSON object of the protocol."""

    __slots__ = ()

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        type.__setattr__(cls, "__slots__", FieldTexts(cls))  # it is finished: nothing makes slots of them any more

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data, under the names of the wire.

        What is None is left out, except for the keys that the service always shows, as null.
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
