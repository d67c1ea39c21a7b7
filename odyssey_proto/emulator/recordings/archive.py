"""Live streams become recordings: a thread for each stream encodes copies of its pictures.

The live stream never waits for it: a picture costs the loop one copy (about 0.2 ms), and when the thread is
behind, pictures are left out of the recording.
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

from .artifacts import ArtifactWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .storage import Storage

__all__ = ["Archive", "StreamRecorder"]

log = logging.getLogger("odyssey_proto.emulator.recordings")

_MOST_WAITING: Final = 8
"""Pictures that may wait, 1.4 MB each."""


class Archive:
    """The recordings that are being made. Runs on the loop's thread."""

    def __init__(self, storage: Storage, wall_time: Callable[[], float]) -> None:
        self._storage = storage
        self._wall_time = wall_time
        self._live: set[StreamRecorder] = set()

    def begin(self, stream_id: str, account: str, *, size: tuple[int, int], fps: int) -> StreamRecorder:
        """Record a stream that begins now."""
        folder = self._storage.begin_recording(stream_id, account, size=size, started_at=self._wall_time())
        recording = StreamRecorder(
            stream_id, folder, size=size, fps=fps, storage=self._storage, now=self._wall_time
        )
        self._live.add(recording)
        recording.finished.add_done_callback(lambda _: self._live.discard(recording))
        return recording

    async def close(self, within_s: float) -> None:
        """End all recordings and wait until they are written, for at most ``within_s`` s."""
        for recording in self._live:
            recording.end("session_ended")
        if self._live:
            await asyncio.wait([recording.finished for recording in self._live], timeout=within_s)


class StreamRecorder:
    """One stream being recorded, until `end`."""

    def __init__(
        self,
        stream_id: str,
        folder: Path,
        *,
        size: tuple[int, int],
        fps: int,
        storage: Storage,
        now: Callable[[], float],
    ) -> None:
        self._stream_id = stream_id
        self._writer = ArtifactWriter(folder, size=size, fps=fps)
        self._storage = storage
        self._wall_time = now
        self._began = time.monotonic()
        self._steps: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._left_out = 0
        self._ended_ms: int | None = None
        self._loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[None] = self._loop.create_future()
        """Done when the artifacts are there, or will never be."""
        self._thread = threading.Thread(target=self._run, name="odyssey-emulator-recording", daemon=True)
        self._thread.start()

    def take(self, picture: av.VideoFrame, at: float) -> None:
        """Record a copy of ``picture``, shown at the moment ``at`` (`time.monotonic`, in s)."""
        if self._ended_ms is not None:
            return
        if self._steps.qsize() >= _MOST_WAITING:
            self._left_out += 1
            return
        pixels = picture.to_ndarray()
        at_ms = max(0, round((at - self._began) * 1000))
        self._steps.put(lambda: self._writer.picture(av.VideoFrame.from_ndarray(pixels, "yuv420p"), at_ms))

    def note(self, kind: str, **fields: Any) -> None:
        """Log what happens now."""
        at_ms = self._now_ms()
        self._steps.put(lambda: self._writer.event(kind, at_ms, **fields))

    def end(self, reason: str) -> None:
        """End the recording; nothing happens the second time."""
        if self._ended_ms is None:
            self.note("end", reason=reason)
            self._ended_ms = self._now_ms()
            self._steps.put(None)

    def _now_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

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
            with contextlib.suppress(Exception):  # the storage itself may be what failed
                self._storage.drop_recording(self._stream_id)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                self._loop.call_soon_threadsafe(self._tell_finished)

    def _tell_finished(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)
