"""The path under which users import a class or a function, in place of the module where it is written.

Tracebacks, pickles and `help` show it. It says nothing of which names are public: a package's ``__all__`` does.

`typing.get_type_hints` looks the names in a class's annotations up in the module that ``__module__`` names; the
public package does not have them. So the annotations of a class are resolved before it is published, for good: in
the class, in its attrs fields, and in the ``__init__`` that attrs wrote. What they name must therefore be imported
at run time. Functions need nothing: their names are looked up where they are written.

`inspect.getsource` finds functions and methods as before. It finds no published class: it, too, follows
``__module__``. Python 3.13 then reports that there is no source, and earlier ones that they could not find it.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any

__all__ = ["publish"]


def publish(package: str, *things: object) -> None:
    """Have these classes and functions say that they are from ``package``; other values have no path.

    Raises:
        NameError: an annotation of a class names what its module does not import at run time.

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
        if inspect.isclass(thing) or inspect.isfunction(thing):
            thing.__module__ = package


def _resolve(cls: type[Any]) -> None:
    """Replace the annotations of ``cls`` that are strings by what they name."""
    own = inspect.get_annotations(cls)
    if not own:
        return
    hints = typing.get_type_hints(cls, include_extras=True)
    cls.__annotations__ = {name: hints[name] for name in own}
    if not hasattr(cls, "__attrs_attrs__"):
        return
    import attrs  # errors have none, and are what is loaded first

    attrs.resolve_types(cls)
    written = cls.__init__.__annotations__
    for field in attrs.fields(cls):
        if isinstance(written.get(field.alias), str):
            written[field.alias] = field.type


def _describe(cls: type[Any]) -> None:
    """Let `help` show the texts of an attrs class's fields, which are read from the source when it asks."""
    if "__attrs_attrs__" in vars(cls) and isinstance(vars(cls).get("__slots__"), tuple):
        from odyssey_models._field_texts import FieldTexts  # one for both packages

        cls.__slots__ = FieldTexts(cls)
