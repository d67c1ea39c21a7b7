"""The order of the tests in a run with several workers."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

__all__ = ["mixed"]

_COMPUTING: Final = ("tests/unit/", "tests/wire/")
"""The folders in which most tests compute, and wait for nothing."""


def mixed(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Spread the tests that compute, file by file, among those that wait: the processors always have work."""
    files = [list(tests) for _, tests in itertools.groupby(items, lambda item: item.path)]
    computing = deque(tests for tests in files if tests[0].nodeid.startswith(_COMPUTING))
    waiting = [tests for tests in files if not tests[0].nodeid.startswith(_COMPUTING)]
    share = sum(map(len, computing)) / max(1, sum(map(len, waiting)))
    result: list[pytest.Item] = []
    owed = 0.0
    for tests in waiting:
        result += tests
        owed += len(tests) * share
        while computing and len(computing[0]) <= owed:
            owed -= len(computing[0])
            result += computing.popleft()
    return [*result, *itertools.chain.from_iterable(computing)]
