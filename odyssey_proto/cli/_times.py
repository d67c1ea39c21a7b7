"""Moments and lengths: as options take them, and as tables and names of files show them."""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

import click

from ._options import SECONDS

__all__ = ["MOMENT", "clock", "file_time", "is_since", "local_time", "roughly"]

_LONGEST_TIME_S: Final = 1e10  # three centuries; a longer time, or NaN, means nothing
_DAYS: Final = re.compile(r"(\d+(?:\.\d+)?)d")


class _Moment(click.ParamType[datetime.datetime]):
    """A moment: a date, a date and a time, or an age such as ``2h`` or ``3d``."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime.datetime:
        """Return the moment, with a time zone, or fail with the reason."""
        if isinstance(value, datetime.datetime):
            return value
        now = datetime.datetime.now().astimezone()
        text = str(value).strip().lower()
        if days := _DAYS.fullmatch(text):
            age_s = float(days[1]) * 86_400
        elif re.match(r"\d{4}-", text):
            try:
                return datetime.datetime.fromisoformat(str(value).strip()).astimezone()
            except (ValueError, OverflowError):
                self.fail(f"{value!r} is not a date, such as 2026-01-31 or 2026-01-31T15:45", param, ctx)
        else:
            try:
                age_s = SECONDS.convert(text, param, ctx)
            except click.BadParameter:
                self.fail(f"must be an age, such as 2h or 3d, or a date, not {value!r}", param, ctx)
        try:
            return now - datetime.timedelta(seconds=age_s)
        except OverflowError:
            self.fail(f"{value!r} is too long ago", param, ctx)


MOMENT: Final = _Moment()


def _moment_of(iso: str | None) -> datetime.datetime | None:
    """Return a moment given by the service, in the time zone of this machine; None if it gave none."""
    try:
        moment = datetime.datetime.fromisoformat(iso or "")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.astimezone()
    except (ValueError, OverflowError):
        return None


def is_since(iso: str | None, since: datetime.datetime | None) -> bool:
    """Return whether a time from the service is not before ``since``, if that is given; False if it gave none."""
    if since is None:
        return True
    moment = _moment_of(iso)
    return moment is not None and moment >= since


def local_time(iso: str | None) -> str:
    """Return a time from the service, such as ``2026-01-31 15:45:00`` by the clock of this machine, or ``-``."""
    moment = _moment_of(iso)
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def file_time(iso: str | None) -> str:
    """Return the same for the name of a file, such as ``20260131-154500``, or an empty text."""
    moment = _moment_of(iso)
    return "" if moment is None else f"{moment:%Y%m%d-%H%M%S}"


def roughly(seconds: float) -> str:
    """Return a length that is only known roughly, as text, such as ``about 5 min``."""
    if not abs(seconds) < _LONGEST_TIME_S:
        return "some time"
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"


def clock(seconds: float | None) -> str:
    """Return a length or a moment of a video as text; ``-`` if it is not known.

    >>> clock(75.25), clock(3600), clock(None)
    ('1:15.25', '1:00:00', '-')
    """
    if seconds is None or not abs(seconds) < _LONGEST_TIME_S:
        return "-"
    whole, ms = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{text}.{ms:03}".rstrip("0") if ms else text
