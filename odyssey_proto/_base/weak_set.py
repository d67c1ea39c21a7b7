"""A weak set that one thread may look through while others put into it and let go."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ConcurrentWeakSet"]

T = TypeVar("T")


class ConcurrentWeakSet(weakref.WeakSet[T]):
    """What is alive of what was added. It takes no lock, so that a forked child can use it too."""

    def __iter__(self) -> Iterator[T]:
        """Iterate over all that are there now; what is added later is not among them."""
        while True:
            try:
                return iter([*super().__iter__()])
            except RuntimeError:  # it changed meanwhile; begin anew
                continue
