"""Writing the log to stderr when a user asks for it; otherwise it is silent, as a library's log should be."""

from __future__ import annotations

import logging

from .secrets import redact

__all__ = ["to_stderr"]


class _Redacted(logging.Formatter):
    """Removes secrets again from the whole record: tracebacks may hold texts of other libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def to_stderr() -> None:
    """Write all of ``odyssey_proto``'s log to stderr, each record once, however often this is called."""
    logger = logging.getLogger("odyssey_proto")
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler.formatter, _Redacted) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(_Redacted("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
