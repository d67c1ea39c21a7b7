"""Recording of live streams, one thread per recording.

An H.264 stream is recorded from the packets that were sent, so that nothing is encoded twice; the still and the
preview come from copies of its first pictures. A VP8 stream is encoded again, from copies of all its pictures. The
live stream never waits: a copy costs the loop about 0.2 ms, and pictures are dropped if the thread falls behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import av

from .artifacts import SAMPLED_MS, ArtifactWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .storage import Storage

__all__ = ["Archive", "StreamRecorder"]

log = logging.getLogger("odyssey_proto.emulator.recordings")

_MOST_WAITING: Final = 8
"""Maximum number of waiting pictures, 1.4 MB each."""


class Archive:
    """The recordings in progress. Runs on the loop's thread."""

    def __init__(self, storage: Storage, wall_time: Callable[[], float]) -> None:
        self._storage = storage
        self._wall_time = wall_time
        self._live: set[StreamRecorder] = set()

    def begin(
        self, stream_id: str, account: str, *, size: tuple[int, int], fps: int, from_packets: bool
    ) -> StreamRecorder:
        """Start recording a stream: from the packets that are sent (``from_packets``), or else its pictures."""
        folder = self._storage.begin_recording(stream_id, account, size=size, started_at=self._wall_time())
        recording = StreamRecorder(
            stream_id,
            folder,
            size=size,
            fps=fps,
            from_packets=from_packets,
            storage=self._storage,
            now=self._wall_time,
        )
        self._live.add(recording)
        recording.finished.add_done_callback(lambda _: self._live.discard(recording))
        return recording

    async def close(self, within_s: float) -> None:
        """End all recordings and wait at most ``within_s`` s until they are written."""
        for recording in self._live:
            recording.end("session_ended")
        if self._live:
            await asyncio.wait([recording.finished for recording in self._live], timeout=within_s)


class StreamRecorder:
    """Records one stream, until `end`."""

    def __init__(
        self,
        stream_id: str,
        folder: Path,
        *,
        size: tuple[int, int],
        fps: int,
        from_packets: bool,
        storage: Storage,
        now: Callable[[], float],
    ) -> None:
        self._stream_id = stream_id
        self._writer = ArtifactWriter(folder, size=size, fps=fps)
        self._from_packets = from_packets
        self._storage = storage
        self._wall_time = now
        self._began = time.monotonic()
        self._steps: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._left_out = 0
        self._ended_ms: int | None = None
        self._loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[None] = self._loop.create_future()
        """Done when the artifacts are written, or the recording has failed."""
        self._thread = threading.Thread(target=self._run, name="odyssey-emulator-recording", daemon=True)
        self._thread.start()

    def take_picture(self, picture: av.VideoFrame, at: float) -> None:
        """Record a copy of ``picture``, shown at ``at`` (`time.monotonic`, in s)."""
        at_ms = self._since_began_ms(at)
        if self._ended_ms is not None or (self._from_packets and at_ms >= SAMPLED_MS):
            return
        if self._steps.qsize() >= _MOST_WAITING:
            self._left_out += not self._from_packets
            return
        pixels = picture.to_ndarray()
        write = self._writer.sample if self._from_packets else self._writer.picture
        self._steps.put(lambda: write(av.VideoFrame.from_ndarray(pixels, "yuv420p"), at_ms))

    def take_packet(self, packet: av.Packet[Any], at: float) -> None:
        """Record an H.264 packet that was sent, shown at ``at`` (`time.monotonic`, in s). Any thread may call.

        A packet from before the start of the recording belongs to another stream and is ignored.
        """
        if self._ended_ms is None and self._from_packets and at >= self._began:
            data, at_ms, is_keyframe = bytes(packet), self._since_began_ms(at), packet.is_keyframe
            self._steps.put(lambda: self._writer.packet(data, at_ms, is_keyframe=is_keyframe))

    def note(self, kind: str, **fields: Any) -> None:
        """Add an event to the log, with the current time."""
        at_ms = self._since_began_ms(time.monotonic())
        self._steps.put(lambda: self._writer.event(kind, at_ms, **fields))

    def end(self, reason: str) -> None:
        """End the recording. Does nothing the second time."""
        if self._ended_ms is None:
            self.note("end", reason=reason)
            self._ended_ms = self._since_began_ms(time.monotonic())
            self._steps.put(None)

    def _since_began_ms(self, moment: float) -> int:
        return max(0, round((moment - self._began) * 1000))

    def _run(self) -> None:
        try:
            while (step := self._steps.get()) is not None:
                step()
            summary = self._writer.close(self._ended_ms or 0)
            if self._left_out:
                log.warning("the recording of %s lacks %d pictures", self._stream_id, self._left_out)
            self._storage.finish_recording(
                self._stream_id, ended_at=self._wall_time(), duration_s=summary.duration_s, frames=summary.frames
            )
        except Exception:
            log.exception("the recording of %s failed", self._stream_id)
            self._writer.discard()
            with contextlib.suppress(Exception):  # the storage itself may have failed
                self._storage.drop_recording(self._stream_id)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                self._loop.call_soon_threadsafe(self._set_finished)

    def _set_finished(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)
