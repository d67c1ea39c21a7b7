"""Pages of a list as one sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["pages"]

T = TypeVar("T")


def pages(
    ask: Callable[[int], tuple[Sequence[T], int]], identity: Callable[[T], str], offset: int = 0
) -> Iterator[T]:
    """Yield the items of all pages. ``ask`` gives those from an offset on, and how many there are altogether.

    New items push the others on while pages are read: what comes a second time is left out.
    """
    seen: set[str] = set()
    while True:
        items, total = ask(offset)
        for item in items:
            if identity(item) not in seen:
                seen.add(identity(item))
                yield item
        offset += len(items)
        if not items or offset >= total:
            return
