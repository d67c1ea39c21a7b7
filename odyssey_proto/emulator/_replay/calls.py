"""The REST calls of a cassette: which calls are answered from it, and how."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from .tape import Tape, TapedCall

__all__ = ["RecordedCalls"]

_REQUESTED: Final = ("POST", "/sessions/request")
_WITHOUT_BODY: Final = (204, 304)
_NOT_REPLAYED: Final = (
    "/_emulator",
    "/artifacts/",
    "/auth/token",
    "/config",
    "/live/",
    "/ping/",
    "/regions",
    "/sessions/",
    "/signaling",
    "/telemetry",
)
"""Calls that the emulator answers itself, by the start of the path: the answers contain its own tokens and
addresses."""


class RecordedCalls:
    """Answers calls as recorded, in order; the last answer is repeated.

    A request for a session is answered from the cassette only if the recorded one was refused.
    """

    def __init__(self, tape: Tape) -> None:
        self._answers: dict[tuple[str, str, tuple[tuple[str, str], ...]], collections.deque[TapedCall]] = {}
        self._refusals: collections.deque[TapedCall] = collections.deque()
        for call in tape.calls:
            if (call.method, call.path) == _REQUESTED:
                if call.status >= 400:
                    self._refusals.append(call)
            elif call.answer and call.status >= 200 and not call.path.startswith(_NOT_REPLAYED):
                key = (call.method, call.path, call.query)
                self._answers.setdefault(key, collections.deque()).append(call)

    def answer(self, request: web.Request) -> web.Response | None:
        """Return the answer of the cassette, or None if the emulator is to answer itself."""
        if (request.method, request.path) == _REQUESTED:
            return _response(self._refusals.popleft()) if self._refusals else None
        found = self._answers.get((request.method, request.path, tuple(sorted(request.query.items()))))
        if found is None:
            return None
        return _response(found[0] if len(found) == 1 else found.popleft())


def _response(call: TapedCall) -> web.Response:
    headers = {"Content-Type": "application/json", **{name.title(): text for name, text in call.headers}}
    if call.status in _WITHOUT_BODY:
        return web.Response(status=call.status)
    return web.Response(status=call.status, body=call.answer.encode(errors="replace"), headers=headers)
