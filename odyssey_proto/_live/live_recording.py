"""Records a live session to an MP4 file: a thread that writes, and its queue.

It receives the frames that the session's hub publishes and delays no other receiver: the queue is bounded in
frames and in bytes, and frames that do not fit are dropped and counted. `odyssey_proto._video.mp4` writes the file
format.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self, cast

from .._base import arguments, errands, errors
from .._base.clock import Deadline, MonotonicClock
from .._base.forks import Lock
from .._base.public_path import publish
from .._base.weak_set import ConcurrentWeakSet
from .._video.frame import VideoFrame
from .._video.frame_hub import FrameHub
from .._video.frame_queue import FrameCounts
from .._video.mp4 import Mp4Writer
from .file_keys import file_key

__all__ = ["LiveRecording", "join_all"]

log = logging.getLogger("odyssey_proto.live")

QUEUE_SIZE: Final = 100
"""The largest number of frames that wait for the encoder: 5 s of the stream."""
RECORDING_QUEUE_BYTES: Final = 136_000_000
"""The most memory for these frames, in bytes: 100 of 1280×704 px. One frame may always wait."""

# Other containers, pictures and sound. Any other ending is part of a name: "cat.v2", "cat.mp4.part".
_OTHER_KINDS: Final = (
    ".264", ".265", ".3g2", ".3gp", ".aac", ".apng", ".asf", ".avi", ".avif", ".bmp", ".flac", ".flv", ".gif",
    ".h264", ".h265", ".heic", ".hevc", ".ivf", ".jpeg", ".jpg", ".m2ts", ".m3u8", ".m4a", ".mjpeg", ".mkv",
    ".mov", ".mp3",
    ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogg", ".ogv", ".opus", ".png", ".svg", ".tif", ".tiff", ".ts",
    ".vob", ".wav", ".webm", ".webp", ".wmv", ".y4m", ".yuv",
)  # fmt: skip


class LiveRecording:
    """A recording in progress, created by `Session.record`. Use it in a ``with``, or call `close`.

    All methods may be called from any thread.
    """

    def __init__(self, path: str | os.PathLike[str], hub: FrameHub) -> None:
        # Absolute: a change of the working directory does not matter, and FFmpeg cannot take it for a URL.
        self._path = arguments.path("path", path).absolute()
        _refuse_other_kinds(self._path)
        self._pid = os.getpid()
        # Two recordings of one file would corrupt it. A forked child has no recordings yet.
        self._place = self._pid, file_key(_resolved(self._path))
        if _writing.setdefault(self._place, self) is not self:
            raise errors.OdysseyConfigError(f"Another recording is writing {self._path.name}", code="busy")
        try:
            _try_to_write(self._path)
        except BaseException:
            del _writing[self._place]
            raise
        self._recorder = Mp4Writer(self._path)
        self._queue = _FramesToWrite(hub, self._path.name)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="odyssey-recording", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as exc:  # the system is out of threads
            _writing.pop(self._place, None)
            raise errors.no_resources(exc) from exc
        _started.add(self)
        hub.attach(self._queue, self._queue.counts, wants_all=True)

    @property
    def path(self) -> Path:
        """The absolute path of the file, which does not exist before the first frame."""
        return self._path

    @property
    def frames(self) -> int:
        """Number of frames written so far."""
        return self._recorder.frames

    @property
    def dropped(self) -> int:
        """Number of frames missing from the file because encoding was more than 5 s, or 136 MB, behind."""
        return self._queue.counts.dropped

    @property
    def is_recording(self) -> bool:
        """Whether the recording still accepts frames."""
        return not self._queue.finished

    def close(self) -> None:
        """Accept no more frames, and wait until all accepted ones are in the file. May be called again.

        Raises:
            OSError: the file could not be written completely; the part written before can be played.
        """
        if (failure := self._finish()) is not None:
            raise errors.again(failure)

    def _finish(self) -> BaseException | None:
        """Do what `close` does, but return the error instead of raising it; None if there is none."""
        # It was never made: `__init__` raised; or its file is finished, as all are before the interpreter ends.
        if not hasattr(self, "_thread") or errands.is_too_late():
            return None
        return self._finish_now()

    @errands.undisturbed
    def _finish_now(self) -> BaseException | None:
        self._queue.finish()
        self._join(Deadline(None, MonotonicClock()))
        return self._error

    def _join(self, deadline: Deadline) -> None:
        """Wait for the thread, which ends after `close` or the end of the session, at most until ``deadline``."""
        if os.getpid() != self._pid:
            return  # the thread, and the file, are the parent's
        for seconds in errands.turns(deadline):
            self._thread.join(seconds)
            if not self._thread.is_alive():
                return

    def __reduce__(self) -> NoReturn:
        raise TypeError("A LiveRecording cannot be pickled or copied: close it, and pass its path")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._finish()
        if failure is None:
            return
        if error is None:
            raise errors.again(failure)
        error.add_note(f"The recording failed as well: {failure}")  # must not hide the first error

    def __repr__(self) -> str:
        return f"<LiveRecording {self._path.name}: {self.frames} frames>"

    # --- the thread

    def _run(self) -> None:
        error: Exception | None = None
        for step in (self._write_all, self._recorder.close):
            try:
                step()
            except Exception as exc:  # noqa: BLE001 - `close` raises it
                error = error or exc
        _writing.pop(self._place, None)
        self._queue.give_up()
        if error is not None:
            self._error = self._as_raised(error)
            log.error("the recording %s failed after %d frames: %s", self._path.name, self.frames, self._error)

    def _write_all(self) -> None:
        before: VideoFrame | None = None
        shift_ms = at_ms = 0
        while (item := self._queue.get()) is not None:
            frame, begins = item
            if begins and before is not None:
                # The arrival of the frames is the best measure of the pause between two streams.
                away_ms = round((frame.received_at - before.received_at) * 1000)
                shift_ms = at_ms + away_ms - frame.timestamp_ms
            at_ms = frame.timestamp_ms + shift_ms
            self._recorder.write(frame, at_ms)
            before = frame
            del item, frame

    def _as_raised(self, error: Exception) -> Exception:
        if isinstance(error, errors.OdysseyError):
            return error
        if isinstance(error, OSError):
            # A plain OSError: PyAV's subclass can neither be copied nor pickled.
            return OSError(error.errno, error.strerror, str(self._path))
        return errors.internal(error)


class _FramesToWrite:
    """The queue of frames to write, each with a flag that says whether it begins another stream."""

    def __init__(self, hub: FrameHub, name: str) -> None:
        self.counts = FrameCounts()
        self.finished = False
        """Whether the queue accepts no more frames."""
        self._hub = hub
        self._name = name
        self._changed = threading.Condition(cast("threading.Lock", Lock()))
        self._frames: deque[tuple[VideoFrame, bool]] = deque()
        self._bytes = 0  # of those that wait
        self._begins = False
        self._warned = False  # about missed frames

    def put(self, frame: VideoFrame) -> None:
        """`FrameReceiver`: queue this frame, or drop it if the queue is full."""
        with self._changed:
            if self.finished:
                return
            self.counts.received += 1
            size = frame._picture.nbytes
            if self._frames and (len(self._frames) >= QUEUE_SIZE or self._bytes + size > RECORDING_QUEUE_BYTES):
                self.counts.dropped += 1
                return
            self._bytes += size
            self._frames.append((VideoFrame._of(frame._picture.unconverted()), self._begins))
            self._begins = False
            self._changed.notify()

    def close(self, _: BaseException | None) -> None:
        """`FrameReceiver`: the stream has ended. Another may follow, unless the session has ended too."""
        with self._changed:
            self._begins = True
        if self._hub.closed:
            self.finish()

    def finish(self) -> None:
        """Accept no more frames."""
        with self._changed:
            self.finished = True
            self._changed.notify()

    def give_up(self) -> None:
        """Accept no more frames, and discard those waiting."""
        with self._changed:
            self.finished = True
            self._frames.clear()
            self._bytes = 0

    def get(self) -> tuple[VideoFrame, bool] | None:
        """Wait for the next frame, and return it with its flag; None after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self.finished)
            if not self._frames:
                return None
            self.counts.delivered += 1
            item, misses = self._frames.popleft(), self.counts.dropped
            self._bytes -= item[0]._picture.nbytes
        # Logged here, not where frames are dropped: that is the decoder's thread, under its locks.
        if misses and not self._warned:
            self._warned = True
            log.warning("the recording %s misses frames: encoding is too slow", self._name)
        return item


_writing: dict[tuple[int, Path], LiveRecording] = {}  # by process and path
_started: ConcurrentWeakSet[LiveRecording] = ConcurrentWeakSet()  # each thread keeps its recording alive


def join_all(deadline: Deadline) -> None:
    """Finish all recordings before the process ends, at the latest by ``deadline``; the sessions have ended."""
    for recording in tuple(_started):
        recording._queue.finish()
        recording._join(deadline)


def _refuse_other_kinds(path: Path) -> None:
    """Raise if the name promises another format."""
    if path.suffix.lower() in _OTHER_KINDS:
        raise errors.OdysseyConfigError(
            f"Recordings are MP4 files, and {path.name} promises another kind: let the name end in .mp4",
            code="invalid_argument",
        )


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as exc:  # Python before 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from exc
    except ValueError as exc:
        raise errors.OdysseyConfigError("path is not a valid path", code="invalid_argument") from exc


def _try_to_write(path: Path) -> None:
    """Raise the `OSError` that writing would raise; leave an existing file unchanged, and create none."""
    existed = os.path.lexists(path)
    if path.is_fifo():  # opening it would wait for a reader, and an MP4 is not written from front to back
        raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE), str(path))
    with path.open("ab"):
        pass
    if not existed:
        path.unlink()


publish("odyssey_proto", LiveRecording)
