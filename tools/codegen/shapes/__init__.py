"""The keywords of the documents around the schemas: a closed shape for each document, so that none is misspelt.

A shape is a JSON Schema beside this module. It lists the keywords that the generators, the pages and spec-diff
honour; any other keyword would be silently dropped. `tools.codegen.envelopes` checks the references.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator

from tools import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from tools.codegen.marked import Fault, Marked

__all__ = ["SHAPES", "misshapen"]

SHAPES: Final = ("asyncapi.yaml", "openapi.yaml", "sequences.yaml")
"""The documents that have a shape."""

_FOLDER: Final = Path(__file__).parent


def misshapen(file: str, marked: Marked) -> Iterator[Fault]:
    """Yield each fault in the shape of the document `file`: an unknown or missing keyword, or a wrong value."""
    for error in _validator(file).iter_errors(marked.data):
        yield from _faults(marked, error)


@functools.cache
def _validator(file: str) -> Draft202012Validator:
    return Draft202012Validator(yaml_text.parsed((_FOLDER / file).read_text("utf-8")))


def _faults(marked: Marked, error: ValidationError) -> Iterator[Fault]:
    path = tuple(error.absolute_path)
    shown = "/".join(map(str, path))
    where = f"{shown}: " if path else ""
    if error.validator == "additionalProperties":
        for word in _unknown(error):
            yield marked.fault((*path, word), f"{where}`{word}` is not understood")
    elif error.validator in ("required", "dependentRequired"):
        yield marked.fault(path, f"{where}{error.message.replace(' is a required property', ' is missing')}")
    elif "propertyNames" in error.absolute_schema_path:
        yield marked.fault((*path, str(error.instance)), f"{where}`{error.instance}` is not understood")
    else:
        yield marked.fault(path, f"{where}{error.message}")


def _unknown(error: ValidationError) -> list[str]:
    """Return the keys of an object that its shape does not list."""
    shape: Any = error.schema
    found: Any = error.instance
    return [
        word
        for word in found
        if word not in shape.get("properties", {})
        and not any(re.search(pattern, word) for pattern in shape.get("patternProperties", {}))
    ]
