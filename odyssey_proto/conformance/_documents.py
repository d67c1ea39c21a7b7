"""The files of ``spec/``, from wherever this package is installed. They are only read here, not interpreted."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import yaml

from .._base.shipped import spec_folder

__all__ = ["document", "documents", "path_of", "spec_folder"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's loader in C, which is ten times as fast, if it was built with one."""


def path_of(name: str) -> Path:
    """Return the path of a file of ``spec/``, such as ``vectors/valid/Offer.json``."""
    return spec_folder() / name


@functools.cache
def document(name: str) -> Any:
    """Return the content of a YAML or JSON file of ``spec/``, read once. It is shared: do not change it.

    >>> document("schemas/signaling.yaml")["$defs"]["Keepalive"]["type"]
    'object'
    """
    text = path_of(name).read_text("utf-8")
    return json.loads(text) if name.endswith(".json") else yaml.load(text, _LOADER)  # noqa: S506  # safe, both


def documents(folder: str, ending: str) -> dict[str, Any]:
    """Return the content of all files in a folder of ``spec/`` with an ending such as ``.yaml``, by name.

    >>> list(documents("schemas", ".yaml"))[:2]
    ['schemas/channel.yaml', 'schemas/client.yaml']
    """
    found = sorted(path_of(folder).glob(f"*{ending}"))
    return {name: document(name) for name in (f"{folder}/{path.name}" for path in found)}
