"""Limits what aiortc and aioice log in a user's program to warnings and errors, unless the level is DEBUG.

aioice logs each step of every candidate pair at INFO, about ten lines per connection. This module changes no
level, so ``logging`` keeps working as the user has set it up.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["keep_quiet"]

_NOWHERE: Final = logging.NullHandler()


class _ForDebugging(logging.Filter):
    """Keeps INFO out of a log whose level is not DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno != logging.INFO or logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


_FOR_DEBUGGING: Final = _ForDebugging()


def keep_quiet() -> None:
    """Install the filters; calling it again changes nothing."""
    for name in ("aiortc", "aioice"):
        # Unless logging is set up, Python would print their warnings; our own logs report what matters.
        logging.getLogger(name).addHandler(_NOWHERE)
    for name in ("aioice.ice", "aioice.mdns", "aioice.turn"):  # a filter of "aioice" would not see their records
        logging.getLogger(name).addFilter(_FOR_DEBUGGING)
