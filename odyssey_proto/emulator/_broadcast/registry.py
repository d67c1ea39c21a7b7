"""The broadcasts of an emulator, and the HTTP calls by which spectators reach them.

POST   /live/{stream_id}/whep               an offer
DELETE /live/{stream_id}/whep/{resource}    leave
GET    /live/{stream_id}/index.m3u8         HLS, available for a while after the stream ends
GET    /live/{stream_id}/{segment}          a segment that the playlist names
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Final

import attrs
from aiohttp import web
from odyssey_models import BroadcastReady

from .._accounts.service import RefusedError
from .encoder import BroadcastVideo
from .hls import PLAYLIST, HlsOutput
from .whep import WhepSpectators

__all__ = ["Broadcast", "BroadcastRegistry"]

log = logging.getLogger("odyssey_proto.emulator.broadcast")

_FORGOTTEN_AFTER_S: Final = 60.0
"""How long the playlist remains available after its stream ends."""


@attrs.define(eq=False, kw_only=True)
class Broadcast:
    """One broadcast and its outputs, from `BroadcastRegistry.begin` to `end`."""

    video: BroadcastVideo
    spectators: WhepSpectators
    hls: HlsOutput
    ready: BroadcastReady
    """The message that announces it to the streamer's client."""

    def end(self) -> asyncio.Task[None]:
        """End the broadcast, and return the task that disconnects all spectators."""
        self.video.end()
        return asyncio.get_running_loop().create_task(self._close_outputs())

    async def _close_outputs(self) -> None:
        await asyncio.gather(self.spectators.close(), self.hls.end())


class BroadcastRegistry:
    """All broadcasts, by stream. Runs on the loop's thread."""

    def __init__(self, *, codec: str, bitrate: int | None = None) -> None:
        self._codec = codec
        self._bitrate = bitrate
        self._broadcasts: dict[str, Broadcast] = {}
        self._removals: dict[str, asyncio.TimerHandle] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self.routes = [
            web.post("/live/{stream_id}/whep", self._admit),
            web.delete("/live/{stream_id}/whep/{resource}", self._dismiss),
            web.get(f"/live/{{stream_id}}/{PLAYLIST}", self._playlist),
            web.get("/live/{stream_id}/{segment}", self._segment),
        ]

    def begin(self, stream_id: str, *, authority: str, size: tuple[int, int], fps: int) -> Broadcast:
        """Start a broadcast of ``stream_id``, reachable at ``authority`` (host and port)."""
        address = f"http://{authority}/live/{stream_id}"
        token = f"spectator_{secrets.token_urlsafe(24)}"
        video = BroadcastVideo(stream_id, token=token, size=size, fps=fps, bitrate=self._bitrate)
        broadcast = self._broadcasts[stream_id] = Broadcast(
            video=video,
            spectators=WhepSpectators(video, codec=self._codec),
            hls=HlsOutput(video),
            ready=BroadcastReady(
                broadcast_url=f"{address}/{PLAYLIST}", webrtc_url=address, spectator_token=video.token
            ),
        )
        return broadcast

    async def end(self, stream_id: str) -> None:
        """End the broadcast of ``stream_id``, if there is one. It ends even if the caller is cancelled."""
        broadcast = self._broadcasts.get(stream_id)
        if broadcast is not None and not broadcast.video.ended:
            self._removals[stream_id] = asyncio.get_running_loop().call_later(
                _FORGOTTEN_AFTER_S, self._remove, stream_id
            )
            ending = broadcast.end()
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)

    async def close(self) -> None:
        """End all broadcasts, within a second, and remove their files."""
        endings = [*map(self.end, tuple(self._broadcasts)), *self._endings]
        for failure in await asyncio.gather(*endings, return_exceptions=True):
            if isinstance(failure, Exception):
                log.error("a broadcast did not end", exc_info=failure)
        for removal in self._removals.values():
            removal.cancel()
        for stream_id in tuple(self._broadcasts):
            self._remove(stream_id)

    def _remove(self, stream_id: str) -> None:
        self._removals.pop(stream_id, None)
        self._broadcasts.pop(stream_id).hls.remove()

    def _find(self, request: web.Request, *, live: bool) -> Broadcast:
        broadcast = self._broadcasts.get(request.match_info["stream_id"])
        if broadcast is None or (live and broadcast.video.ended):
            raise RefusedError(404, "Stream not found")
        return broadcast

    async def _admit(self, request: web.Request) -> web.StreamResponse:
        return await self._find(request, live=True).spectators.admit(request)

    async def _dismiss(self, request: web.Request) -> web.StreamResponse:
        return await self._find(request, live=False).spectators.dismiss(request.match_info["resource"])

    async def _playlist(self, request: web.Request) -> web.StreamResponse:
        return await self._find(request, live=False).hls.playlist()

    async def _segment(self, request: web.Request) -> web.StreamResponse:
        return await self._find(request, live=False).hls.segment(request.match_info["segment"])
