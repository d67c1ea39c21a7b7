"""A proxy in front of an emulator that changes some answers, like a service that deviates from the protocol.

It forwards REST calls only. Signaling, spectators and files go directly to the emulator, whose addresses are in
the answers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import requests

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["AlteringProxy", "Change"]

Change: TypeAlias = Callable[[Any], object]
"""Changes the data of a request or an answer in place; its result is ignored."""

_LIMIT_S = 60


class AlteringProxy:
    """The proxy, which serves on this machine during the ``with``.

    Args:
        api_url: the emulator.
        changes: the changes to answers, by call and status, such as ``GET /regions 200``; only the first segment
            of the path counts.
        statuses: replacements for statuses, by call and original status.
        requests_changes: the changes to the JSON of requests, by call.
        headers: headers of all answers; they override the emulator's ``Access-Control-`` headers.
    """

    def __init__(
        self,
        api_url: str,
        changes: Mapping[str, Change],
        statuses: Mapping[str, int] | None = None,
        *,
        requests_changes: Mapping[str, Change] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._api_url = api_url
        self._requests_changes = requests_changes or {}
        self._headers = headers or {}
        self._changes = changes
        self._statuses = statuses or {}
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._pass_on(self)

            do_POST = do_GET  # noqa: N815  # the base class defines these names
            do_DELETE = do_GET  # noqa: N815
            do_OPTIONS = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        wanted = ("authorization", "content-type", "user-agent", "origin")
        headers = {
            name: text
            for name, text in request.headers.items()
            if name.lower() in wanted or name.lower().startswith("access-control-")
        }
        call = f"{request.command} {'/'.join(request.path.partition('?')[0].split('/')[:2])}"
        if body and call in self._requests_changes:
            data = json.loads(body)
            self._requests_changes[call](data)
            body = json.dumps(data).encode()
        url = self._api_url + request.path
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(request.command, url, headers=headers, data=body, timeout=_LIMIT_S)
        call = f"{call} {answer.status_code}"
        status, content = self._statuses.get(call, answer.status_code), answer.content
        if call in self._changes:
            data = json.loads(content)
            self._changes[call](data)
            content = json.dumps(data).encode()
        request.send_response(status)
        request.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        request.send_header("Content-Length", str(len(content)))
        given = {name: text for name, text in answer.headers.items() if name.startswith("Access-Control-")}
        for name, text in {**given, **self._headers}.items():
            request.send_header(name, text)
        request.end_headers()
        request.wfile.write(content)
