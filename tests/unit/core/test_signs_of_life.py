"""Checking that the streamer is there: for how long it may be silent."""

from __future__ import annotations

import pytest

from odyssey_proto.core.signs_of_life import MISSING_AFTER_S, SignsOfLife


@pytest.fixture
def signs() -> SignsOfLife:
    """Return the signs of life of a streamer that was last heard at 100 s."""
    found = SignsOfLife()
    found.note(100.0)
    return found


def test_they_are_missing_at_the_limit(signs: SignsOfLife) -> None:
    assert not signs.are_missing(100.0 + MISSING_AFTER_S - 0.1)
    assert signs.are_missing(100.0 + MISSING_AFTER_S)


def test_each_sign_restarts_the_wait(signs: SignsOfLife) -> None:
    signs.note(102.0)
    signs.note(101.0)  # a sign that was noted late
    assert not signs.are_missing(104.0)
    assert signs.are_missing(104.5)


@pytest.mark.parametrize(("overslept_s", "missing"), [(0.9, True), (1.1, False)])
def test_a_process_that_stood_still_could_not_hear_them(
    signs: SignsOfLife, overslept_s: float, missing: bool
) -> None:
    signs.look_late(160.0, overslept_s)
    assert signs.are_missing(160.0) is missing
