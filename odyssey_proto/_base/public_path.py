"""Sets ``__module__`` of classes and functions to the package from which users import them.

Tracebacks, pickles and `help` show that path. This module does not decide which names are public: a package's
``__all__`` does. `publish` also makes `repr` of a public class work on objects that are only half initialised.

`typing.get_type_hints` looks up the names in a class's annotations in the module that ``__module__`` names, but
the public package does not have them. So `publish` first resolves the annotations permanently: in the class, in
its attrs fields, and in the ``__init__`` that attrs generated. The types must therefore be imported at run time.
Functions need no such step: their names are looked up in their own globals.

`inspect.getsource` still finds functions and methods, but not published classes, because it follows ``__module__``
too: Python 3.13 reports that the source is not available, earlier versions that they could not find it.
"""

from __future__ import annotations

import enum
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

__all__ = ["publish"]


def publish(package: str, *things: object) -> None:
    """Set ``__module__`` of these classes and functions to ``package``; other values stay unchanged.

    Raises:
        NameError: an annotation of a class uses a name that its module does not import at run time.

    >>> class Frame:
    ...     index: "int"
    >>> publish("odyssey_proto", Frame)
    >>> Frame, Frame.__annotations__
    (<class 'odyssey_proto.Frame'>, {'index': <class 'int'>})
    """
    for thing in things:
        if inspect.isclass(thing):
            _resolve(thing)
            _describe(thing)
            _show_anyway(thing)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            thing.__module__ = package


def _resolve(cls: type[Any]) -> None:
    """Replace string annotations of ``cls`` by the types that they name."""
    own = inspect.get_annotations(cls)
    if not own:
        return
    hints = typing.get_type_hints(cls, include_extras=True)
    cls.__annotations__ = {name: hints[name] for name in own}
    if not hasattr(cls, "__attrs_attrs__"):
        return
    import attrs  # not at the top: errors load first and do not need it

    attrs.resolve_types(cls)
    written = cls.__init__.__annotations__
    for field in attrs.fields(cls):
        if isinstance(written.get(field.alias), str):
            written[field.alias] = field.type


def _show_anyway(cls: type[Any]) -> None:
    """Let `repr` and `str` work on an object whose ``__init__`` did not run to its end: debuggers call them."""
    for name in ("__repr__", "__str__"):
        show = vars(cls).get(name)
        if show is not None and not issubclass(cls, str | enum.Enum):
            setattr(cls, name, _or_not_initialised(show))


def _or_not_initialised(show: Callable[[Any], str]) -> Callable[[Any], str]:
    @functools.wraps(show)
    def shown(self: Any) -> str:
        try:
            return show(self)
        except AttributeError:
            return f"<{type(self).__name__}, not initialised>"

    return shown


def _describe(cls: type[Any]) -> None:
    """Let `help` show the docstrings of an attrs class's fields, read from the source on demand."""
    if "__attrs_attrs__" in vars(cls) and isinstance(vars(cls).get("__slots__"), tuple):
        from odyssey_models._field_texts import FieldTexts  # shared by both packages

        cls.__slots__ = FieldTexts(cls)
