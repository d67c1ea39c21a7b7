"""Checks of user arguments, made before anything is sent.

Each check raises `TypeError` for a wrong type and `OdysseyConfigError` for a wrong value; most return the value in
the form in which it is used. Messages do not repeat values that are long or could be secrets.
"""

from __future__ import annotations

import math
import os
from enum import Enum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from .errors import OdysseyConfigError
from .limits import IDENTIFIER_MOST_CHARS
from .public_path import publish

__all__ = [
    "CLIENT_DEFAULT",
    "FARTHEST",
    "MOST_PER_PAGE",
    "ClientDefault",
    "flag",
    "function",
    "identifier",
    "number",
    "one_of",
    "path",
    "quoted",
    "seconds",
    "text",
    "timeout",
    "whole",
]


class ClientDefault(Enum):
    """The type of `CLIENT_DEFAULT`, for annotations.

    >>> CLIENT_DEFAULT
    <the client's default>
    """

    CLIENT_DEFAULT = "client default"
    """Its only value."""

    def __repr__(self) -> str:
        return "<the client's default>"


CLIENT_DEFAULT: Final = ClientDefault.CLIENT_DEFAULT
"""As a timeout: the client's default for this call. (``None`` means no limit.)"""

MOST_PER_PAGE: Final = 100
"""The largest ``limit`` of a list."""
FARTHEST: Final = 2**53
"""The largest ``offset``: not every JSON parser represents larger integers exactly."""
_LARGEST_S: Final = 1e9  # an int can exceed the range of a float


def identifier(name: str, value: Any) -> str:
    """Return ``value``, an id that can be a segment of a URL path.

    >>> identifier("job_id", "job-1")
    'job-1'
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value.strip():
        raise OdysseyConfigError(f"{name} is empty", code="invalid_argument")
    # HTTP libraries remove the segments `.` and `..` from a path, the latter together with the one before it.
    if len(value) > IDENTIFIER_MOST_CHARS or not value.isprintable() or not value.strip("."):
        raise OdysseyConfigError(f"{name} is not a valid id", code="invalid_argument")
    return str(value)


def quoted(value: str) -> str:
    """Return ``value`` as one segment of a URL path.

    >>> quoted("a/b?c")
    'a%2Fb%3Fc'
    """
    return quote(value, safe="")


def whole(name: str, value: Any, *, least: int, most: int | None = None) -> int | None:
    """Return ``value``, an integer from ``least`` to ``most``, or None (the service's default); refuse a bool.

    ``most`` is None if there is no upper limit.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    if value < least or (most is not None and value > most):
        span = f"at least {least}" if most is None else f"from {least} to {most}"
        raise OdysseyConfigError(f"{name} must be {span}{_not(value)}", code="invalid_argument")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """Return ``value``, a bool; truthy values of other types are refused."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Return ``value``, a string that is one of ``known``."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if value not in known:
        raise OdysseyConfigError(f"{name} must be one of {', '.join(known)}", code="invalid_argument")
    return str(value)


def seconds(name: str, value: Any) -> float:
    """Return ``value``, a duration from 0 to 1e9 s."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not 0 <= value <= _LARGEST_S:
        raise OdysseyConfigError(
            f"{name} must be from 0 to {_LARGEST_S:,.0f} s{_not(value)}", code="invalid_argument"
        )
    return float(value)


def timeout(name: str, value: Any) -> None:
    """Raise unless ``value`` is a duration in s, 0 or more, or None for no limit."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, not {type(value).__name__}")
    if not value >= 0:
        raise OdysseyConfigError(f"{name} must be 0 s or more{_not(value)}", code="invalid_argument")


def text(name: str, value: Any) -> str:
    """Return ``value``, a string that UTF-8 can encode."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise OdysseyConfigError(
            f"{name} must not contain lone surrogates, which UTF-8 cannot encode", code="invalid_argument"
        ) from None
    return value


def number(name: str, value: Any, *, whole: bool = False, least: float = -math.inf) -> None:
    """Raise unless ``value`` is a finite number, and an integer if ``whole``; a bool is refused."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise TypeError(f"{name} must be {'an integer' if whole else 'a number'}, not {type(value).__name__}")
    if not -math.inf < value < math.inf or value < least:
        span = "finite" if least == -math.inf else f"at least {least:g}"
        raise OdysseyConfigError(f"{name} must be {span}{_not(value)}", code="invalid_argument")


def _not(value: float) -> str:
    """Return the end of a message, which shows ``value``; empty if that would be too long."""
    return f", not {value!r}" if -_LARGEST_S <= value <= _LARGEST_S or value != value else ""


def path(name: str, value: Any) -> Path:
    """Return ``value`` as a path, which need not exist.

    >>> path("path", None)
    Traceback (most recent call last):
    TypeError: path must be a path, not NoneType
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a path, not {type(value).__name__}")
    return Path(text)


def function(name: str, value: Any) -> None:
    """Raise unless ``value`` is callable or None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function, not {type(value).__name__}")


publish("odyssey_proto", ClientDefault)
