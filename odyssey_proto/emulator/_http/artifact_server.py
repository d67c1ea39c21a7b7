"""Serving artifacts at signed addresses in the manner of an object store: ranges, ETags, XML errors.

The owner of a stream does not matter here: anyone with the address may read the file until the address expires.
A request with an ``Authorization`` header is refused, as by S3, because its client gives its token away.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import math
import os
import re
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from xml.sax.saxutils import escape

import attrs
from aiohttp import web

from .._faults.mishaps import carry_out, reset
from .._recordings.artifacts import EVENTS, PREVIEW, THUMBNAIL, VIDEO
from .api import authority
from .signed_urls import ExpiredError, UrlSigner, WrongSignatureError

if TYPE_CHECKING:
    from .._accounts.service import Service
    from .._config import EmulatorConfig
    from .._faults.script import Fault, FaultScript
    from .._recordings.storage import Storage

__all__ = ["ArtifactServer"]

_TYPES: Final = {
    VIDEO: "video/mp4",
    EVENTS: "application/jsonl",
    THUMBNAIL: "image/jpeg",
    PREVIEW: "video/mp4",
}
_CHUNK_BYTES: Final = 2**18
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_IN_THE_BODY: Final = ("truncate", "hang", "reset", "drip")


class ArtifactServer:
    """Signs the addresses of artifacts, and serves the files."""

    def __init__(self, *, config: EmulatorConfig, service: Service, storage: Storage, faults: FaultScript) -> None:
        self._config = config
        self._service = service
        self._storage = storage
        self._faults = faults
        self._signer = UrlSigner(bytes.fromhex(storage.secret("url")))
        self.routes = [web.get("/artifacts/{stream_id}/{name}", self._answer)]

    def url(self, request: web.Request, stream_id: str, name: str) -> str | None:
        """Return an artifact's address at the host of ``request``, or None if the file does not exist."""
        if not (self._storage.folder_of(stream_id) / name).is_file():
            return None
        expires = math.ceil(self._service.wall_time() + self._config.url_ttl_s)
        return f"http://{authority(request)}" + self._signer.sign(
            f"/artifacts/{stream_id}/{name}", expires=expires
        )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.take("artifact")
        if fault is not None and fault.action not in _IN_THE_BODY:
            answer = await carry_out(fault, request)
            if answer is not None:
                return answer
            fault = None
        if (refused := self._refusal(request)) is not None:
            return refused
        name = request.match_info["name"]
        try:
            # Opening takes a few µs, as the file is local; reading happens on a worker below.
            file = (self._storage.folder_of(request.match_info["stream_id"]) / name).open("rb")
        except OSError:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        with file:
            return await self._send(request, file, _Held.of(file, name), fault)

    def _refusal(self, request: web.Request) -> web.Response | None:
        now = self._service.wall_time()
        try:
            self._signer.check(request.path, request.query, now=now)
        except WrongSignatureError:
            return _error(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        except ExpiredError as exc:
            return _error(
                403, "AccessDenied", "Request has expired", Expires=_iso(exc.expires), ServerTime=_iso(now)
            )
        if "Authorization" in request.headers:
            return _error(
                400, "InvalidArgument", "Only one auth mechanism allowed; there is a signature in the query."
            )
        return None

    async def _send(
        self, request: web.Request, file: BinaryIO, held: _Held, fault: Fault | None
    ) -> web.StreamResponse:
        try:
            span = held.span(request.headers.get("Range"), request.headers.get("If-Range"))
        except _NoSuchRangeError:
            answer = _error(416, "InvalidRange", "The requested range is not satisfiable")
            answer.headers["Content-Range"] = f"bytes */{held.size}"
            return answer
        response = web.StreamResponse(status=200 if span is None else 206, headers=held.headers)
        start, stop = span or (0, held.size)
        if span is not None:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{held.size}"
        response.content_length = stop - start
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        cut = stop if fault is None else min(stop, start + fault.after_bytes)
        # A client that disconnects early is not a failure.
        with contextlib.suppress(ConnectionError):
            await _copy(file, response, start, cut)
            if fault is not None:
                await _go_wrong(request, response, file, fault, cut, stop)
        return response


@attrs.frozen
class _Held:
    """The HTTP metadata of a file."""

    size: int
    etag: str
    modified: str
    content_type: str

    @classmethod
    def of(cls, file: BinaryIO, name: str) -> _Held:
        found = os.fstat(file.fileno())
        return cls(
            size=found.st_size,
            etag=f'"{found.st_mtime_ns:x}-{found.st_size:x}"',
            modified=email.utils.formatdate(found.st_mtime, usegmt=True),
            content_type=_TYPES[name],
        )

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Accept-Ranges": "bytes",
            "Content-Type": self.content_type,
            "ETag": self.etag,
            "Last-Modified": self.modified,
        }

    def span(self, asked: str | None, only_if: str | None) -> tuple[int, int] | None:
        """Return start and stop of the requested range (RFC 9110, section 14), or None for the whole file.

        Only a single range is supported; any other ``Range`` is ignored, as by S3.
        """
        found = _RANGE.fullmatch(asked or "")
        if found is None or only_if not in (None, self.etag, self.modified):
            return None
        first, last = found.groups()
        if first:
            start, stop = int(first), min(int(last) + 1, self.size) if last else self.size
            if last and int(last) < int(first):
                return None
        elif last:
            start, stop = max(0, self.size - int(last)), self.size
        else:
            return None
        if start >= stop:
            raise _NoSuchRangeError
        return start, stop


class _NoSuchRangeError(Exception):
    """The range contains no byte of the file."""


async def _copy(file: BinaryIO, response: web.StreamResponse, start: int, stop: int) -> None:
    loop = asyncio.get_running_loop()
    file.seek(start)
    while start < stop:
        chunk = await loop.run_in_executor(None, file.read, min(_CHUNK_BYTES, stop - start))
        if not chunk:
            return  # removed or cut meanwhile: the client notices it by Content-Length
        await response.write(chunk)
        start += len(chunk)


async def _go_wrong(
    request: web.Request, response: web.StreamResponse, file: BinaryIO, fault: Fault, at: int, stop: int
) -> None:
    match fault.action:
        case "truncate":
            if request.transport is not None:
                request.transport.close()
        case "reset":
            reset(request)
        case "hang":
            await asyncio.get_running_loop().create_future()
        case "drip":
            file.seek(at)
            for _ in range(at, stop):
                await response.write(file.read(1))
                await asyncio.sleep(fault.seconds)


def _error(status: int, code: str, message: str, **more: Any) -> web.Response:
    fields = {"Code": code, "Message": message, **more}
    inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())
    return web.Response(
        status=status,
        text=f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>',
        content_type="application/xml",
    )


def _iso(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
