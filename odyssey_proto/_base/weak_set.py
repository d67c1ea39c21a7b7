"""A weak set that one thread may iterate over while others add members or drop them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ConcurrentWeakSet"]

T = TypeVar("T")


class ConcurrentWeakSet(weakref.WeakSet[T]):
    """The members that have not been garbage-collected. It takes no lock, so a forked child can use it too."""

    def __iter__(self) -> Iterator[T]:
        """Iterate over the present members; later additions are not included."""
        while True:
            try:
                return iter([*super().__iter__()])
            except RuntimeError:  # it changed meanwhile; start over
                continue
