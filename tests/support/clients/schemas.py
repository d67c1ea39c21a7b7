"""The bundled schema, for adapters that validate."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from referencing import Registry, Resource

__all__ = ["registry"]

_BUNDLE = Path(__file__).resolve().parents[3] / "generated" / "schema" / "odyssey.schema.json"


@functools.cache
def registry() -> Registry[Any]:
    """Return a registry that has the schemas under the name ``bundle``."""
    bundle = json.loads(_BUNDLE.read_text("utf-8"))
    made: Registry[Any] = Registry().with_resource("bundle", Resource.from_contents(bundle))
    return made
