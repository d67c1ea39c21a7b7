"""Broadcasts to watch: a plain client starts one, on a separate thread, and keeps it until the test ends it."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any

import attrs

from odyssey_proto import BroadcastInfo
from tests.support.plain_client import Credentials, authorise, connect
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Broadcaster", "broadcasting"]


@attrs.frozen
class Broadcaster:
    """The broadcasting client."""

    info: BroadcastInfo
    _wishes: queue.SimpleQueue[str]
    _done: queue.SimpleQueue[None]

    def end(self) -> None:
        """End the stream, and wait until the streamer confirms it."""
        self._wishes.put("end")
        self._done.get(timeout=PATIENCE_S)


@contextlib.contextmanager
def broadcasting(api_url: str, *, key: str = "ody_broadcaster", portrait: bool = False) -> Iterator[Broadcaster]:
    """Broadcast from the emulator at ``api_url`` during the ``with``."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    wishes: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[None] = queue.SimpleQueue()

    async def broadcast(credentials: Credentials) -> None:
        async with connect(credentials) as client:
            client.send(type="interactive_stream_start", prompt="A cat", portrait=portrait, broadcast=True)
            await client.message("stream_started")
            told.put(await client.message("broadcast_ready"))
            while await asyncio.to_thread(wishes.get) == "end":
                client.send(type="interactive_stream_end")
                await client.message("stream_ended")
                done.put(None)

    def run() -> None:
        try:
            asyncio.run(broadcast(authorise(api_url, key)))
        except BaseException as exc:  # noqa: BLE001 - raised below, or the emulator was killed
            told.put(exc)

    thread = threading.Thread(target=run, name="broadcaster")
    thread.start()
    try:
        ready = told.get(timeout=PATIENCE_S)
        if isinstance(ready, BaseException):
            raise ready
        info = BroadcastInfo(ready["webrtc_url"], ready["spectator_token"], ready["broadcast_url"])
        yield Broadcaster(info, wishes, done)
    finally:
        wishes.put("leave")
        thread.join(PATIENCE_S)
