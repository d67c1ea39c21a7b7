"""Where the log goes when a user asks to see it; otherwise it is silent, as a library's should be."""

from __future__ import annotations

import logging

from .secrets import redact

__all__ = ["to_stderr"]


class _Redacted(logging.Formatter):
    """Takes out what is secret once more, with the tracebacks, whose texts may be of other libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def to_stderr() -> None:
    """Write all of ``odyssey_proto``'s log to stderr; once, however often it is called."""
    logger = logging.getLogger("odyssey_proto")
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler.formatter, _Redacted) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(_Redacted("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
