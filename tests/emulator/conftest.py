"""A manual clock for emulators. The fixtures for emulators are shared by all tests and not defined here."""

from __future__ import annotations

import pytest


class HandClock:
    """A clock that tests set, so that 40 s pass at once."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> HandClock:
    return HandClock()
