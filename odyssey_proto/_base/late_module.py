"""A module that is imported on first access to one of its names; for annotations only.

`typing.get_type_hints` returns the real types, while importing the module with the annotations loads none of them.
Type checkers see the import itself:

    if TYPE_CHECKING:
        import numpy as np
    else:
        np = LateModule("numpy")
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["LateModule"]


class LateModule:
    """A stand-in for the module ``name``; if the module is not installed, each of its names is `Any`.

    >>> json = LateModule("json")
    >>> json.JSONDecoder
    <class 'json.decoder.JSONDecoder'>
    >>> LateModule("not_installed").Anything
    typing.Any
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        try:
            module = importlib.import_module(self._name)
        except ImportError:
            return Any
        return getattr(module, name)
