"""The download of one artifact: requests for the missing part, until the file is complete.

See spec/behaviour.md#downloads. Bytes are written as they arrive and requested only once: if the process ends for
any reason, a later one continues from there. New content is checked before any existing bytes are discarded.
`odyssey_proto._rest.part_file` has the file itself, `odyssey_proto._net.signed_file` makes the requests.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from .._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyError
from .._base.limits import FILE_MOST_BYTES
from .._net.http_exchange import demanded_pause
from .._net.signed_file import fetch
from .._net.wrong_content import LOOKED_AT, is_markup, is_text
from .part_file import PartFile, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .._net.http_exchange import HttpClient
    from .._net.signed_file import Fetched

__all__ = ["Addresses", "ArtifactFile"]

log = logging.getLogger("odyssey_proto.http")

_ATTEMPTS: Final = 5  # consecutive attempts without a single byte
_ADDRESSES: Final = 2  # consecutive addresses that are refused
_BEFORE_ATTEMPTS_S: Final = (0.2, 0.5, 1.0, 2.0)  # before each attempt but the first
_EXPIRED: Final = frozenset({400, 401, 403, 410})  # the statuses that stores return for an expired address
_WRONG_CONTENT: Final = "wrong_content"  # the error code if something other than the file came
_NO_SUCH_RANGE: Final = 416
_PART: Final = 206
_NOT_SO: Final = frozenset({304, 412})  # some stores refuse a false condition; others send the whole file
_DIGITS: Final = 18  # of a number of bytes
# Servers also write "bytes=", no unit, blanks, and "*" for the length. The end is not needed. `*+` never
# backtracks; otherwise, thousands of blanks would be divided in every possible way.
_RANGE: Final = re.compile(r"(?:bytes)?[\s:=]*+(?:(\d++)\s*+-\s*+\d*+|\*)\s*+/\s*+(\d++|\*)", re.IGNORECASE)


class Addresses(Protocol):
    """The signed addresses of the artifacts."""

    def get(self, artifact: str) -> str | None:
        """Return the address of an artifact, or None if there is none."""

    def after(self, artifact: str, expired: str | None) -> str | None:
        """Return an address to replace the one that has ``expired``, or None if there is none."""


@attrs.define(kw_only=True, eq=False)
class ArtifactFile:
    """The download of one artifact."""

    artifact: str
    path: Path
    http: HttpClient
    addresses: Addresses
    deadline: Deadline
    resume: bool
    abort: Abort
    done: int = 0
    size: int | None = None
    report: Callable[[], None] = lambda: None
    _part: PartFile = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._part = PartFile(self.path, self.deadline, self._pause)

    def fetch(self) -> None:
        """Download the missing part of the file to `path`."""
        if self.resume and self._is_there():
            self.done = self.size = self.path.stat().st_size
            self.report()
            return
        with self._part.filled():
            version = self._part.version() if self.resume else None
            if version is None or self._problem(self._part.head(LOOKED_AT)) is not None:
                self._part.begin(None)
                version = None
            self._fetch_all(version)

    def _is_there(self) -> bool:
        """Return whether the file is there; other content under its name, which another program may have saved,
        does not count."""
        if not self.path.is_file():
            return False
        with self.path.open("rb") as file:
            return self._problem(file.read(LOOKED_AT)) is None

    def _problem(self, head: bytes) -> str | None:
        """Return what a body that begins with ``head`` is, if it is not this artifact; otherwise None."""
        if is_markup(head):
            return "HTML or XML"
        if self.artifact == "events":  # which are text, and may be empty
            return None
        return "text" if is_text(head) else None if head else "nothing"

    def _fetch_all(self, version: Version | None) -> None:
        failures = refused = 0
        url = self.addresses.get(self.artifact)
        while True:
            before = self.done = self._part.size
            try:
                version = self._fetch_some(url, version)
            except OdysseyError as exc:
                failures = failures + 1 if self.done <= before else 1
                is_refusal = exc.status in _EXPIRED or exc.code == _WRONG_CONTENT
                refused = refused + 1 if is_refusal else 0
                pause = demanded_pause(exc, _BEFORE_ATTEMPTS_S[min(failures, len(_BEFORE_ATTEMPTS_S)) - 1])
                if (
                    failures >= _ATTEMPTS
                    or refused >= _ADDRESSES
                    or not (exc.recoverable or is_refusal)
                    or pause is None
                    or not self._may_wait(exc, pause)
                ):
                    raise
                log.debug("resuming %s at byte %d: %s", self.path.name, self.done, exc)
                if is_refusal:
                    url = self.addresses.after(self.artifact, url)
                version = self._part.version()
                self._pause(pause if self.done <= before or exc.retry_after is not None else 0.0)
            else:
                if version is not None:
                    return

    def _may_wait(self, exc: OdysseyError, pause: float) -> bool:
        if self.abort.aborted or self.deadline.expired:
            return False
        left = self.deadline.remaining()
        return exc.retry_after is None or left is None or left > pause

    def _pause(self, seconds: float) -> None:
        self.http.pause(seconds, self.deadline, self.abort)  # if it ends early, so does the next request

    def _fetch_some(self, url: str | None, version: Version | None) -> Version | None:
        """Fetch the missing part; return the version once the file is complete, or None to start over."""
        if url is None:
            raise OdysseyConnectionError(
                f"The {self.artifact} of the recording is gone", code="not_found", operation="download"
            )
        headers = {}
        if self.done and version is not None and version.validator is not None:
            if self.done == version.size:
                return version  # it was complete when the process ended
            headers = {"Range": f"bytes={self.done}-", "If-Range": version.validator}
        try:
            with fetch(self.http, url, headers, self.deadline, self.abort) as fetched:
                place = _Place.of(fetched, version)
                is_unknown = headers and version is not None and version.size is None
                if is_unknown and fetched.status == _NO_SUCH_RANGE and place.size == self.done:
                    return version  # nothing is missing
                if not headers and fetched.status == _PART and place.first == 0 and not fetched.is_packed:
                    version = self._start(fetched, place.size)  # from the first byte
                elif fetched.status == 200:
                    version = self._start(fetched, None)
                elif version is not None and headers and place.continues(self.done, version, fetched):
                    version = attrs.evolve(version, size=place.size)
                    self.size = version.size
                    self.report()
                else:
                    self._start_over(fetched.status, headers)
                    return None
                for piece in fetched.pieces:
                    self._write(piece)
        except OdysseyError as exc:
            if not headers or exc.status not in _NOT_SO:
                raise
            self._start_over(exc.status, headers)
            return None
        if self.size is not None and self.done != self.size:
            received = f"{self.done} of {self.size} bytes were received"
            if self.done > self.size:  # the excess may be anywhere
                self._begin(None)
            raise OdysseyConnectionError(
                f"download: {received}", code="connection_lost", operation="download", recoverable=True
            )
        return version

    def _start_over(self, status: int | None, headers: Mapping[str, str]) -> None:
        """Keep nothing: the answer belongs to another version, or does not fit the request."""
        self._begin(None)
        if not headers:
            raise OdysseyConnectionError(
                f"download: the store answered {status} to a request for the whole file",
                code="malformed",
                operation="download",
            )

    def _start(self, fetched: Fetched, size: int | None) -> Version:
        """Start over with a body, once its beginning has shown that it is the file; return the file's version.

        ``size`` is the length of the file in bytes; None if only the headers can say.
        """
        head, failure = b"", None
        try:
            while len(head) < LOOKED_AT and (piece := next(fetched.pieces, b"")):
                head += piece
        except OdysseyError as exc:
            if self.done or not head:  # existing bytes are worth more than a few that may not belong to the file
                raise
            failure = exc
        problem = self._problem(head)
        if failure is None and problem is not None:
            raise MalformedMessageError(
                f"download: the store, or a login page on the way to it, answered {fetched.status} with {problem} "
                f"in place of the {self.artifact}; none of it was kept",
                problems=(f"{problem} in place of the {self.artifact}",),
                code=_WRONG_CONTENT,
                status=fetched.status,
                operation="download",
            )
        if size is None and not fetched.is_packed:
            size = _whole(fetched.headers.get("Content-Length", ""))
        version = Version.of({} if fetched.is_packed else fetched.headers, size)
        self._begin(version)
        self.size = version.size
        self.report()
        self._write(head)
        if failure is not None:
            raise failure
        return version

    def _begin(self, version: Version | None) -> None:
        self._part.begin(version)
        self.done = 0

    def _write(self, piece: bytes) -> None:
        if self.done + len(piece) > FILE_MOST_BYTES:
            raise MalformedMessageError(
                f"download: the store sends more than {FILE_MOST_BYTES >> 30} GiB",
                code="too_large",
                operation="download",
            )
        self._part.write(piece)
        self.done += len(piece)
        self.report()


def _whole(text: str) -> int | None:
    """Return a number of bytes from a header; None if it is invalid, or larger than any file.

    >>> _whole("12"), _whole("-1"), _whole("9" * 5000)
    (12, None, None)
    """
    is_number = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return int(text) if is_number else None


@attrs.frozen
class _Place:
    """The place of a body in the whole file, in bytes; None if the answer does not say."""

    first: int | None
    size: int | None

    @classmethod
    def of(cls, fetched: Fetched, version: Version | None) -> _Place:
        """Read the ``Content-Range``; without one, the body is taken to reach to the end of the file."""
        known = None if version is None else version.size
        label = fetched.headers.get("Content-Range", "").strip()
        if found := _RANGE.fullmatch(label):
            size = known if found[2] == "*" else _whole(found[2])
            return cls(None if found[1] is None else _whole(found[1]), size)
        length = _whole(fetched.headers.get("Content-Length", ""))
        if label or known is None or length is None:
            return cls(None, None)
        return cls(known - length, known)

    def continues(self, done: int, version: Version, fetched: Fetched) -> bool:
        """Return whether ``fetched``, at this place, continues ``version`` after ``done`` bytes."""
        if self.first != done or version.size not in (None, self.size) or fetched.is_packed:
            return False
        # Some stores ignore If-Range, and send a part of the current version.
        return not version.is_replaced_by(fetched.headers)
