"""The path under which users import a class, in place of the module where it is written.

Tracebacks, pickles and `help` show it. It says nothing of which names are public: a package's ``__all__`` does.
"""

from __future__ import annotations

import inspect

__all__ = ["publish"]


def publish(package: str, *things: object) -> None:
    """Have these classes and functions say that they are from ``package``; other values have no path.

    >>> class Frame: pass
    >>> publish("odyssey_proto", Frame)
    >>> Frame
    <class 'odyssey_proto.Frame'>
    """
    for thing in things:
        if inspect.isclass(thing) or inspect.isfunction(thing):
            thing.__module__ = package
