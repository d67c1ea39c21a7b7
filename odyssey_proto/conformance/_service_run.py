"""One check of a service: the data that its steps share, and the exceptions that they may raise.

The steps are in the modules `_service_*`.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import attrs

from .._base.errors import OdysseyError
from .._model.credentials import ClientCredentials
from ._schemas import parsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .._model.events import BroadcastInfo
    from .._model.traffic import Exchange
    from ..client import Odyssey
    from ..session import Session
    from ._facts import Facts
    from ._probes import Probes
    from ._recorded_traffic import RecordedTraffic

__all__ = ["ANSWER_S", "Run", "SkipError", "Step", "StepFailedError"]

ANSWER_S = 60.0
"""How long a step waits for an answer, in s."""
_POLL_S = 0.1


class SkipError(Exception):
    """The step cannot be taken here; the text says why."""


class StepFailedError(Exception):
    """The service did not do what the step needs; the text gives the details."""


@attrs.frozen
class Step:
    """One step of a check."""

    name: str
    take: Callable[[Run], None]


@attrs.define(eq=False, kw_only=True)
class Run:
    """The data that the steps share."""

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
    """The id of the first stream; empty if none was started."""
    job_id: str = ""
    """The id of the job that is not cancelled; empty if none was created."""
    unfinished_jobs: set[str] = attrs.field(factory=set)
    """Jobs that may still wait or run."""
    broadcast: BroadcastInfo | None = None

    def live(self) -> Session:
        """Return the session, for steps that need one, once a lost connection has been restored."""
        if self.session is None:
            raise SkipError("there is no session")
        gives_up_at = time.monotonic() + ANSWER_S
        while self.session.status == "reconnecting" and time.monotonic() < gives_up_at:
            time.sleep(_POLL_S)
        if not self.session.is_connected:
            raise SkipError("the session has ended")
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

    def give_back(self, answer: Exchange) -> None:
        """Give back a session, and note a job, that the service granted although it should have refused it."""
        data = _data(answer)
        job_id, session_id, url = (data.get(name) for name in ("job_id", "session_id", "signalling_url"))
        if isinstance(job_id, str):
            self.unfinished_jobs.add(job_id)
        if isinstance(session_id, str) and isinstance(url, str):
            body = {"session_id": session_id}
            token = _data(self.probes.call("POST", "/sessions/token", token=self.bearer(), body=body))
            with contextlib.suppress(OdysseyError), self.make_client("") as guest:
                granted = ClientCredentials(
                    signaling_url=url, session_token=str(token.get("session_token")), expires_in=600
                )
                guest.connect_with_credentials(granted, timeout=ANSWER_S).disconnect()

    def cancel_jobs(self) -> None:
        """Cancel the jobs that may still wait or run; those that have begun continue."""
        for job_id in sorted(self.unfinished_jobs):
            with contextlib.suppress(OdysseyError):
                self.client.cancel_simulation(job_id)

    def _answered(self, call: str, field: str) -> Any:
        for exchange in reversed(self.traffic.exchanges(call)):
            data = _data(exchange)
            if field in data:
                return data[field]
        raise SkipError(f"no answer to {call} had {field}")

    def decide(self, fact: str, holds: bool, otherwise: str) -> None:
        """Note whether an assumed fact holds; ``otherwise`` describes what was seen instead."""
        if holds:
            self.facts.confirm(fact)
        else:
            self.facts.contradict(fact, otherwise)


def _data(exchange: Exchange) -> dict[str, Any]:
    data, _ = parsed(exchange.body or b"")
    return data if isinstance(data, dict) else {}
