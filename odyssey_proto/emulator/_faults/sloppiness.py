"""Sloppiness: the emulator's answers in forms that only tolerant readers accept, chosen at random by a seed.

It changes what the emulator sends, never what it accepts. The tables of the kinds are in `sloppy_json` and
`sloppy_http`. Answers and messages that a fault wrote are left alone.
"""

from __future__ import annotations

import collections
import json
import logging
import random
from typing import TYPE_CHECKING, Any, Final

import odyssey_models as models
from aiohttp import hdrs, web

from ..._model.traffic import Place
from .._traffic import MOVED, answer_is_injected, call_of, injected
from .sloppy_http import ANSWERS, CONFIGS, EARLY, HANDSHAKE, PLAYLIST, WHEP, Answer, SloppyCall
from .sloppy_json import CONTENT, MESSAGES, TEXT, Draft, Sending, changes, parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["KINDS", "Sloppiness", "untype"]

log = logging.getLogger("odyssey_proto.emulator.sloppiness")

KINDS: Final = tuple(kind.name for kinds in (CONTENT, TEXT, MESSAGES, EARLY, ANSWERS) for kind in kinds)
"""The names of all kinds."""

_CALLS: Final[dict[str, type[Any] | None]] = {
    "POST /auth/token": models.TokenResponse,
    "GET /regions": models.RegionsResponse,
    "GET /ping/{region}": None,
    "POST /sessions/request": models.SessionResponse,
    "POST /sessions/token": models.SessionTokenResponse,
    "POST /telemetry": None,
    **dict.fromkeys(CONFIGS, models.SignalingConfig),
    HANDSHAKE: None,
    "GET /recordings/{stream_id}": models.Recording,
    "GET /stream-recordings": models.StreamRecordingsList,
    "POST /simulation-jobs": models.SimulationJobDetail,
    "GET /simulation-jobs": models.SimulationJobsList,
    "GET /simulation-jobs/{job_id}": models.SimulationJobDetail,
    "DELETE /simulation-jobs/{job_id}": models.CancelledSimulation,
    WHEP: None,
    PLAYLIST: None,
}
"""The calls that are answered sloppily, and the models of their answers; None if there is no content to change."""

_MESSAGES: Final[dict[str, type[Any]]] = {
    "offer": models.Offer,
    "ice_candidate": models.IceCandidate,
    "error": models.SignalingError,
    "stream_started": models.StreamStarted,
    "update_acknowledged": models.UpdateAcknowledged,
    "stream_ended": models.StreamEnded,
    "broadcast_ready": models.BroadcastReady,
    "interactive_stream_error": models.InteractiveStreamError,
}


class Sloppiness:
    """Chooses the form of everything that one emulator sends. Runs on the loop's thread.

    The choices for the n-th answer of a call, or the n-th message of a place, depend on ``seed`` alone. With None,
    nothing is changed.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._counts: collections.Counter[str] = collections.Counter()
        self._addresses: set[str] = set()

    def forms(self, place: Place, text: str) -> list[str | bytes]:
        """Return the messages to send for ``text``, in order."""
        if self._seed is None:
            return [text]
        chosen = self._chosen(place)
        data = json.loads(text)
        written, names = _rewritten(chosen, place, _MESSAGES[data["type"]], text)
        sending = Sending(data, [written])
        names += changes(MESSAGES, chosen, sending)
        _report(f"{place} {data['type']}", names)
        return sending.sent

    @web.middleware
    async def answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer a call, perhaps in another form. A middleware around everything that answers admitted calls."""
        where = call_of(request)
        if self._seed is None or where not in _CALLS:
            return await handler(request)
        chosen = self._chosen(where)
        address = request.path.removeprefix(MOVED)
        call = SloppyCall(where, request, first=address not in self._addresses)
        names = changes(EARLY, chosen, call)
        if call.instead is None or call.instead.status >= 400:  # a redirect leads to the same address
            self._addresses.add(address)
        if call.instead is not None:
            await request.read()  # all of it: a client that is still sending would see another failure
            answer_is_injected()
            _report(where, names)
            return call.instead
        response = await handler(request)
        if isinstance(response, web.Response) and isinstance(response.body, bytes) and not injected():
            names += _change(chosen, Answer(where, request, response, response.body))
        if names:
            answer_is_injected()
        _report(where, names)
        return response

    def _chosen(self, where: str) -> random.Random:
        self._counts[where] += 1
        return random.Random(f"{self._seed} {where} {self._counts[where]}")  # noqa: S311  # not a secret


def _change(chosen: random.Random, answer: Answer) -> list[str]:
    """Change ``answer``; return the names of the kinds that did."""
    names: list[str] = []
    status = answer.response.status
    if answer.response.content_type == "application/json":
        where, cls = (str(status), models.ErrorBody) if status >= 400 else (answer.where, _CALLS[answer.where])
        text, names = _rewritten(chosen, where, cls, answer.body.decode())
        answer.body = text.encode()
    names += changes(ANSWERS, chosen, answer)
    answer.response.body = answer.body
    return names


async def untype(_: web.Request, response: web.StreamResponse) -> None:
    """Remove an empty Content-Type, which stands for none: aiohttp would add a missing one."""
    if response.headers.get(hdrs.CONTENT_TYPE) == "":
        del response.headers[hdrs.CONTENT_TYPE]


def _rewritten(chosen: random.Random, where: str, cls: type[Any] | None, text: str) -> tuple[str, list[str]]:
    """Return ``text`` in another form, and the names of the kinds that changed it."""
    data = json.loads(text)
    names = [name for part in (parts(where, cls, data) if cls else ()) for name in changes(CONTENT, chosen, part)]
    draft = Draft(data, json.dumps(data, ensure_ascii=False) if names else text)
    names += changes(TEXT, chosen, draft)
    return draft.text, names


def _report(where: str, names: list[str]) -> None:
    if names:
        log.debug("%s: %s", where, "; ".join(names))
