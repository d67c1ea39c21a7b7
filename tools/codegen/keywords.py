"""The keywords that the spec may use: those of JSON Schema that are honoured, and our own.

`spec/README.md` has the table of our own keywords for readers; a test compares it with `OURS`. How a schema may
combine keywords is in `tools.codegen.rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BOUNDS", "DIALECT", "FORMATS", "KEYWORDS", "OURS", "Extension"]

BOUNDS: Final = {
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), ("string",)),
    **dict.fromkeys(("minimum", "maximum"), ("integer", "number")),
    **dict.fromkeys(("minItems", "maxItems"), ("array",)),
}
"""Each keyword that narrows a type, and the types that it narrows."""

KEYWORDS: Final = frozenset(
    {
        *("$ref", "type", "const", "anyOf", "oneOf", "items"),
        *("properties", "required", "additionalProperties"),
        *("title", "description", "default", "examples"),
        *BOUNDS,
    }
)
"""Every keyword of JSON Schema that a schema may use."""

FORMATS: Final = {
    **dict.fromkeys(("date", "date-time", "uri", "password", "byte"), "string"),
    **dict.fromkeys(("int32", "int64"), "integer"),
    **dict.fromkeys(("float", "double"), "number"),
}
"""The values of `format`, and the type of each. A format is a note for people: our models keep text as text."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The `$schema` of every file."""


@attrs.frozen
class Extension:
    """A keyword of our own."""

    name: str
    places: tuple[str, ...]
    """Its possible places: `field`, `object`, `enum value`; or an envelope."""
    value: str
    """Its valid values, in words."""
    fits: Callable[[Any], bool] = attrs.field(repr=False)


def _is_true(value: Any) -> bool:
    return value is True


_MARK: Final = ("`true`", _is_true)

OURS: Final = {
    extension.name: extension
    for extension in (
        Extension("x-assumed", ("field", "object", "enum value", "openapi.yaml", "asyncapi.yaml"), *_MARK),
        Extension("x-essential", ("field",), *_MARK),
        Extension("x-large", ("field",), *_MARK),
        Extension(
            *("x-refused-handshake", ("asyncapi.yaml",), "an object with `status`"),
            lambda value: isinstance(value, dict) and isinstance(value.get("status"), int),
        ),
        Extension("x-secret", ("field",), *_MARK),
        Extension("x-stand-in", ("field",), "a value that fits the field", lambda _: True),
        Extension("x-write-null", ("field",), *_MARK),
    )
}
"""Our own keywords, by their names."""
