"""A recording's files behind signed addresses: ranges, versions, expiry, and cuts that a test sets."""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING, Any

from tests.support.servers import Connection, HttpServer, Request, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Store"]


class Store(HttpServer):
    """The service and its store in one. ``files`` has the contents by artifact.

    ``cuts`` has the number of bytes of a body before the connection breaks, one for each request of a file.
    """

    def __init__(self, files: Mapping[str, bytes], *, stream_id: str = "s-1", cuts: tuple[int, ...] = ()) -> None:
        self.files = dict(files)
        self.cuts = list(cuts)
        self.served: list[tuple[str, int, int]] = []
        """Artifact, first byte and number of bytes of each body, as sent."""
        self.signature = 0
        self.expired: set[int] = set()
        self.etag = True
        self.ranges = True
        super().__init__(
            {
                f"GET /recordings/{stream_id}": self._recording,
                **{f"GET /files/{artifact}": self._file for artifact in self.files},
            }
        )
        self.stream_id = stream_id

    def tag(self, artifact: str) -> str:
        """The current ETag of a file."""
        return f'"{hashlib.sha256(self.files[artifact]).hexdigest()[:16]}"'

    def _recording(self, connection: Connection, request: Request) -> None:
        self.signature += 1
        urls: dict[str, Any] = {
            f"{artifact}_url": f"{self.url}/files/{artifact}?signature={self.signature}" for artifact in self.files
        }
        connection.send(json_answer({"stream_id": self.stream_id, **urls}, Connection="close"))

    def _file(self, connection: Connection, request: Request) -> None:
        if "authorization" in request.headers:
            connection.send(answer(status="400 Bad Request"))
            return
        if int(request.target.partition("signature=")[2]) in self.expired:
            connection.send(answer(b"<Error><Message>Request has expired</Message></Error>", "403 Forbidden"))
            return
        artifact = request.path.rpartition("/")[2]
        content = self.files[artifact]
        headers: dict[str, Any] = {"ETag": self.tag(artifact)} if self.etag else {}
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        first = 0
        if asked and self.ranges and request.headers.get("if-range") in (None, headers.get("ETag")):
            first = int(asked[1])
            if first >= len(content):
                headers["Content_Range"] = f"bytes */{len(content)}"
                connection.send(answer(status="416 Range Not Satisfiable", **headers))
                return
            headers["Content_Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        body = content[first:]
        status = "206 Partial Content" if "Content_Range" in headers else "200 OK"
        connection.send(answer(length=len(body), status=status, **headers))
        cut = self.cuts.pop(0) if self.cuts else len(body)
        sent = 0
        with contextlib.suppress(OSError):
            while sent < min(cut, len(body)):
                piece = body[sent : min(sent + 65536, cut)]
                connection.send(piece)
                sent += len(piece)
        self.served.append((artifact, first, sent))
