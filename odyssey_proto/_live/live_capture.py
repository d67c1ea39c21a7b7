"""Writes a live session to a cassette: a thread and its queue. `odyssey_proto._model.cassette` has the format.

What travels is seen on the threads that send and receive it, and only queued there; secrets are taken out on the
thread that writes. Each record is written at once, so a program that is killed leaves a cassette that can be read.
"""

from __future__ import annotations

import datetime
import errno
import json
import logging
import os
import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from .._base import arguments, errands, errors
from .._base.clock import Clock, Deadline, MonotonicClock
from .._base.forks import Lock
from .._base.limits import CASSETTE_RECORDS_MOST
from .._base.public_path import publish
from .._model import cassette
from .._model.cassette_secrets import Scrubber
from .._model.traffic import Message
from .._net.tap import Tap
from .._version import __version__
from .beginning import Beginning
from .file_keys import file_key

if TYPE_CHECKING:
    from .._model.traffic import Exchange, Seen

__all__ = ["CaptureWriting", "LiveCapture"]

log = logging.getLogger("odyssey_proto.live")

CAPTURE_QUEUE_BYTES: Final = 64 * 1024 * 1024
"""The most memory for records that wait to be written, in bytes: four minutes of video."""
_ENTRY_BYTES: Final = 256  # what an entry of the queue takes besides its data
_TEXT_COUNTS: Final = 4  # times its size: it is parsed before it is written, which takes memory and time
_OTHER_RECORDS: Final = 2  # the first and the last
_BEARER: Final = "authorization"
_CODECS: Final = {"video/h264": "h264", "video/vp8": "vp8"}


class LiveCapture:
    """A capture in progress, created by `Session.capture`. Use it in a ``with``, or call `close`.

    All methods may be called from any thread.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        beginning: Beginning,
        tap: Tap,
        calls: Tap,
        clock: Clock,
        *,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._writing = CaptureWriting(path, beginning, tap, calls, clock, secrets=secrets)

    @property
    def path(self) -> Path:
        """The absolute path of the file."""
        return self._writing.path

    @property
    def frames(self) -> int:
        """Number of frames written so far."""
        return self._writing.frames

    @property
    def dropped(self) -> int:
        """Number of frames missing from the file, because it could not be written as fast as they came."""
        return self._writing.dropped

    @property
    def is_capturing(self) -> bool:
        """Whether the capture still takes in data."""
        return not self._writing.finished

    def close(self) -> None:
        """Stop capturing, and wait until all captured data is in the file. May be called again.

        Raises:
            OSError: the file could not be written completely: the disk is full, messages came faster than they
                could be written, or there is no room for more records. The part written before can be replayed.
        """
        # Either `__init__` raised, or the file is finished, as all files are before the interpreter ends.
        if not hasattr(self, "_writing") or errands.is_too_late():
            return
        self._close()

    @errands.undisturbed
    def _close(self) -> None:
        if self._writing.is_of_another_process:  # the thread, and the file, are the parent's
            return
        self._writing.finish()
        self._writing._join(Deadline(None, MonotonicClock()))
        if self._writing.error is not None:
            raise errors.again(self._writing.error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except (OSError, errors.OdysseyError) as failure:
            if error is None:
                raise
            error.add_note(f"The capture failed as well: {failure}")  # must not hide the first error

    def __reduce__(self) -> NoReturn:
        raise TypeError("A LiveCapture cannot be pickled or copied: it belongs to this process")

    def __repr__(self) -> str:
        return f"<LiveCapture {self.path.name}, {self.frames} frames>"


class CaptureWriting:
    """The writing of one cassette, from its beginning to its last record. It sees what travels (`TapWatcher`)."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        beginning: Beginning,
        tap: Tap,
        calls: Tap,
        clock: Clock,
        *,
        secrets: tuple[str, ...] = (),
    ) -> None:
        try:
            self.path = arguments.path("path", path).absolute()
            self._place = os.getpid(), file_key(self.path.resolve())
            if self.path.is_fifo():  # opening it would wait for a reader
                raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE), str(path))
            if _writing.setdefault(self._place, self) is not self:
                raise errors.OdysseyConfigError(f"Another capture is writing {self.path.name}", code="busy")
            try:
                self._file = self.path.open("wb", buffering=0)
            except BaseException:
                del _writing[self._place]
                raise
        except (ValueError, RuntimeError) as exc:  # RuntimeError: a circle of links, before Python 3.13
            if isinstance(exc, errors.OdysseyError):
                raise
            raise errors.OdysseyConfigError("path is not a valid path", code="invalid_argument") from exc
        self._beginning = beginning
        self._tap = tap
        self._calls = calls
        self._clock = clock
        self._scrubber = Scrubber(*secrets)
        self._queue: queue.SimpleQueue[tuple[float, Any, int] | None] = queue.SimpleQueue()
        self._lock = Lock()
        self._waiting = 0  # bytes
        self._records = 0
        self.frames = self.dropped = 0
        self._needs_keyframe, self._has_begun = True, False
        self.finished = False
        self.error: Exception | None = None
        self._began_at = clock.now()
        try:
            made_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            self._write(cassette.BEGINNING)
            self._write(
                cassette.encode(
                    {
                        "kind": "cassette",
                        "at_ms": 0,
                        "made_at": made_at,
                        "made_by": f"odyssey-proto/{__version__}",
                    }
                )
            )
            self._thread = threading.Thread(target=self._run, name="odyssey-capture", daemon=True)
            self._thread.start()
        except BaseException as exc:
            self._close_file()
            if isinstance(exc, RuntimeError):  # the system is out of threads
                raise errors.no_resources(exc) from exc
            raise
        beginning.follow(self.saw)
        calls.add(self.saw)
        tap.add_for_media(self)

    @property
    def is_of_another_process(self) -> bool:
        """Whether this is the child of a fork."""
        return os.getpid() != self._place[0]

    def finish(self, error: Exception | None = None) -> None:
        """Write only the data seen so far, because of ``error`` if there was one."""
        with self._lock:
            self.error = error or self.error  # even one that comes while the last records are written
            if self.finished:
                return
            self.finished = True
        self._tap.remove_for_media(self)
        self._calls.remove(self.saw)
        self._beginning.leave(self.saw)
        self._queue.put(None)

    def _join(self, deadline: Deadline) -> None:
        """Wait for the thread, which ends after `close` or the end of the session, at most until ``deadline``."""
        if self.is_of_another_process or threading.current_thread() is self._thread:
            return
        for seconds in errands.turns(deadline):
            self._thread.join(seconds)
            if not self._thread.is_alive():
                return

    # --- what travels (`TapWatcher`), on the threads that send and receive it

    def saw(self, seen: Seen) -> None:
        """See a call or a message."""
        size = _size(seen)
        with self._lock:
            is_too_much = self._waiting > 0 and self._waiting + size > CAPTURE_QUEUE_BYTES
        if is_too_much:  # without ``seen``, the cassette would show another session
            self.finish(OSError(errno.ENOBUFS, "messages came faster than they could be written", str(self.path)))
        else:
            self._put(seen, size)

    def saw_frame(self, codec: str, data: bytes, timestamp: int, *, is_keyframe: bool) -> None:
        """See a frame. The first one, and the first after one that did not fit, must be a keyframe."""
        name = _CODECS.get(codec.lower())
        if name is None or not data:
            return
        with self._lock:
            full = self._waiting + len(data) + _ENTRY_BYTES > CAPTURE_QUEUE_BYTES
            self._needs_keyframe = full or (self._needs_keyframe and not is_keyframe)
            if self._needs_keyframe:
                self.dropped += self._has_begun
                return
            self._has_begun = True
        self._put((name, data, timestamp, is_keyframe), len(data) + _ENTRY_BYTES)

    def saw_close(self, code: int | None) -> None:
        """See the end of the WebSocket."""
        self._put({"kind": "closed", "code": code}, _ENTRY_BYTES)

    def saw_end(self) -> None:
        """See the end of the session."""
        self.finish()

    def _put(self, item: Any, size: int) -> None:
        at_ms = (self._clock.now() - self._began_at) * 1000
        with self._lock:
            if self.finished:
                return
            self._waiting += size
            self._queue.put((at_ms, item, size))

    # --- the thread

    def _run(self) -> None:
        try:
            at_ms = 0.0
            while (item := self._queue.get()) is not None:
                at_ms = max(at_ms, round(item[0], 1))
                if self._records + _OTHER_RECORDS < CASSETTE_RECORDS_MOST:
                    self._record(at_ms, item[1])
                else:  # a cassette with more records could not be read
                    self.finish(OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(self.path)))
                with self._lock:
                    self._waiting -= item[2]
            at_ms = max(at_ms, round((self._clock.now() - self._began_at) * 1000, 1))
            self._write(cassette.encode({"kind": "end", "at_ms": at_ms, "dropped": self.dropped}))
        except Exception as exc:  # noqa: BLE001  # `close` raises it
            error = exc if isinstance(exc, OSError) else errors.internal(exc)
            log.warning("the capture %s cannot be written: %s", self.path.name, error)
            self.finish(error)
        finally:
            self._close_file()

    def _close_file(self) -> None:
        self._file.close()
        _writing.pop(self._place, None)

    def _record(self, at_ms: float, item: Any) -> None:
        try:
            self._write_record(at_ms, item)
        except cassette.TooLargeError:
            log.warning("the capture %s lacks a record that is too large", self.path.name)
        else:
            self._records += 1

    def _write_record(self, at_ms: float, item: Any) -> None:
        match item:
            case (codec, data, timestamp, is_keyframe):
                head = {
                    "kind": "frame",
                    "at_ms": at_ms,
                    "codec": codec,
                    "timestamp": timestamp,
                    "key": is_keyframe,
                }
                self._write(cassette.encode(head, data))
                self.frames += 1
            case dict():
                self._write(cassette.encode({"at_ms": at_ms, **item}))
            case Message():
                sender = "client" if item.from_client else "service"
                head = {"kind": "message", "at_ms": at_ms, "place": item.place, "from": sender}
                self._write(cassette.encode(head, self._scrubber.text(item.text)))
            case _:
                self._write(self._call(at_ms, item))

    def _call(self, at_ms: float, seen: Exchange) -> bytes:
        if token := next((text for name, text in seen.request_headers.items() if name.lower() == _BEARER), ""):
            self._scrubber.remember(token.rpartition(" ")[2])  # an answer may quote it
        bodies = {
            name: self._scrubber.text(body).decode(errors="replace") if body else None
            for name, body in (("request", seen.request_body), ("answer", seen.body))
        }
        head = {
            "kind": "call",
            "at_ms": at_ms,
            "method": seen.method,
            "route": seen.route,
            "path": self._scrubber.path(seen.path),
            "query": self._scrubber.query(seen.query),
            "status": seen.status,
            "headers": self._scrubber.headers(seen.headers),
        }
        return cassette.encode(head, json.dumps(bodies, ensure_ascii=False).encode(errors="replace"))

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:  # without a buffer, a write may be partial
            left = left[self._file.write(left) :]


def _size(seen: Seen) -> int:
    texts = [seen.text] if isinstance(seen, Message) else [seen.request_body or b"", seen.body or b""]
    return _TEXT_COUNTS * sum(map(len, texts)) + _ENTRY_BYTES


_writing: dict[tuple[int, Path], CaptureWriting] = {}  # by process and path: two captures would corrupt the file


publish("odyssey_proto", LiveCapture)
