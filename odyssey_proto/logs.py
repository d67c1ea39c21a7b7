"""Where the log goes when a user asks to see it; otherwise it is silent, as a library's should be."""

from __future__ import annotations

import logging

__all__ = ["to_stderr"]


def to_stderr() -> None:
    """Write all of ``odyssey_proto``'s log to stderr; once, however often it is called."""
    logger = logging.getLogger("odyssey_proto")
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler, logging.StreamHandler) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
