"""The pages of a list as one sequence. The caller makes the requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from .._base.arguments import FARTHEST
from .._base.errors import MalformedMessageError
from .._base.limits import LIST_MOST_ITEMS, PAGES_WITHOUT_NEWS_MOST
from .._model.codec import left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["pages"]

T = TypeVar("T")


def pages(
    ask: Callable[[int], tuple[Sequence[T], int]], identity: Callable[[T], str], offset: int = 0
) -> Iterator[T]:
    """Iterate over the items of all pages. ``ask`` returns the items from an offset on, and the total number.

    New items may move the others to later pages meanwhile, so items that come a second time are left out. A page
    without new items is the last, unless the total shows that items were added, or rows could not be read. If a
    page has items, a total of 0 or less means that the total is not known.

    After a failure, or an exception of a signal handler, the iterator can continue: it requests that page again.

    Raises:
        MalformedMessageError: the list has no end.
    """
    return _Pages(ask, identity, offset)


class _Pages(Iterator[T]):
    # Not a generator, which would end at the first exception, as if the list had ended.

    def __init__(
        self, ask: Callable[[int], tuple[Sequence[T], int]], identity: Callable[[T], str], offset: int
    ) -> None:
        self._ask = ask
        self._identity = identity
        self._offset = offset
        self._seen: set[str] = set()
        self._waiting: deque[T] = deque()
        self._is_last = False
        self._total = self._without_news = 0  # of the last page; consecutive pages

    def __next__(self) -> T:
        while True:
            while self._waiting:
                item = self._waiting.popleft()
                if (name := self._identity(item)) not in self._seen:
                    self._seen.add(name)
                    return item
            if self._is_last:
                raise StopIteration
            self._read(*self._ask(self._offset))

    def _read(self, items: Sequence[T], total: int) -> None:
        new = {self._identity(item) for item in items} - self._seen
        if len(self._seen) + len(new) > LIST_MOST_ITEMS:
            raise MalformedMessageError(
                f"The list has no end: the service gave more than {LIST_MOST_ITEMS} items", code="too_large"
            )
        skipped = left_out(items)
        rows = len(items) + skipped
        offset = self._offset + rows
        without_news = 0 if new else self._without_news + 1
        may_go_on = without_news == 0 or (
            total > 0 and (skipped > 0 or total > self._total > 0) and without_news < PAGES_WITHOUT_NEWS_MOST
        )
        self._waiting.extend(items)
        self._is_last = not rows or not may_go_on or 0 < total <= offset or offset > FARTHEST
        self._offset, self._total, self._without_news = offset, total, without_news
