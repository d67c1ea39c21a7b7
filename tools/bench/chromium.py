"""Headless Chromium with a page that talks to this process: a client and a sender that are not ours."""

from __future__ import annotations

import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Browser", "missing"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # mDNS names cannot be resolved from another machine
)
_PATIENCE_S: Final = 60


def missing() -> str:
    """Return a text with the prerequisites that this machine lacks; empty if none."""
    return "" if _program() else "needs Chromium"


def _program() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """A page in a browser of its own, during the ``with``.

    The page is in this folder. ``GET /next`` waits for the argument of `send`. ``POST /told`` sends JSON, which
    `hear` returns. ``GET /now`` returns the time of this process, in ms of the monotonic clock.

    Args:
        page: the name of its file.
        options: its query parameters.
    """

    def __init__(self, page: str, options: Mapping[str, object]) -> None:
        self._heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self._to_send: queue.Queue[dict[str, Any]] = queue.Queue()
        self._page = Path(__file__).with_name(page).read_bytes()
        self._options = options
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{self._server.server_port}/?{urlencode(self._options)}"
        self._process = subprocess.Popen(
            [str(_program()), *_FLAGS, f"--user-data-dir={self._profile.name}", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()
        self._profile.cleanup()

    def send(self, content: dict[str, Any]) -> None:
        """Send something to the page."""
        self._to_send.put(content)

    def hear(self) -> dict[str, Any]:
        """Return the page's next message.

        Raises:
            RuntimeError: the page sends nothing for a minute, or reports a failure.
        """
        try:
            content = self._heard.get(timeout=_PATIENCE_S)
        except queue.Empty:
            raise RuntimeError("the page in Chromium says nothing") from None
        if "error" in content:
            raise RuntimeError(f"the page in Chromium failed: {content['error']}")
        return content

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        browser = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                match self.path.partition("?")[0]:
                    case "/":
                        self._answer(browser._page, "text/html; charset=utf-8")
                    case "/next":
                        self._answer(json.dumps(browser._to_send.get()).encode())
                    case "/now":
                        self._answer(json.dumps(time.monotonic() * 1000).encode())
                    case _:
                        self._answer(b"null")

            def do_POST(self) -> None:
                browser._heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._answer(b"null")

            def _answer(self, body: bytes, kind: str = "application/json") -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any, **__: Any) -> None:
                """Log nothing."""

        return Handler
