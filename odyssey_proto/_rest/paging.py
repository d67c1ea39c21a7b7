"""The pages of a list as one sequence. The caller makes the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .._base.arguments import FARTHEST
from .._base.errors import MalformedMessageError
from .._base.limits import LIST_MOST_ITEMS, PAGES_WITHOUT_NEWS_MOST
from .._model.codec import left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["pages"]

T = TypeVar("T")


def pages(
    ask: Callable[[int], tuple[Sequence[T], int]], identity: Callable[[T], str], offset: int = 0
) -> Iterator[T]:
    """Yield the items of all pages. ``ask`` returns the items from an offset on, and the total number.

    New items may move the others to later pages meanwhile, so items that come a second time are left out. A page
    without new items is the last, unless the total shows that items were added, or rows could not be read. A total
    that is not above 0 beside items means that the service did not say.

    Raises:
        MalformedMessageError: the list has no end.
    """
    seen: set[str] = set()
    before = without_news = 0
    while True:
        items, total = ask(offset)
        known = len(seen)
        for item in items:
            if identity(item) not in seen:
                seen.add(identity(item))
                yield item
        if len(seen) > LIST_MOST_ITEMS:
            raise MalformedMessageError(
                f"The list has no end: the service gave more than {LIST_MOST_ITEMS} items", code="too_large"
            )
        skipped = left_out(items)
        rows = len(items) + skipped
        offset += rows
        without_news = 0 if len(seen) > known else without_news + 1
        may_go_on = without_news == 0 or (
            total > 0 and (skipped > 0 or total > before > 0) and without_news < PAGES_WITHOUT_NEWS_MOST
        )
        before = total
        if not rows or not may_go_on or 0 < total <= offset or offset > FARTHEST:
            return
