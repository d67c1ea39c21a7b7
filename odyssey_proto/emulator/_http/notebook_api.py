"""The requests of clients, for tests in any language: ``/_emulator/requests``, ``prompts``, and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from ..._base.secrets import redact
from .._showing import shown_content, shown_headers, shown_query
from .admission import CONTROL

if TYPE_CHECKING:
    from .._notebook import Notebook, SeenMessage, SeenRequest

__all__ = ["NotebookApi"]


class NotebookApi:
    """The calls with which tests read the requests of clients. Secrets are masked.

    ``GET /_emulator/`` names the calls. ``POST /_emulator/forget`` forgets the requests so far."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self.routes = [
            web.get(f"{CONTROL}/", self._index, allow_head=False),
            web.get(f"{CONTROL}/requests", self._requests, allow_head=False),
            web.get(f"{CONTROL}/messages", self._messages, allow_head=False),
            web.get(f"{CONTROL}/prompts", self._prompts, allow_head=False),
            web.get(f"{CONTROL}/sessions", self._sessions, allow_head=False),
            web.post(f"{CONTROL}/forget", self._forget),
        ]
        """The routes of these calls."""

    async def _index(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(
            {
                f"GET {CONTROL}/requests": "HTTP calls and their answers",
                f"GET {CONTROL}/messages": "messages on WebSockets and data channels",
                f"GET {CONTROL}/prompts": "prompts, in order",
                f"GET {CONTROL}/sessions": "sessions with their streams",
                f"POST {CONTROL}/forget": "forgets the requests so far",
                f"GET {CONTROL}/faults": "faults still to come",
                f"POST {CONTROL}/faults": "adds a fault, or a list of them",
                f"DELETE {CONTROL}/faults": "removes all faults",
                f"GET {CONTROL}/traffic": "the latest traffic as NDJSON; since=N, follow=true, secrets=true",
                f"DELETE {CONTROL}/traffic": "forgets the traffic",
            }
        )

    async def _requests(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([_request(seen) for seen in self._notebook.requests])

    async def _messages(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([_message(seen) for seen in self._notebook.messages])

    async def _prompts(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self._notebook.prompts)

    async def _sessions(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([attrs.asdict(seen) for seen in self._notebook.sessions])

    async def _forget(self, _: web.Request) -> web.StreamResponse:
        self._notebook.clear()
        return web.Response(status=204)


def _request(seen: SeenRequest) -> dict[str, Any]:
    return {
        "method": seen.method,
        "path": redact(seen.path),
        "route": seen.route,
        "query": shown_query(seen.query.items(), False),
        "headers": shown_headers(seen.headers, False),
        "content": shown_content(seen.body, False),
        "status": seen.status,
        "answer": shown_content(seen.answer, False),
        "by_fault": seen.by_fault,
        "time": seen.time,
    }


def _message(seen: SeenMessage) -> dict[str, Any]:
    return {
        "session_id": seen.session_id,
        "place": seen.place,
        "from_client": seen.from_client,
        "type": seen.type,
        "content": shown_content(seen.text, False),
        "by_fault": seen.by_fault,
        "time": seen.time,
    }
