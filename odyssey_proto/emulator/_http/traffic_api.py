"""``/_emulator/traffic``: the traffic between this emulator and its clients, as NDJSON."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from .._accounts.service import RefusedError
from .._showing import as_data
from .admission import CONTROL

if TYPE_CHECKING:
    from .._journal import Entry, Journal

__all__ = ["TrafficApi"]

_LOOK_EVERY_S: Final = 1.0  # whether a following client is still connected
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class TrafficApi:
    """The calls with which a developer looks at the traffic of one emulator.

    ``GET`` has three arguments. ``since=N`` leaves out entries up to the number N. ``follow=true`` continues with
    new entries, until the client leaves or the emulator ends. ``secrets=true`` masks nothing.

    ``DELETE`` forgets all entries.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        path = f"{CONTROL}/traffic"
        self.routes = [web.get(path, self._show, allow_head=False), web.delete(path, self._forget)]
        """The routes of these calls."""

    async def _show(self, request: web.Request) -> web.StreamResponse:
        since, follow = _number(request, "since"), _flag(request, "follow")
        secrets = _flag(request, "secrets")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # the client has left
            while True:
                is_over = not follow or self._journal.is_over
                for entry in self._journal.since(since):
                    since = entry.number
                    await response.write(_line(entry, secrets=secrets))
                if is_over or request.transport is None or request.transport.is_closing():
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._journal.wait_for_news(since), _LOOK_EVERY_S)
            await response.write_eof()
        return response

    async def _forget(self, _: web.Request) -> web.StreamResponse:
        self._journal.clear()
        return web.Response(status=204)


def _line(entry: Entry, *, secrets: bool) -> bytes:
    when = datetime.datetime.fromtimestamp(entry.time, datetime.UTC).isoformat(timespec="milliseconds")
    data = {"number": entry.number, "time": when, **as_data(entry.seen, secrets=secrets)}
    return json.dumps(data, ensure_ascii=False).encode(errors="replace") + b"\n"


def _flag(request: web.Request, name: str) -> bool:
    text = request.query.get(name, "false")
    if text not in _FLAGS:
        raise RefusedError(400, f"{name} must be true or false")
    return _FLAGS[text]


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise RefusedError(400, f"{name} must be a whole number of at least 0")
    return int(text)
