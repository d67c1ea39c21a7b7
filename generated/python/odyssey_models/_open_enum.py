# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""String enums that stay open: a value that the protocol does not list is kept, never refused.

This module has the base of every enum in this package, and knows no values of the protocol.
"""

from __future__ import annotations

from enum import EnumType, StrEnum
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, TypeVar

__all__ = ["OpenStrEnum", "listed"]

if TYPE_CHECKING:
    # To type checkers, an enum has the members in its body and no others: a `match` over all of them would be
    # exhaustive to them, and the branch for other values unreachable. So they see a `str` with constants instead.
    from collections.abc import Iterator
    from types import MappingProxyType

    _Member = TypeVar("_Member")

    class _OpenEnumType(type):
        def __iter__(cls: type[_Member]) -> Iterator[_Member]: ...
        def __reversed__(cls: type[_Member]) -> Iterator[_Member]: ...
        def __getitem__(cls: type[_Member], name: str) -> _Member: ...
        def __contains__(cls, value: object) -> bool: ...
        def __len__(cls) -> int: ...
        @property
        def __members__(cls: type[_Member]) -> MappingProxyType[str, _Member]: ...

    class _Base(str, metaclass=_OpenEnumType):
        _name_: str
        _value_: str

        def __new__(cls, value: str) -> Self: ...
        @property
        def name(self) -> str: ...
        @property
        def value(self) -> str: ...
else:

    class _OpenEnumType(EnumType):
        def __contains__(cls, value: object) -> bool:
            return isinstance(value, str) and value in cls._value2member_map_

    class _Base(StrEnum, metaclass=_OpenEnumType):
        pass


def listed(value: str) -> Any:
    """Return ``value``, which an enum lists: in the body of the enum's class, it becomes a member."""
    return value


class OpenStrEnum(_Base):
    """A string enum whose unlisted values become unnamed members instead of errors.

    Every member, listed or not, is a `str`: it equals its text, hashes as its text, and is written as its
    text. An unlisted one has an empty `name`. It can be copied and pickled; two with the same text are equal but
    not the same object, so compare with `==`.

    Type checkers know that no `match` over the listed members is exhaustive: to them, this is a `str` with
    constants. At run time, it is a `StrEnum`.

    >>> class Weather(OpenStrEnum):
    ...     SUN = listed("sun")
    >>> Weather("sun") is Weather.SUN
    True
    >>> Weather("hail") == "hail", Weather("hail").name, Weather("hail").is_known
    (True, '', False)
    >>> "sun" in Weather, Weather.SUN in Weather, "hail" in Weather, Weather("hail") in Weather
    (True, True, False, False)
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

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[Self], tuple[str]]:
        # By value: until Python 3.11.4, enums are copied and pickled by name, which an unlisted member lacks.
        return type(self), (self._value_,)

    @property
    def is_known(self) -> bool:
        """Whether the protocol listed this value when the package was generated."""
        return self._name_ != ""

    def __repr__(self) -> str:
        """Show listed members by name, and unlisted ones by the call that makes them."""
        name = type(self).__name__
        return f"{name}.{self._name_}" if self.is_known else f"{name}({self._value_!r})"
