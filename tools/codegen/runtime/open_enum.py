"""String enums that stay open: a value that the protocol does not list is kept, never refused.

This is the base of every enum in this package. It knows no values of the protocol.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["OpenStrEnum"]


class OpenStrEnum(StrEnum):
    """A string enum whose unlisted values become unnamed members instead of errors.

    Every member, listed or not, is a `str`: it equals its text, hashes as its text, and is written as its
    text. An unlisted one has an empty `name`. It can be copied and pickled; two with the same text are equal but
    not the same object, so compare with `==`.

    >>> class Weather(OpenStrEnum):
    ...     SUN = "sun"
    >>> Weather("sun") is Weather.SUN
    True
    >>> Weather("hail") == "hail", Weather("hail").name, Weather("hail").is_known
    (True, '', False)
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        text = str(value)
        member = str.__new__(cls, text)
        member._name_ = ""
        member._value_ = text
        return member

    @property
    def is_known(self) -> bool:
        """Whether the protocol listed this value when the package was generated."""
        return self._name_ != ""

    def __repr__(self) -> str:
        """Show listed members by name, and unlisted ones by the call that makes them."""
        name = type(self).__name__
        return f"{name}.{self._name_}" if self.is_known else f"{name}({self._value_!r})"
