"""A clock for emulators that is set by hand. The emulators themselves are fixtures of all tests."""

from __future__ import annotations

import pytest

from tests.support.clocks import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()
