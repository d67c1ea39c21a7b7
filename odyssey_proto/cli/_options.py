"""The options and kinds of values that several commands have. `_access` has those that name the service."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import click

__all__ = ["FREE_LENGTH", "LENGTH", "SECONDS", "Seconds", "json_option"]

_CLOCK: Final = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_UNITS: Final = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


class Seconds(click.ParamType[float]):
    """A time: ``3``, ``3s``, ``1.5s``, ``250ms``, ``2m``, ``1m30s``, ``1:30``. Its value is in s."""

    name = "time"

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the time in s, or fail with the reason."""
        seconds = value if isinstance(value, int | float) else _seconds(str(value).strip().lower())
        if seconds is None or not math.isfinite(seconds) or not self._least <= seconds <= self._most:
            self.fail(
                f"must be a number of seconds from {self._least:g} to {self._most:g}, not {value!r}", param, ctx
            )
        return float(seconds)


def _seconds(text: str) -> float | None:
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)ms", text):
        return float(found[1]) / 1000
    if found := _CLOCK.fullmatch(text):
        hours, minutes, seconds = found.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    if text and (found := _UNITS.fullmatch(text)):
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    try:
        return float(text)
    except ValueError:
        return None


SECONDS: Final = Seconds(0, 86_400)
"""A moment, or a length that may be 0."""
LENGTH: Final = Seconds(1, 3600)
FREE_LENGTH: Final = Seconds(0.1, 86_400)

json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as one JSON object and nothing else."
)
"""The option ``--json``; its value is ``as_json``."""
