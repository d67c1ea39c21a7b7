"""The pages of a list as one sequence. The caller makes the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .._model.codec import left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["pages"]

T = TypeVar("T")


def pages(
    ask: Callable[[int], tuple[Sequence[T], int]], identity: Callable[[T], str], offset: int = 0
) -> Iterator[T]:
    """Yield the items of all pages. ``ask`` returns the items from an offset on, and the total number.

    New items may move the others to later pages meanwhile, so items that come a second time are left out. A total
    of 0 beside items means that the service did not say; then a page without new items is the last.
    """
    seen: set[str] = set()
    while True:
        items, total = ask(offset)
        known = len(seen)
        for item in items:
            if identity(item) not in seen:
                seen.add(identity(item))
                yield item
        rows = len(items) + left_out(items)
        offset += rows
        is_last = offset >= total if total > 0 else len(seen) == known
        if not rows or is_last:
            return
