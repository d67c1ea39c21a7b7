"""Checks of what a user hands in, made before anything is sent.

Each returns the value as the wire wants it, or raises: `TypeError` for the wrong type, `OdysseyConfigError` for
the wrong value. Values that are long or could be secrets are not repeated in the texts.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from .errors import OdysseyConfigError
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
"""In place of a timeout: what the settings of the client give for this call. None means no limit."""

MOST_PER_PAGE: Final = 100
"""The largest ``limit`` of a list."""
FARTHEST: Final = 2**53
"""The largest ``offset``: from there on, JSON's numbers are no longer exact everywhere."""
_LONGEST_IDENTIFIER: Final = 256
_LONGEST: Final = 1e9  # s; a float holds no more than 1e308, an int does


def identifier(name: str, value: Any) -> str:
    """Return an id that can be a part of a path.

    >>> identifier("job_id", "job-1")
    'job-1'
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value.strip():
        raise OdysseyConfigError(f"{name} is empty", code="invalid_argument")
    # Dots alone are what every HTTP library takes out of a path, with what stands before them.
    if len(value) > _LONGEST_IDENTIFIER or not value.isprintable() or not value.strip("."):
        raise OdysseyConfigError(f"{name} is no id of the service", code="invalid_argument")
    return str(value)


def quoted(value: str) -> str:
    """Return ``value`` as one segment of a path.

    >>> quoted("a/b?c")
    'a%2Fb%3Fc'
    """
    return quote(value, safe="")


def whole(name: str, value: Any, *, least: int, most: int | None = None) -> int | None:
    """Return an integer from ``least`` to ``most``, or None, which leaves it to the service; a bool is neither."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    if value < least or (most is not None and value > most):
        span = f"at least {least}" if most is None else f"from {least} to {most}"
        raise OdysseyConfigError(f"{name} must be {span}{_not(value)}", code="invalid_argument")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """Return a bool; nothing else is one."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Return a string that is one of the ``known``."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if value not in known:
        raise OdysseyConfigError(f"{name} must be one of {', '.join(known)}", code="invalid_argument")
    return str(value)


def seconds(name: str, value: Any) -> float:
    """Return a finite span in s, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not 0 <= value < math.inf or value > _LONGEST:
        raise OdysseyConfigError(f"{name} must be 0 s or more, and finite{_not(value)}", code="invalid_argument")
    return float(value)


def timeout(name: str, value: Any) -> None:
    """Raise unless ``value`` is a span in s, 0 or more, or None, which is for ever."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, not {type(value).__name__}")
    if not value >= 0:
        raise OdysseyConfigError(f"{name} must be 0 s or more{_not(value)}", code="invalid_argument")


def text(name: str, value: Any) -> str:
    """Return a string that UTF-8 can hold."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise OdysseyConfigError(
            f"{name} must be text without lone surrogates, which UTF-8 cannot hold", code="invalid_argument"
        ) from None
    return value


def number(name: str, value: Any, *, whole: bool = False, least: float = -math.inf) -> None:
    """Raise unless ``value`` is a finite number, an integer where it must be ``whole``; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise TypeError(f"{name} must be {'an integer' if whole else 'a number'}, not {type(value).__name__}")
    if not -math.inf < value < math.inf or value < least:
        span = "finite" if least == -math.inf else f"at least {least:g}"
        raise OdysseyConfigError(f"{name} must be {span}{_not(value)}", code="invalid_argument")


def _not(value: float) -> str:
    """Return what was given instead, where that is a number that one would write."""
    return f", not {value!r}" if -_LONGEST <= value <= _LONGEST or value != value else ""


def function(name: str, value: Any) -> None:
    """Raise unless ``value`` can be called, or is None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function, not {type(value).__name__}")


publish("odyssey_proto", ClientDefault)
