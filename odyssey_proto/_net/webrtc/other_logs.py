"""What aiortc and aioice log in a user's program: warnings and errors, and the rest only for those who debug.

aioice logs each step of every candidate pair at INFO, about ten lines a connection. This module changes no level,
so ``logging`` keeps working as the user has set it up.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["keep_quiet"]

_NOWHERE: Final = logging.NullHandler()


class _ForDebugging(logging.Filter):
    """Keeps INFO from a log of which DEBUG is not wanted."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno != logging.INFO or logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


_FOR_DEBUGGING: Final = _ForDebugging()


def keep_quiet() -> None:
    """Arrange it; calling it again changes nothing."""
    for name in ("aiortc", "aioice"):
        # Without logging set up, Python would print their warnings; our own report what matters.
        logging.getLogger(name).addHandler(_NOWHERE)
    for name in ("aioice.ice", "aioice.mdns", "aioice.turn"):  # a filter of "aioice" would not see what these log
        logging.getLogger(name).addFilter(_FOR_DEBUGGING)
