"""One check of a service: what its steps share, and what they may raise. The steps are in `service_*` modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from .schemas import parsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .._model.events import BroadcastInfo
    from .._model.traffic import Exchange
    from ..client import Odyssey
    from ..session import Session
    from .facts import Facts
    from .probes import Probes
    from .recorded_traffic import RecordedTraffic

__all__ = ["ANSWER_S", "Run", "SkipError", "Step", "StepFailedError"]

ANSWER_S = 60.0
"""How long a step waits for an answer, in s."""


class SkipError(Exception):
    """The step cannot be taken here; the text says why."""


class StepFailedError(Exception):
    """The service did something else than the step needs; the text says what."""


@attrs.frozen
class Step:
    """One step of a check, in the order in which they are taken."""

    name: str
    take: Callable[[Run], None]


@attrs.define(eq=False, kw_only=True)
class Run:
    """What the steps share."""

    client: Odyssey
    make_client: Callable[..., Odyssey]
    """Makes another client of the same service, with the same key unless another is given."""
    traffic: RecordedTraffic
    probes: Probes
    facts: Facts
    folder: Path
    """Where files may be written; it is deleted afterwards."""
    refused_prompt: str | None
    """A prompt that moderation refuses, if one is known."""
    session: Session | None = None
    stream_id: str = ""
    """The first stream."""
    job_id: str = ""
    """A job that was not cancelled."""
    broadcast: BroadcastInfo | None = None

    def live(self) -> Session:
        """Return the session, for steps that need one."""
        if self.session is None or not self.session.is_connected:
            raise SkipError("there is no session")
        return self.session

    def idle(self) -> Session:
        """Return the session, for steps that need one without a stream."""
        session = self.live()
        if session.stream_id is not None:  # left over from a step that failed
            session.end_stream(timeout=ANSWER_S)
        return session

    def bearer(self) -> str:
        """Return the access token, for requests that the client does not send."""
        return str(self._answered("POST /auth/token", "access_token"))

    def signaling_url(self) -> str:
        """Return the address of signaling."""
        return str(self._answered("POST /sessions/request", "signalling_url"))

    def _answered(self, call: str, field: str) -> Any:
        for exchange in reversed(self.traffic.exchanges(call)):
            data = _data(exchange)
            if field in data:
                return data[field]
        raise SkipError(f"{call} was not answered")

    def decide(self, fact: str, holds: bool, otherwise: str) -> None:
        """Note whether an assumed fact holds; ``otherwise`` says what was seen instead."""
        if holds:
            self.facts.confirm(fact)
        else:
            self.facts.contradict(fact, otherwise)


def _data(exchange: Exchange) -> dict[str, Any]:
    data, _ = parsed(exchange.body or b"")
    return data if isinstance(data, dict) else {}
