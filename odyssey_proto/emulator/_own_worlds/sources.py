"""Finds the world that a user names: an object, ``module:Name``, a clip, or a folder of pictures.

Everything that can be checked before a world is made is checked here.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..._base.errors import OdysseyConfigError
from .clips import recording_at
from .protocol import METHODS

if TYPE_CHECKING:
    from .protocol import World

__all__ = ["WorldSource", "source_of"]

_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@attrs.frozen(kw_only=True, eq=False)
class WorldSource:
    """The source of an emulator's worlds."""

    make: Callable[[], World]
    """Returns the world for the next stream."""
    name: str | None
    """The name by which another process finds it with `source_of`; None if it cannot."""
    turn: threading.Lock | None = None
    """Held during a stream by the thread that calls the world; None if each stream has its own world."""


def source_of(world: Any, *, rate: float) -> WorldSource:
    """Find ``world``, a setting of the emulator; a folder of pictures shows ``rate`` of them per second.

    Raises:
        OdysseyConfigError: it is not there, or is not a world.
    """
    if isinstance(world, str) and _NAME.fullmatch(world) and not Path(world).exists():
        return _source_of_object(_named(world), world, world)
    if isinstance(world, str | os.PathLike):
        path = Path(world).absolute()
        recording_at(path, rate)
        return WorldSource(make=lambda: recording_at(path, rate), name=str(path))
    return _source_of_object(world, _name_of(world), repr(world))


def _lacks(world: object) -> list[str]:
    """Return the methods that ``world``, a class or an object, lacks, with their arguments."""
    return [text for name, text in METHODS.items() if not callable(getattr(world, name, None))]


def _source_of_object(world: Any, name: str | None, shown: str) -> WorldSource:
    missing = _lacks(world)
    if isinstance(world, type) or not missing:
        if missing:
            raise OdysseyConfigError(f"world {shown} has no method {' and no method '.join(missing)}")
        if isinstance(world, type):
            return WorldSource(make=world, name=name)
        return WorldSource(make=lambda: world, name=name, turn=threading.Lock())
    if callable(world) and len(missing) == len(METHODS):
        return WorldSource(make=lambda: _made(world, shown), name=name)
    raise OdysseyConfigError(f"world {shown} has no method {' and no method '.join(missing)}")


def _made(factory: Callable[[], Any], shown: str) -> Any:
    world = factory()
    if missing := _lacks(world):
        raise TypeError(f"{shown} returned a {type(world).__name__} without {' and '.join(missing)}")
    return world


def _named(name: str) -> Any:
    """Return the object that ``name``, such as ``package.module:Name``, names; import its module if necessary."""
    module_name, _, path = name.partition(":")
    found: Any = _module(module_name, name)
    for part in path.split("."):
        if not hasattr(found, part):
            close = difflib.get_close_matches(part, dir(found), 1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise OdysseyConfigError(f"world {name!r}: {module_name!r} has no {path!r}{hint}")
        found = getattr(found, part)
    return found


def _module(module_name: str, name: str) -> Any:
    top = module_name.partition(".")[0]
    here = str(Path.cwd())
    if (
        top not in sys.modules
        and importlib.machinery.PathFinder.find_spec(top) is None
        and importlib.machinery.PathFinder.find_spec(top, [here]) is not None
    ):
        sys.path.append(here)  # as `python -m` does; a command does not search the current folder
        importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (module_name + ".").startswith(exc.name + "."):
            raise OdysseyConfigError(
                f"world {name!r}: there is no module {exc.name!r}. Run this in the folder that it is in, add that"
                " to PYTHONPATH, or install it"
            ) from exc
        raise OdysseyConfigError(f"world {name!r}: {module_name!r} needs the module {exc.name!r}") from exc
    except (Exception, SystemExit) as exc:  # a script ends with sys.exit()
        text = " ".join(str(exc).split())
        raise OdysseyConfigError(
            f"world {name!r}: {module_name!r} cannot be imported: {type(exc).__name__}: {text}"
        ) from exc


def _name_of(world: Any) -> str | None:
    """Return the name by which another process can import ``world``, if it has one."""
    module, path = getattr(world, "__module__", None), getattr(world, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str) or module == "__main__":
        return None
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return f"{module}:{path}" if found is world and _NAME.fullmatch(f"{module}:{path}") else None
