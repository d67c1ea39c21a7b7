"""The public names of a package, each loaded with the module that defines it when it is first asked for.

_MODULE_OF = {"Session": ".session", …}
if not TYPE_CHECKING:  # type checkers read the imports, and find no other name
    __all__, __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(
    package: str, module_of: Mapping[str, str], loaded: tuple[str, ...] = ()
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__all__``, ``__getattr__`` and ``__dir__`` for the package.

    Args:
        package: its full name.
        module_of: the module of each name, relative to the package if it begins with a dot.
        loaded: the public names that the package has already.
    """
    names = sorted({*loaded, *module_of})

    def getattr_(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(module_of[name], package), name)
        setattr(sys.modules[package], name, found)
        return found

    return names, getattr_, lambda: list(names)
