"""The page of ``--show``: the live picture in a browser, as Motion JPEG from a small server on this machine.

The server listens on loopback only, its address has a random token, and a request must name this machine: a
hostile page in the same browser does not know the token, and cannot get here through a domain of its own.
Pictures are encoded only while there are viewers.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import secrets
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

    from .._video.frame import VideoFrame

__all__ = ["Page"]

_HOST: Final = "127.0.0.1"
_LET_GO_AFTER_S: Final = 10.0  # after which a viewer that takes no picture, or sends no request, is disconnected
_QUALITY: Final = 85
_MOST_VIEWERS: Final = 16
_LAST_LOOK_S: Final = 0.5  # for the page to learn that the stream is over
_BOUNDARY: Final = "picture"
_HTML: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer"><title>Odyssey</title>
<link rel="icon" href="data:,">
<style>
  html, body { height: 100%; margin: 0; background: #111318; color: #d8dbe2; font: 15px/1.5 system-ui, sans-serif }
  body { display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 12px }
  img { max-width: 96vw; max-height: 86vh; border-radius: 6px; background: #1c1f26 }
  p { margin: 0; min-height: 1.5em; max-width: 96vw; text-align: center }
  .over { color: #8b909c }
</style>
<img id="picture" src="video" alt="The live picture">
<p id="state" aria-live="polite"></p>
<script>
  const line = document.getElementById("state")
  const over = () => { line.className = "over"; line.textContent = "The stream has ended."; clearInterval(again) }
  const look = async () => {
    try {
      const state = await (await fetch("state")).json()
      if (state.over) return over()
      line.textContent = state.text
    } catch { over() }
  }
  const again = setInterval(look, 500)
  look()
</script>
</html>
"""
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
    )
)


class Page:
    """The page of one stream, between `__enter__` and `__exit__`.

    Raises:
        OSError: no port can be listened on.
    """

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(16)
        self._news = threading.Condition()
        self._jpeg = b""
        self._number = 0
        self._viewers = 0
        self._text = ""
        self._is_over = False
        self._server = http.server.ThreadingHTTPServer((_HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="odyssey-page", daemon=True
        )
        self.url: str = f"http://{_HOST}:{self._server.server_port}/{self._token}/"
        """Its address, which is a secret of this user."""

    def open_browser(self) -> None:
        """Open the page in the user's browser, if there seems to be one with windows. Does not wait."""
        has_windows = sys.platform in ("win32", "darwin") or any(
            os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
        )
        if has_windows:  # else a browser would start in this terminal
            threading.Thread(target=webbrowser.open, args=(self.url,), name="odyssey-browser", daemon=True).start()

    def put(self, frame: VideoFrame) -> None:
        """Show a picture to the viewers."""
        with self._news:
            if not self._viewers:
                return
        content = io.BytesIO()
        frame.to_image().save(content, "JPEG", quality=_QUALITY)
        with self._news:
            self._jpeg = content.getvalue()
            self._number += 1
            self._news.notify_all()

    def say(self, text: str) -> None:
        """Show a line of text below the picture."""
        with self._news:
            self._text = text

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._news:
            self._is_over = True
            was_seen = self._viewers > 0
            self._news.notify_all()
        if was_seen:
            threading.Event().wait(_LAST_LOOK_S)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # For the handlers, each on a thread of its own

    def _allows(self, host: str | None) -> bool:
        port = self._server.server_port
        return host in (f"{_HOST}:{port}", f"localhost:{port}")

    def _leads_here(self, path: str) -> str | None:
        """Return the name of the requested resource if the path has the token; otherwise None."""
        _, token, *rest = path.split("/", 2) if path.count("/") > 1 else ("", "", "")
        return rest[0] if secrets.compare_digest(token.encode(), self._token.encode()) else None

    def _state(self) -> dict[str, Any]:
        with self._news:
            return {"text": self._text, "over": self._is_over}

    @contextlib.contextmanager
    def _looking(self) -> Any:
        """Count a viewer during the block; yields whether there is room for one."""
        with self._news:
            has_room = self._viewers < _MOST_VIEWERS
            self._viewers += has_room
        try:
            yield has_room
        finally:
            with self._news:
                self._viewers -= has_room

    def _next(self, after: int) -> tuple[int, bytes] | None:
        """Return the newest picture once there is a newer one than ``after``; None if no more can come."""
        with self._news:
            while self._number <= after and not self._is_over:
                self._news.wait()
            return (self._number, self._jpeg) if self._number > after else None

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = _LET_GO_AFTER_S
            server_version = "odyssey-proto"
            sys_version = ""

            def do_GET(self) -> None:  # the name that the base class calls
                wanted = page._leads_here(self.path)
                if not page._allows(self.headers["Host"]):
                    self._answer(403, "text/plain", b"This is not the host name of this page.\n")
                elif wanted == "":
                    self._answer(200, "text/html; charset=utf-8", _HTML.encode())
                elif wanted == "state":
                    self._answer(200, "application/json", json.dumps(page._state()).encode())
                elif wanted == "video":
                    with contextlib.suppress(OSError):  # the viewer has left
                        self._send_pictures()
                else:
                    self._answer(404, "text/plain", b"There is no such page.\n")

            def _send_pictures(self) -> None:
                with page._looking() as has_room:
                    if not has_room:
                        return self._answer(503, "text/plain", b"Too many viewers.\n")
                    self._head(200, f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                    number = 0
                    while (found := page._next(number)) is not None:
                        number, jpeg = found
                        head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                return None

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                with contextlib.suppress(OSError):  # the caller has left
                    self._head(status, kind, len(body))
                    self.wfile.write(body)

            def _head(self, status: int, kind: str, length: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Content-Security-Policy", _POLICY)
                self.send_header("Cross-Origin-Resource-Policy", "same-origin")
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("X-Content-Type-Options", "nosniff")
                self.send_header("X-Frame-Options", "DENY")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the base class has it
                """Log nothing: stderr is for the user."""

        return Handler
