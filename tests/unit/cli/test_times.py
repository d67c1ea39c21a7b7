"""Moments and lengths: what options take, and what is shown."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

import click
import pytest

from odyssey_proto.cli._times import MOMENT, clock, file_time, is_since, local_time, roughly

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _far_from_greenwich() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "XYZ-3")  # three hours ahead of UTC, as POSIX writes it
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "age_s"), [("30", 30), ("2h", 7200), ("1h30m", 5400), ("3d", 259_200), ("1.5D", 129_600)]
)
def test_an_age_is_a_moment(text: str, age_s: float) -> None:
    moment = MOMENT.convert(text, None, None)
    age = datetime.datetime.now(datetime.UTC) - moment
    assert age_s <= age.total_seconds() < age_s + 60


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+03:00"),
        ("2026-01-31 15:45", "2026-01-31T15:45:00+03:00"),
        ("2026-01-31T15:45:00Z", "2026-01-31T18:45:00+03:00"),
    ],
)
def test_a_date_is_a_moment_of_this_time_zone(text: str, iso: str) -> None:
    moment = MOMENT.convert(text, None, None)
    assert moment.isoformat() == iso
    assert MOMENT.convert(moment, None, None) is moment


@pytest.mark.parametrize("text", ["yesterday", "2026-31-01", "", "-3d", "9999999999d", "99999h"])
def test_another_text_is_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter):
        MOMENT.convert(text, None, None)


def test_what_has_no_time_is_not_later() -> None:
    since = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    moments = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "2025-12-31T23:59:59.999Z", "", None, "x")
    assert [is_since(iso, since) for iso in moments] == [True, True, False, False, False, False]
    assert is_since("", None)


def test_moments_are_shown_by_the_clock_of_this_machine() -> None:
    iso = "2026-01-31T12:45:00.123Z"
    assert (local_time(iso), file_time(iso)) == ("2026-01-31 15:45:00", "20260131-154500")
    assert (local_time(None), file_time("soon"), local_time("0001-01-01T00:00:00+23:00")) == ("-", "", "-")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (3.5, "0:03.5"),
        (75.25, "1:15.25"),
        (600, "10:00"),
        (3661, "1:01:01"),
        (None, "-"),
        (float("inf"), "-"),
    ],
)
def test_a_length_is_shown_as_on_a_clock(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 0 s"), (90, "about 90 s"), (300, "about 5 min"), (float("nan"), "some time")],
)
def test_a_wait_is_only_known_roughly(seconds: float, text: str) -> None:
    assert roughly(seconds) == text


@pytest.mark.parametrize("seconds", [1e11, 1e306, float("inf"), float("nan")])
def test_a_length_that_means_nothing_is_not_shown(seconds: float) -> None:
    assert (clock(seconds), roughly(seconds)) == ("-", "some time")
