"""A manual clock for emulators. The fixtures for emulators are shared by all tests and not defined here."""

from __future__ import annotations

import pytest

from tests.support.clocks import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()
