"""Writing the log to stderr when a user asks for it; otherwise it is silent, as a library's log should be."""

from __future__ import annotations

import contextlib
import logging
import sys

from .secrets import redact

__all__ = ["to_stderr"]


class _Redacted(logging.Formatter):
    """Removes secrets again from the whole record: tracebacks may hold texts of other libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Stderr(logging.Handler):
    """Writes to the current stderr, in characters of its encoding; a program may have closed it, or have none."""

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr
        if stream is None:
            return
        encoding = getattr(stream, "encoding", None) or "utf-8"
        line = self.format(record).encode(encoding, "backslashreplace").decode(encoding)
        # Nobody reads it, it is closed, or this is a signal handler that has interrupted the writing of a line.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            stream.write(f"{line}\n")
            stream.flush()


def to_stderr() -> None:
    """Write all of ``odyssey_proto``'s log to stderr, each record once, however often this is called."""
    logger = logging.getLogger("odyssey_proto")
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        handler = _Stderr()
        handler.setFormatter(_Redacted("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
