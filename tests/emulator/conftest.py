"""A clock for emulators that is set by hand. The emulators themselves are fixtures of all tests."""

from __future__ import annotations

import pytest


class HandClock:
    """A clock that is set by hand, so that 40 s pass at once."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> HandClock:
    return HandClock()
