"""Signals that end a command as Ctrl-C does, so that sessions are given back and no file is left behind."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["as_by_ctrl_c"]


@contextlib.contextmanager
def as_by_ctrl_c() -> Iterator[None]:
    """Have SIGTERM, and SIGHUP where a terminal can close, raise `KeyboardInterrupt` during the block.

    In threads other than the main one, nothing changes: no signal interrupts them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
        numbers.append(signal.SIGHUP)
    earlier = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
