"""The logs of the libraries beneath this one, without secrets: they quote addresses with their queries, and SDP.

A program that calls ``logging.basicConfig(level=logging.DEBUG)`` gets them all. A filter of a logger does not see
what its children log, so each logger that emits gets a filter of its own. Records about the requests of other code
stay as they are. What this library itself logs has no secrets in the first place.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
from typing import TYPE_CHECKING, Final

from .._base.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["without_secrets"]

# The loggers that may quote the address of a request, or its headers.
_OF_REQUESTS: Final = (
    "requests_mock.adapter",
    "responses",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "vcr.cassette",
    "vcr.matchers",
    "vcr.request",
    "vcr.stubs",
    "websocket",  # after `websocket.enableTrace(True)`: the handshake, and every message
)
_QUERY: Final = re.compile(r"\?\S+")
_OF_PEERS: Final = ("aiortc.rtcpeerconnection",)  # quotes SDP, with the ICE passwords of both sides

_is_ours: contextvars.ContextVar[bool] = contextvars.ContextVar("odyssey_is_ours", default=False)


@contextlib.contextmanager
def without_secrets() -> Iterator[None]:
    """Keep secrets out of what libraries log on this thread within a ``with``."""
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


class _WithoutSecrets(logging.Filter):
    """Removes secrets from a record: its text, and its traceback."""

    def __init__(self, applies: Callable[[], bool]) -> None:
        super().__init__()
        self._applies = applies

    def filter(self, record: logging.LogRecord) -> bool:
        if self._applies():
            try:
                record.msg, record.args = _redacted(record.getMessage()), ()
            except Exception:  # noqa: BLE001  # logging reports it
                return True
            if record.exc_info:
                record.exc_text = _redacted(logging.Formatter().formatException(record.exc_info))
                record.exc_info = None
        return True


def _redacted(text: str) -> str:
    """Return ``text`` without secrets; the query of one of our addresses may have any character but blanks."""
    return _QUERY.sub("?…", redact(text))


for _name in _OF_REQUESTS:
    logging.getLogger(_name).addFilter(_WithoutSecrets(_is_ours.get))
for _name in _OF_PEERS:
    logging.getLogger(_name).addFilter(_WithoutSecrets(lambda: True))
