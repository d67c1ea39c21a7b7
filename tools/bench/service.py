"""A service that costs next to nothing, for figures that the emulator's own work would hide: jobs to wait for, and
one recording of any size.

    python -m tools.bench.service BYTES

prints its URL and serves that recording, ``s-1``, until it is killed. The video is generated while it is sent,
with ETag and ranges. A job lasts for one, two or three rounds of list requests, which are counted.
"""

from __future__ import annotations

import http.server
import json
import random
import re
import sys
import threading
from typing import Any, Final, Self, cast
from urllib.parse import parse_qs, urlsplit

__all__ = ["Service"]

_BLOCK: Final = random.Random(0).randbytes(1 << 20)  # noqa: S311  # no secret


class Service(http.server.ThreadingHTTPServer):
    """Serves on its own threads inside a ``with``, or in `serve_forever`."""

    daemon_threads = True

    def __init__(self, *, jobs: int = 0, video_bytes: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs = jobs
        self.video_bytes = video_bytes
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lists: list[int] = []
        """Number of list requests in each round; a round begins at the head of the list."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="bench-service")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def job(self, number: int) -> dict[str, Any]:
        """Return the state of job ``number`` in this round."""
        status = "processing" if len(self.lists) <= number % 3 + 1 else "completed"
        return {"job_id": f"job-{number}", "status": status, "priority": "normal", "created_at": ""}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def service(self) -> Service:
        """The server of this handler."""
        return cast(Service, self.server)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send_json({"access_token": "token", "expires_in": 3600})

    def do_GET(self) -> None:
        url, service = urlsplit(self.path), self.service
        match url.path.split("/")[1:]:
            case ["simulation-jobs"]:
                self._list(parse_qs(url.query))
            case ["simulation-jobs", job_id]:
                self._send_json(service.job(int(job_id.removeprefix("job-"))))
            case ["recordings", stream_id]:
                urls = {"video_url": f"{service.url}/video", "events_url": f"{service.url}/events"}
                self._send_json({"stream_id": stream_id, **urls})
            case ["events"]:
                self._send_json({"type": "start"})
            case ["video"]:
                self._video()
            case _:
                self.send_error(404)

    def _list(self, query: dict[str, list[str]]) -> None:
        limit, offset = int(query["limit"][0]), int(query.get("offset", ["0"])[0])
        if offset == 0:
            self.service.lists.append(0)
        self.service.lists[-1] += 1
        found = [self.service.job(number) for number in range(self.service.jobs)]
        if query.get("active") == ["true"]:
            found = [job for job in found if job["status"] == "processing"]
        page = found[offset : offset + limit]
        self._send_json({"jobs": page, "total": len(found), "limit": limit, "offset": offset})

    def _video(self) -> None:
        size, begin = self.service.video_bytes, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked:
            begin = int(asked[1])
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{size}"')
        self.send_header("Content-Length", str(size - begin))
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        self.end_headers()
        while begin < size:
            piece = _BLOCK[begin % len(_BLOCK) :][: size - begin]
            self.wfile.write(piece)
            begin += len(piece)

    def _send_json(self, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Log nothing."""


if __name__ == "__main__":
    serving = Service(video_bytes=int(sys.argv[1]))
    print(serving.url, flush=True)
    serving.serve_forever()
