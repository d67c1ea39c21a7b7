"""A broadcast over HLS: ffmpeg's segmenter, fed with the packets of the broadcast's H.264 encoder.

Nothing is written until the playlist is requested. Anyone who has the address may watch
(spec/behaviour.md#hls).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
from aiohttp import web
from av.error import FFmpegError

from .._accounts.service import RefusedError

if TYPE_CHECKING:
    from .encoder import BroadcastVideo, Encoder

__all__ = ["PLAYLIST", "HlsOutput"]

log = logging.getLogger("odyssey_proto.emulator.broadcast")

PLAYLIST: Final = "index.m3u8"
_SEGMENT: Final = re.compile(r"[0-9]{1,9}\.ts")
_SEGMENT_S: Final = 1.0
_LISTED_SEGMENTS: Final = 7
_FIRST_WITHIN_S: Final = 10.0
_ENDED_WITHIN_S: Final = 1.0


class HlsOutput:
    """The playlist and the segments of one broadcast. Runs on the loop's thread, and writes on its workers."""

    def __init__(self, video: BroadcastVideo) -> None:
        self._video = video
        self._folder: Path | None = None
        self._writer: _Segmenter | None = None
        self._encoder: Encoder | None = None
        self._packets: asyncio.Queue[av.Packet[Any] | None] = asyncio.Queue()
        self._keyframe_at = 0.0
        self._readable = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def playlist(self) -> web.StreamResponse:
        """Answer with the playlist, once there is a first segment; 404 if none comes."""
        await self._begin()
        # Read at once: the file is small, and ffmpeg may replace it at any moment.
        return await self._file(PLAYLIST, "application/vnd.apple.mpegurl", {"Cache-Control": "no-cache"})

    async def segment(self, name: str) -> web.StreamResponse:
        """Answer with a segment; 404 if it does not exist, or no longer exists."""
        if not _SEGMENT.fullmatch(name):
            raise RefusedError(404, "Not Found")
        return await self._file(name, "video/mp2t", {})

    async def _file(self, name: str, content_type: str, headers: dict[str, str]) -> web.StreamResponse:
        if self._folder is None:
            raise RefusedError(404, "Not Found")
        try:
            body = await asyncio.to_thread((self._folder / name).read_bytes)
        except OSError as exc:
            raise RefusedError(404, "Not Found") from exc
        return web.Response(body=body, content_type=content_type, headers=headers)

    async def end(self) -> None:
        """Mark the playlist as ended."""
        if self._encoder is not None:
            self._encoder.detach(self._take)
        if self._work is not None:
            self._packets.put_nowait(None)
            await asyncio.wait([self._work], timeout=_ENDED_WITHIN_S)

    def remove(self) -> None:
        """Remove the files. Waits if a packet is being written, which takes a moment."""
        if self._work is not None:
            self._work.cancel()
        writer, self._writer, self._folder = self._writer, None, None
        if writer is not None:
            writer.remove()

    async def _begin(self) -> None:
        if self._folder is None:
            if self._video.ended:
                return
            self._folder = Path(tempfile.mkdtemp(prefix="odyssey-hls-"))
            self._writer = _Segmenter(self._folder, self._video.size, self._video.fps)
            self._work = asyncio.get_running_loop().create_task(self._write(self._writer))
            self._encoder = self._video.encoder("h264")
            self._encoder.attach(self._take)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_WITHIN_S):
                await self._readable.wait()

    def _take(self, packet: av.Packet[Any]) -> None:
        if packet.pts is None or packet.time_base is None:
            return
        at = float(packet.pts * packet.time_base)
        if packet.is_keyframe:
            self._keyframe_at = at
        elif at - self._keyframe_at >= _SEGMENT_S - 1 / self._video.fps - 0.001 and self._encoder is not None:
            self._encoder.want_keyframe()  # the next segment can only begin with one
        self._packets.put_nowait(packet)

    async def _write(self, writer: _Segmenter) -> None:
        try:
            while (packet := await self._packets.get()) is not None:
                if await asyncio.to_thread(writer.write, packet):
                    self._readable.set()
            await asyncio.to_thread(writer.close)
        except (FFmpegError, OSError):
            log.exception("the HLS of %s failed", self._video.stream_id)
        finally:
            self._readable.set()


class _Segmenter:
    """ffmpeg's segmenter. One thread at a time writes; any thread may call `remove`."""

    def __init__(self, folder: Path, size: tuple[int, int], fps: int) -> None:
        self._folder = folder
        self._size = size
        self._fps = fps
        self._container: Any = None
        self._stream: Any = None
        self._listed = False
        self._lock = threading.Lock()
        self._removed = False

    def write(self, packet: av.Packet[Any]) -> bool:
        """Write ``packet``; return whether the playlist exists."""
        with self._lock:
            if self._removed or packet.time_base is None or (self._container is None and not packet.is_keyframe):
                return False
            if self._container is None:
                self._open()
            self._mux(packet)
            self._listed = self._listed or (self._folder / PLAYLIST).exists()
            return self._listed

    def close(self) -> None:
        """Write the end of the playlist."""
        with self._lock:
            self._close()

    def remove(self) -> None:
        """Remove the files; write no more."""
        with self._lock:
            self._removed = True
            with contextlib.suppress(FFmpegError, OSError):
                self._close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self) -> None:
        self._container = av.open(
            str(self._folder / PLAYLIST),
            "w",
            format="hls",
            options={
                "hls_time": str(_SEGMENT_S),
                "hls_list_size": str(_LISTED_SEGMENTS),
                "hls_flags": "delete_segments+independent_segments+program_date_time+temp_file",
                "hls_segment_filename": str(self._folder / "%d.ts"),
            },
        )
        width, height = self._size
        self._stream = self._container.add_mux_stream(
            "h264", rate=self._fps, width=width, height=height, pix_fmt="yuv420p"
        )

    def _mux(self, packet: Any) -> None:
        # A copy, because the muxer changes it, and spectators share the packet.
        own = av.Packet(bytes(packet))
        own.pts, own.dts, own.time_base = packet.pts, packet.dts, packet.time_base
        own.duration = int(1 / (self._fps * packet.time_base))
        own.is_keyframe = packet.is_keyframe
        own.stream = self._stream
        self._container.mux(own)

    def _close(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()
