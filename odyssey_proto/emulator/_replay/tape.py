"""A live cassette as a plan: the actions of the service, and the client's requests that they waited for.

The cassette is read once, without its frames, which are read from the file when they are needed. This module sends
nothing.
"""

from __future__ import annotations

import bisect
import collections
import itertools
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from ..._base.errors import CassetteError, MalformedMessageError, OdysseyConfigError
from ..._model import cassette, codec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Closed", "Cue", "Item", "Picture", "Request", "Said", "Tape", "TapedCall", "parsed"]

Request = Literal["start", "update", "end"]

_REQUESTS: Final[dict[str, Request]] = {
    "interactive_stream_start": "start",
    "update": "update",
    "interactive_stream_end": "end",
}
_ANSWERS: Final[dict[Request, tuple[str, ...]]] = {
    "start": ("stream_started", "interactive_stream_error"),
    "update": ("update_acknowledged", "interactive_stream_error"),
    "end": ("stream_ended",),
}
_HEADERS: Final = ("content-type", "retry-after")
_OF_THE_CONNECTION: Final = ("offer", "ice_candidate")
_DECODERS: Final = ("h264", "vp8")
_FARTHEST: Final = 2**53


@attrs.frozen(eq=False)
class Cue:
    """The client sent a request."""

    at_ms: float
    request: Request
    broadcast: bool = False
    """Whether it is the start of a broadcast."""


@attrs.define(eq=False)
class Said:
    """The service sent a message."""

    at_ms: float
    type: str
    text: str
    by_signaling: bool
    answers: Cue | None = None
    """The request that it answers; None if it answers none."""


@attrs.frozen(eq=False)
class Picture:
    """The service sent a picture."""

    at_ms: float
    number: int
    codec: str
    """``h264`` or ``vp8``."""
    timestamp: int
    """Its time by the service's clock, in 1/90,000 s."""
    is_key: bool
    record: cassette.CassetteRecord


@attrs.frozen(eq=False)
class Closed:
    """The service closed the WebSocket, or lost it."""

    at_ms: float
    code: int | None


@attrs.frozen(kw_only=True)
class TapedCall:
    """A REST call, and its answer."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    status: int
    headers: tuple[tuple[str, str], ...]
    answer: str
    """Its body; empty if it is not known."""


Item = Cue | Said | Picture | Closed


class Tape:
    """An open cassette. Any thread may call.

    Raises:
        OdysseyConfigError: the file cannot be read.
        CassetteError: it is not a cassette, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._file = path.open("rb")
        except OSError as exc:
            raise OdysseyConfigError(f"replay {str(path)!r} cannot be read: {exc.strerror}") from exc
        try:
            records, self.is_whole = cassette.index(self._file)
            self.items: tuple[Item, ...] = tuple(self._plan(records))
            self.calls: tuple[TapedCall, ...] = tuple(
                self._call(record) for record in records if record.kind == "call"
            )
        except CassetteError as exc:
            self._file.close()
            raise CassetteError(f"replay {str(path)!r}: {exc.message}", code=exc.code) from None
        except BaseException:
            self._file.close()
            raise
        _pair(self.items)
        self._cues = [(place, item) for place, item in enumerate(self.items) if isinstance(item, Cue)]

    def cues_from(self, place: int) -> Iterator[tuple[int, Cue]]:
        """Yield the requests from ``place`` on, each with its place."""
        for number in range(bisect.bisect_left(self._cues, place, key=lambda found: found[0]), len(self._cues)):
            yield self._cues[number]

    def said_from(self, place: int) -> Iterator[Said]:
        """Yield the service's messages from ``place`` on."""
        return (item for item in itertools.islice(self.items, place, None) if isinstance(item, Said))

    @property
    def takes_images(self) -> bool:
        """Whether the streamer could start from images; True if that is not known."""
        granted = (parsed(call.answer) for call in self.calls if call.path == "/sessions/request")
        capabilities = next((answer["capabilities"] for answer in granted if "capabilities" in answer), None)
        return not isinstance(capabilities, dict) or capabilities.get("image_to_video") is not False

    @property
    def codec(self) -> str:
        """The codec of its first picture: ``h264`` or ``vp8``; ``h264`` if there is none."""
        return next((item.codec for item in self.items if isinstance(item, Picture)), "h264")

    def data(self, picture: Picture) -> bytes:
        """Return the encoded data of a picture."""
        return self._payload(picture.record)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _payload(self, record: cassette.CassetteRecord) -> bytes:
        with self._lock:
            return record.payload(self._file)

    def _plan(self, records: list[cassette.CassetteRecord]) -> list[Item]:
        items: list[Item] = []
        pictures = 0
        for record in records:
            if record.kind == "message":
                items.extend(self._message(record))
            elif record.kind == "frame":
                items.append(_picture(record, pictures))
                pictures += 1
            elif record.kind == "closed":
                code = record.head.get("code")
                items.append(Closed(record.at_ms, code if isinstance(code, int) else None))
        return items

    def _message(self, record: cassette.CassetteRecord) -> list[Item]:
        place, sender = record.head.get("place"), record.head.get("from")
        text = self._payload(record).decode(errors="replace")
        data = parsed(text)
        kind = data.get("type")
        if sender == "client":
            request = _REQUESTS.get(kind) if isinstance(kind, str) else None
            broadcast = request == "start" and data.get("broadcast") is True
            return [] if request is None else [Cue(record.at_ms, request, broadcast)]
        if place == "signaling" and kind in _OF_THE_CONNECTION:
            return []
        return [Said(record.at_ms, kind if isinstance(kind, str) else "", text, place == "signaling")]

    def _call(self, record: cassette.CassetteRecord) -> TapedCall:
        head = record.head
        method, path, status = head.get("method"), head.get("path"), head.get("status")
        if not (isinstance(method, str) and isinstance(path, str) and isinstance(status, int)):
            raise _damaged("a call lacks its method, its path or its status")
        if not 100 <= status <= 599:
            raise _damaged("the status of a call is impossible")
        answer = parsed(self._payload(record).decode(errors="replace")).get("answer")
        return TapedCall(
            method=method,
            path=path,
            query=_pairs(head.get("query")),
            status=status,
            headers=tuple(pair for pair in _pairs(head.get("headers")) if pair[0] in _HEADERS),
            answer=answer if isinstance(answer, str) else "",
        )


def _picture(record: cassette.CassetteRecord, number: int) -> Picture:
    codec, timestamp = record.head.get("codec"), record.head.get("timestamp")
    if codec not in _DECODERS or not isinstance(timestamp, int) or abs(timestamp) >= _FARTHEST:
        raise _damaged("a frame lacks its codec or its timestamp")
    return Picture(record.at_ms, number, codec, timestamp, record.head.get("key") is True, record)


def _pair(items: tuple[Item, ...]) -> None:
    """Find the answer to each request: the first message that can answer it, and answers no earlier request."""
    waiting: dict[Request, collections.deque[tuple[int, Cue]]] = {
        request: collections.deque() for request in _ANSWERS
    }
    for place, item in enumerate(items):
        if isinstance(item, Cue):
            waiting[item.request].append((place, item))
        elif isinstance(item, Said) and not item.by_signaling:
            fitting = [waiting[request] for request in _ANSWERS if item.type in _ANSWERS[request]]
            if fitting := [cues for cues in fitting if cues]:
                item.answers = min(fitting, key=lambda cues: cues[0][0]).popleft()[1]


def parsed(text: str) -> dict[str, Any]:
    """Return the object in the JSON ``text``; an empty one if there is none."""
    try:
        data = codec.parsed(text)
    except MalformedMessageError:
        return {}
    return data if isinstance(data, dict) else {}


def _pairs(data: Any) -> tuple[tuple[str, str], ...]:
    items = data.items() if isinstance(data, dict) else ()
    return tuple(sorted((str(name), text) for name, text in items if isinstance(text, str) and text.isprintable()))


def _damaged(why: str) -> CassetteError:
    return CassetteError(f"The cassette is damaged: {why}", code="damaged")
