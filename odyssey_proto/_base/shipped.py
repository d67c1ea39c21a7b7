"""Finds the files that the package ships beside its code: ``spec/``, and the bundles made from it.

A wheel has them as ``odyssey_proto/_spec`` and ``odyssey_proto/_bundles``; a checkout, and an editable install of
one, have the folders themselves. Nothing is read here.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

__all__ = ["bundles", "spec_folder"]

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_BUNDLES: Final = ("schema", "openapi", "asyncapi")


@functools.cache
def spec_folder() -> Path:
    """Return the folder with ``openapi.yaml``, ``asyncapi.yaml``, ``schemas`` and ``vectors``.

    Raises:
        FileNotFoundError: this installation lacks it.
    """
    return _found("openapi.yaml", _PACKAGE / "_spec", _PACKAGE.parent / "spec")


def bundles() -> dict[str, Path]:
    """Return the files that have all of the protocol's definitions in one, by name.

    Raises:
        FileNotFoundError: this installation lacks them.
    """
    folder = _found("schema/odyssey.schema.json", _PACKAGE / "_bundles", _PACKAGE.parent / "generated")
    files = [path for name in _BUNDLES for path in (folder / name).iterdir() if path.is_file()]
    return {path.name: path for path in sorted(files, key=lambda path: path.name)}


def _found(file: str, *folders: Path) -> Path:
    for folder in folders:
        if (folder / file).is_file():
            return folder
    raise FileNotFoundError(f"The protocol's documents are missing from {_PACKAGE}: install odyssey-proto again")
