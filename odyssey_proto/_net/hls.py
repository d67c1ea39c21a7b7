"""Reading a broadcast over HLS: playlists and segments come over our own HTTP; PyAV parses and decodes them.

A segment arrives as a whole, and its frames are passed on at the pace of the video. Everything runs on one thread,
which `HlsReader.close` ends at once, whatever the network does. The reader does not reconnect. See
spec/behaviour.md#hls.
"""

from __future__ import annotations

import concurrent.futures
import io
import itertools
import logging
import re
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from .._base.clock import Deadline
from .._base.errors import (
    MalformedMessageError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    internal,
)
from .._base.limits import HLS_SEGMENT_MOST_BYTES, PICTURE_MOST_PX
from .._base.resources import start
from .hls_playlists import ADDRESS, MARK, Playlists, check_size, is_too_large
from .http_exchange import demanded_pause
from .signed_file import fetch
from .webrtc.picture_size import TOO_LARGE, coded_size, oversize
from .wrong_content import is_markup

if TYPE_CHECKING:
    from collections.abc import Callable

    import av

    from .._base.abort import Abort
    from .._base.clock import Clock
    from .http_exchange import HttpClient

__all__ = ["HlsReader", "check_address"]

log = logging.getLogger("odyssey_proto.hls")

_OPERATION: Final = "HLS"
_LONGEST_WITHOUT_FRAMES_S: Final = 30.0  # without a frame; after that the broadcast counts as lost
_SEGMENTS_MISSED: Final = 2  # target durations without a new segment; after that it counts as lost too
_TARGET: Final = re.compile(rb"#EXT-X-TARGETDURATION:\s*(\d{1,3})\b")
_BEFORE_MARK: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}(?=#EXTM3U)")
_LOOKED_AT: Final = 64 * 1024  # bytes at the start of a segment, which include the size of its pictures
_MOST_LAG_S: Final = 1.0  # behind the pace; after that the pace starts afresh
_GONE: Final = (404, 410)
_REMOVED: Final = (401, 403, *_GONE)  # of a segment: stores refuse files that they no longer have
_MOST_REMOVED_AT_FIRST: Final = 2  # segments; if more are missing, the stream itself is gone
_INSISTENCE: Final = 2  # target durations for which a failed request for a file is retried
_UNKNOWN_TARGET_S: Final = 1.0  # before the first playlist
_PAUSES_S: Final = (0.2, 0.6, 1.0)  # before each repetition; the last one before all later ones
# With the first two on, ffmpeg would treat our files as its own connections.
# The whitelist lets no decoder run before ours, which limits the size of pictures; so there is nothing to analyse.
_OPTIONS: Final = {"http_persistent": "0", "http_multiple": "0", "codec_whitelist": "none", "analyzeduration": "1"}
_READS_BROKEN_TEXT: Final = 19  # the first PyAV that reads metadata that is not UTF-8 by default


class HlsReader:
    """Reads one broadcast, from `open` to `close`.

    Args:
        url: the address of the playlist.
        http: for all requests.
        clock: for the pace.
        abort: ends all requests; `close` aborts it.
        on_frame: called with each frame and the time at which it is due (s of the clock), on the reader's thread.
        max_pixels: the largest width × height of a picture, in px.
        on_end: called at most once, on the same thread, with None at the end of the broadcast or the error that
            broke it; not before the first frame (`open` then raises), and not after `close`.

    Raises:
        OdysseyConfigError: the address is not an http or https address.
    """

    def __init__(
        self,
        url: str,
        *,
        http: HttpClient,
        clock: Clock,
        abort: Abort,
        on_frame: Callable[[av.VideoFrame, float], None],
        on_end: Callable[[OdysseyError | None], None],
        max_pixels: int = PICTURE_MOST_PX,
    ) -> None:
        check_address(url)
        self._url = url
        self._http = http
        self._clock = clock
        self._on_frame = on_frame
        self._on_end = on_end
        self._max_pixels = max_pixels
        self._abort = abort
        self._stop = threading.Event()
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._frame_at = clock.now()
        self._target_s: float | None = None  # the longest duration of a segment, according to the playlist
        self._newest: str | None = None  # the newest segment that a playlist named
        self._stale_since: float | None = None  # since when playlists have named no newer one
        self._playlists = Playlists(url, clock)
        self._variant_failure: OdysseyError | None = None
        self._has_segment = False
        self._removed_at_first = 0
        self._segment = b""  # the beginning of the last one, to identify its fault
        self._failure: OdysseyError | None = None
        self._thread = threading.Thread(target=self._run, name="odyssey-hls", daemon=True)

    def open(self, deadline: Deadline) -> None:
        """Start the thread, and wait for the first frame.

        Raises:
            OdysseyConnectionError: the stream does not exist, or cannot be reached or read.
            OdysseyConnectionTimeoutError: no frame came in time.
        """
        start(self._thread)
        if not any(concurrent.futures.wait((self._opened,), seconds).done for seconds in deadline.waits()):
            raise OdysseyConnectionTimeoutError(
                f"{_OPERATION}: no video within {deadline.timeout:.3g} s",
                code="timeout",
                operation=_OPERATION,
                recoverable=True,
            )
        self._opened.result()

    def close(self, timeout: float) -> None:
        """Stop reading; return when the thread has ended, or after ``timeout`` s."""
        self._stop.set()
        self._abort.abort()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout)
            if self._thread.is_alive():
                log.warning("the thread %s did not end within %.1f s", self._thread.name, timeout)

    # --- on the thread

    def _run(self) -> None:
        error: OdysseyError | None = None
        try:
            self._read()
        except OdysseyError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - it is raised in the waiting thread, not here
            error = internal(exc)
        if not self._opened.done():  # `open` is waiting, even if `close` came first
            self._opened.set_exception(
                error or OdysseyConnectionError(f"{_OPERATION}: the stream has ended", code="stream_not_found")
            )
        elif not self._stop.is_set():
            self._on_end(error)

    def _read(self) -> None:
        import av
        from av.error import FFmpegError

        malformed = "it is empty"
        try:
            with av.open(
                self._url, format="hls", io_open=self._open_file, options=_OPTIONS, **_leniency(av.__version__)
            ) as container:
                if not container.streams.video:
                    raise self._why_nothing() or OdysseyConnectionError(
                        f"{_OPERATION}: the stream has no video", code="no_video"
                    )
                video = container.streams.video[0].codec_context
                video.options = {"max_pixels": str(self._max_pixels)}
                video.thread_count = 1  # a forked child would lack the decoder's threads
                self._check_size(video.width, video.height)
                self._show(container)
                malformed = ""
        except FFmpegError as exc:
            malformed = type(exc).__name__
            if self._failure is None and (size := coded_size("h264", self._segment)) is not None:
                self._check_size(*size)
        if (failure := self._failure or (self._why_nothing() if malformed else None)) is not None:
            raise failure
        if malformed and not self._stop.is_set():
            # Raised outside the `except`, because ffmpeg's own words contain the address.
            raise MalformedMessageError(
                f"{_OPERATION}: the stream cannot be read ({malformed})", code="malformed", operation=_OPERATION
            )

    def _why_nothing(self) -> OdysseyError | None:
        """Return why ffmpeg found no stream, unless its input was the reason; None after the first frame."""
        return None if self._opened.done() else self._failure or self._variant_failure

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            text = f"{_OPERATION}: the server sends {oversize(width, height, self._max_pixels)}"
            raise OdysseyConnectionError(text, code=TOO_LARGE, operation=_OPERATION) from None

    def _show(self, container: Any) -> None:
        began: tuple[float, float] | None = None
        for frame in container.decode(video=0):
            now = self._clock.now()
            at = now if frame.time is None else float(frame.time)
            if began is None or not -_MOST_LAG_S < began[0] + at - began[1] - now < _LONGEST_WITHOUT_FRAMES_S:
                began = (now, at)
            due = began[0] + at - began[1]
            if due > now and self._stop.wait(due - now):
                return
            if self._stop.is_set():
                return
            self._frame_at = self._clock.now()
            self._on_frame(frame, self._frame_at)
            if not self._opened.done():
                self._opened.set_result(None)

    def _open_file(self, url: str, _flags: int, options: dict[str, str]) -> io.BytesIO:
        """Fetch the file that ffmpeg wants to read; after the first failure, return an empty one.

        It never raises: ffmpeg would try again by itself, and PyAV can hold only one exception.
        """
        if self._failure is None and not self._stop.is_set():
            try:
                body, answered = self._insist(url, options)
                body = _from_its_mark(body)
                if answered != url and body.startswith(MARK):
                    check_size(answered, body)
                    body = _anchored(body, answered)
                if body.startswith(MARK):
                    self._playlists.take(url, body)
                elif body:
                    self._has_segment = True
                    self._segment = bytes(body[:_LOOKED_AT])
                self._look_for_news(body)
                return io.BytesIO(body)
            except OdysseyError as error:
                if self._playlists.has_others(url) and not self._opened.done():
                    log.info("left out: %s", error)  # ffmpeg continues with the others
                    self._variant_failure = error
                else:
                    self._failure = error
        return io.BytesIO()

    def _look_for_news(self, body: bytes | bytearray) -> None:
        """Check a playlist for new segments; raise an error if there have been none for too long."""
        if not body.startswith(MARK) or b"#EXT-X-ENDLIST" in body:
            return
        if (target := _TARGET.search(body)) is not None:
            self._target_s = max(1.0, float(target[1]))
        named = [line for line in body.decode("utf-8", "replace").splitlines() if line and line[0] != "#"]
        newest = named[-1] if named else None
        now = self._clock.now()
        if newest != self._newest:
            self._newest, self._stale_since = newest, None
        elif self._stale_since is None:
            self._stale_since = now
        elif now - self._stale_since >= self._patience_s():
            raise self._lost()

    def _patience_s(self) -> float:
        """Return how long the stream may be silent, in s: two segments, once their duration is known."""
        if self._target_s is None or not self._opened.done():
            return _LONGEST_WITHOUT_FRAMES_S
        return min(_LONGEST_WITHOUT_FRAMES_S, _SEGMENTS_MISSED * self._target_s)

    def _lost(self) -> OdysseyConnectionError:
        return OdysseyConnectionError(
            f"{_OPERATION}: no new video for {self._patience_s():g} s",
            code="peer_lost",
            operation=_OPERATION,
            recoverable=True,
        )

    def _insist(self, url: str, options: dict[str, str]) -> tuple[bytes | bytearray, str]:
        """Return the file, and the address that gave it; for a while, repeat a request that fails temporarily."""
        self._check(url)
        self._stop.wait(self._playlists.wait_s(url))
        deadline = Deadline(_INSISTENCE * (self._target_s or _UNKNOWN_TARGET_S), self._clock)
        pauses = itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1]))
        while True:
            try:
                return self._fetch(url, options)
            except OdysseyError as error:
                pause = demanded_pause(error, next(pauses)) if error.recoverable else None
                if pause is None or not self._http.pause(pause, deadline, self._abort):
                    raise
                log.info("asking again: %s", error)

    def _check(self, url: str) -> None:
        if not _is_web(url):
            raise MalformedMessageError(
                f"{_OPERATION}: the playlist names an encrypted file, or an address that is not http or https",
                code="malformed",
                operation=_OPERATION,
            )
        if self._clock.now() - self._frame_at > _LONGEST_WITHOUT_FRAMES_S:
            raise OdysseyConnectionError(
                f"{_OPERATION}: no video for {_LONGEST_WITHOUT_FRAMES_S:g} s",
                code="peer_lost",
                operation=_OPERATION,
                recoverable=True,
            )

    def _fetch(self, url: str, options: dict[str, str]) -> tuple[bytes | bytearray, str]:
        start, stop = int(options.get("offset", 0)), int(options.get("end_offset", 0))
        headers = {"Range": f"bytes={start}-{stop - 1 if stop else ''}"} if start or stop else {}
        body = bytearray()
        try:
            silence = Deadline(self._patience_s(), self._clock)
            with fetch(self._http, url, headers, silence, self._abort, operation=_OPERATION) as fetched:
                for piece in fetched.pieces:
                    body += piece
                    if is_too_large(body, HLS_SEGMENT_MOST_BYTES):
                        raise MalformedMessageError(
                            f"{_OPERATION}: a file is larger than {len(body) >> 20} MiB",
                            code="too_large",
                            operation=_OPERATION,
                        )
        except OdysseyError as error:
            if not self._is_playlist(url) and self._is_removed(error):
                log.info("a segment was removed before it could be fetched")
                return b"", url
            if error.status in _GONE:
                raise OdysseyConnectionError(
                    f"{_OPERATION}: no such stream: it has ended, or the address is wrong",
                    code="stream_not_found",
                    status=error.status,
                    operation=_OPERATION,
                ) from error
            raise
        if is_markup(body) or (not body and self._is_playlist(url)):
            what = "HTML or XML" if body else "nothing"
            raise MalformedMessageError(
                f"{_OPERATION}: {what} came in place of a playlist or of video",
                code="wrong_content",
                operation=_OPERATION,
                recoverable=True,
            )
        wanted = body[start : stop or None] if headers and fetched.status == 200 else body
        return wanted, fetched.url

    def _is_playlist(self, url: str) -> bool:
        return url in self._playlists or urlsplit(url).path.endswith(".m3u8")

    def _is_removed(self, error: OdysseyError) -> bool:
        """Return whether a refused segment is one that the server no longer has."""
        if self._has_segment:
            return error.status in _REMOVED
        self._removed_at_first += error.status in _GONE  # the oldest ones, while the reader was joining
        return error.status in _GONE and self._removed_at_first <= _MOST_REMOVED_AT_FIRST


def check_address(url: str) -> None:
    """Raise `OdysseyConfigError` unless ``url`` is an http or https address."""
    if not _is_web(url):
        raise OdysseyConfigError("hls_url must be like https://live.example.org/stream/index.m3u8")


def _from_its_mark(body: bytes | bytearray) -> bytes | bytearray:
    """Return a playlist from its mark on, which ffmpeg expects at the start; return anything else unchanged.

    >>> _from_its_mark(b"\\xef\\xbb\\xbf\\n#EXTM3U"), _from_its_mark(b"\\n#")
    (b'#EXTM3U', b'\\n#')
    """
    start = _BEFORE_MARK.match(body)
    return body if start is None else body[start.end() :]


def _anchored(body: bytes | bytearray, url: str) -> bytes | bytearray:
    """Make the addresses in a playlist that was fetched from ``url`` absolute; return anything else unchanged.

    ffmpeg does not learn of redirects, and would take relative addresses as relative to the original address.
    """
    if not body.startswith(MARK):
        return body

    def absolute(address: bytes) -> bytes:
        try:
            return urljoin(url, address.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        except ValueError:
            return address  # refused when it is fetched

    lines = []
    for line in bytes(body).splitlines():
        if line.startswith(b"#"):
            lines.append(ADDRESS.sub(lambda found: b'URI="' + absolute(found[1]) + b'"', line))
        else:
            lines.append(absolute(line.strip()) if line.strip() else b"")
    return b"\n".join(lines) + b"\n"


def _leniency(version: str) -> dict[str, Any]:
    """Return the arguments that make this version of PyAV accept metadata that is not UTF-8.

    Broken characters must not end a broadcast. PyAV 19 no longer has the argument and refuses it; the signature of
    `av.open` cannot be inspected.
    """
    return {} if int(version.partition(".")[0]) >= _READS_BROKEN_TEXT else {"metadata_errors": "replace"}


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
