"""Every REST call of the service, one method each: typed arguments, typed answers, typed failures.

Arguments are checked before anything is sent. This module makes single calls only: queueing, pages, waiting and
files are in `odyssey_proto._rest`. The meaning of refusals is in `odyssey_proto.core.refusals`, by operation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlencode

import attrs
import odyssey_models as wire

from .._base import arguments
from .._base.clock import Deadline
from .._base.errors import MalformedMessageError, OdysseyAuthError, OdysseyError
from .._base.limits import ANSWER_MOST_BYTES, IDENTIFIER_MOST_CHARS, SMALL_ANSWER_MOST_BYTES
from .._model import codec
from ..core.refusals import refusal, unauthorized, unreadable
from .access_token import AccessToken
from .failures import connection_error
from .http_exchange import HttpClient, HttpRequest, Repetitions
from .redirects import Reach
from .regions import LISTING_TIMEOUT_S, Regions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._base.abort import Abort
    from .._base.clock import Clock
    from .._base.secrets import Secret
    from .._model.config import ClientConfig
    from .._model.simulation_job import SimulationJobDetail
    from ..core.refusals import HttpAnswer
    from .call import Call

__all__ = ["REQUEST_TIMEOUT_S", "Operation", "ServiceApi", "check_job_filter"]

T = TypeVar("T")

_ID_IN_PATH: Final = re.compile(r"\{(\w+)\}")
REQUEST_TIMEOUT_S: Final = 30.0
"""The time limit for each request of a call that consists of many, in s."""
_CONFIG_TIMEOUT_S: Final = 3.0  # the caller continues without it


def _is_success(answer: HttpAnswer) -> bool:
    return answer.ok


def _has_servers(answer: HttpAnswer) -> bool:
    """Return whether an answer is a success or, whatever its status, has ICE servers: as for official clients."""
    if answer.ok or b'"iceServers"' not in answer.body:
        return answer.ok
    try:
        return bool(codec.decode(wire.SignalingConfig, answer.body).ice_servers)
    except MalformedMessageError:
        return False


@attrs.frozen
class Operation:
    """One call of the service: its method and path, and how it may be made."""

    method: str
    path: str
    repeat: bool
    """Whether it is idempotent; it is then retried after a temporary failure."""
    authorized: bool = True
    answers: Callable[[HttpAnswer], bool] = _is_success
    """Returns whether an answer is a success, to be read; any other is a refusal."""
    most_bytes: int = SMALL_ANSWER_MOST_BYTES
    """The largest answer, unpacked, in bytes."""

    @property
    def name(self) -> str:
        """The name in errors, logs and `odyssey_proto.core.refusals.REFUSALS`."""
        return f"{self.method} {self.path}"


@attrs.frozen
class _Body:
    """The body of a request, which may contain the key: crash reporters show the variables of all frames."""

    data: bytes | None = attrs.field(repr=False)


_AUTHENTICATE: Final = Operation("POST", "/auth/token", repeat=True, authorized=False)
_LIST_REGIONS: Final = Operation("GET", "/regions", repeat=False)
_REQUEST_SESSION: Final = Operation("POST", "/sessions/request", repeat=False)  # each may take a streamer
_GET_SESSION_TOKEN: Final = Operation("POST", "/sessions/token", repeat=True)
_GET_CONFIG: Final = Operation("GET", "/config", repeat=True, authorized=False, answers=_has_servers)
_GET_RECORDING: Final = Operation("GET", "/recordings/{stream_id}", repeat=True)
_LIST_RECORDINGS: Final = Operation("GET", "/stream-recordings", repeat=True, most_bytes=ANSWER_MOST_BYTES)
# Each request creates a job, answered or not.
_SIMULATE: Final = Operation("POST", "/simulation-jobs", repeat=False, most_bytes=ANSWER_MOST_BYTES)
_GET_JOB: Final = Operation("GET", "/simulation-jobs/{job_id}", repeat=True, most_bytes=ANSWER_MOST_BYTES)
_LIST_JOBS: Final = Operation("GET", "/simulation-jobs", repeat=True, most_bytes=ANSWER_MOST_BYTES)
_CANCEL_JOB: Final = Operation("DELETE", "/simulation-jobs/{job_id}", repeat=True)
_REPORT: Final = Operation("POST", "/telemetry", repeat=False, authorized=False)


class ServiceApi:
    """The calls of one client. Any thread may make any of them.

    They raise only what `errors` defines, and `TypeError` for an argument of the wrong type.

    A call takes until ``deadline`` at most, however slowly the server sends, and ends at once if ``abort`` is
    aborted or the client is closed. The access token is fetched when needed, and renewed once if it is refused.

    All calls may raise `OdysseyAuthError`, `OdysseyConnectionError` and `OdysseyUsageError`. Calls with an id
    raise `OdysseyNotFoundError` if the id is unknown or belongs to another user.
    """

    def __init__(self, config: ClientConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._http = HttpClient(clock)
        self._token = AccessToken(clock, config.api_url)
        self._http.after_fork(self._token.begin)
        self._regions = Regions(self._http, clock, config.api_url)

    @property
    def config(self) -> ClientConfig:
        """The settings of the client."""
        return self._config

    @property
    def http(self) -> HttpClient:
        """The HTTP connections, also for requests to other servers: downloads, WHEP, HLS."""
        return self._http

    def close(self) -> None:
        """End all calls, now and later, and close all connections."""
        self._http.close()

    def wait_between_calls(self, seconds: float) -> None:
        """Wait ``seconds``; raise `OdysseyConnectionError`, code ``closed``, if this is closed meanwhile."""
        with self._http.call(Deadline(None, self._clock)) as call:
            if not call.pause(seconds):
                raise connection_error(ConnectionAbortedError(), call, "waiting", self._config.api_url)

    # --- sessions

    def access_token(self, deadline: Deadline, *, abort: Abort | None = None) -> Secret:
        """Return a token for the other calls, a new one only if the last has expired (`POST /auth/token`).

        Raises:
            OdysseyAuthError: the key is missing, or was refused.
            AccountSuspendedError: the account is suspended.
            OdysseyConnectionError: the service cannot be reached, or gave an invalid answer.
        """
        with self._call(deadline, abort) as call:
            return self._access_token(call)

    def region_latencies(self, deadline: Deadline, *, abort: Abort | None = None) -> dict[str, int]:
        """Return the round trip to each region in ms, 9999 without an answer within 1 s (`GET /regions`).

        The result is empty if the regions are not available; a success is kept for the life of the client.

        Raises:
            OdysseyConnectionError: the call was aborted; other failures do not raise.
        """
        with self._call(deadline.within(LISTING_TIMEOUT_S), abort) as call:
            return self._regions.latencies_ms(
                lambda: self._perform(_LIST_REGIONS, wire.RegionsResponse, call).regions, deadline, call
            )

    def request_session(self, deadline: Deadline, *, abort: Abort | None = None) -> wire.SessionResponse:
        """Request a streamer once (`POST /sessions/request`), with the latencies of the regions.

        Raises:
            OdysseyConnectionError: no streamer is free (code ``no_streamers``), or the service cannot be reached.
            OdysseyAuthError: the key or the token was refused.
            OdysseyUsageError: a limit of the account is reached.
        """
        latencies = self.region_latencies(deadline, abort=abort)
        body = wire.SessionRequest(region_latencies=latencies or None)
        session = self.perform(_REQUEST_SESSION, wire.SessionResponse, deadline, body, abort=abort)
        if len(session.session_id) > IDENTIFIER_MOST_CHARS or not session.session_id.isprintable():
            problem = "session_id is not a valid id"
            raise MalformedMessageError(
                f"{_REQUEST_SESSION.name}: Malformed SessionResponse: {problem}",
                problems=(problem,),
                code="malformed",
                operation=_REQUEST_SESSION.name,
            )
        return session

    def session_token(
        self, session_id: str, deadline: Deadline, *, abort: Abort | None = None
    ) -> wire.SessionTokenResponse:
        """Return a token for the signaling of a session (`POST /sessions/token`); several may be valid at once.

        Raises:
            OdysseyConnectionError: the session is unknown (status 404), or the service cannot be reached.
            OdysseyAuthError: the key or the token was refused.
        """
        body = wire.SessionTokenRequest(session_id=session_id)
        try:
            return self.perform(_GET_SESSION_TOKEN, wire.SessionTokenResponse, deadline, body, abort=abort)
        except OdysseyError as exc:
            exc.session_id = session_id
            raise

    def signaling_config(
        self, config_url: str, deadline: Deadline, *, abort: Abort | None = None
    ) -> tuple[wire.IceServer, ...]:
        """Return the ICE servers to use now (`GET <signaling>/config`, see `signaling_url.config_url`).

        An answer that names some is used whatever its status (spec/behaviour.md#ice-servers).

        Raises:
            OdysseyConnectionError: they are not available within 3 s; a public STUN server may do instead.
        """
        with self._call(deadline.within(_CONFIG_TIMEOUT_S), abort) as call:
            return tuple(self._perform(_GET_CONFIG, wire.SignalingConfig, call, url=config_url).ice_servers)

    # --- recordings

    def recording(self, stream_id: str, deadline: Deadline, *, abort: Abort | None = None) -> wire.Recording:
        """Return the artifacts of a stream (`GET /recordings/{stream_id}`)."""
        about = arguments.identifier("stream_id", stream_id)
        return self.perform(_GET_RECORDING, wire.Recording, deadline, about=about, abort=abort)

    def recordings(self, limit: int | None, offset: int | None, deadline: Deadline) -> wire.StreamRecordingsList:
        """Return one page of the recordings (`GET /stream-recordings`)."""
        path = _LIST_RECORDINGS.path + _query(**_page(limit, offset))
        return self.perform(_LIST_RECORDINGS, wire.StreamRecordingsList, deadline, path=path)

    # --- simulation jobs

    def simulate(
        self, request: wire.SimulationRequest | Mapping[str, Any], deadline: Deadline
    ) -> SimulationJobDetail:
        """Create a job (`POST /simulation-jobs`), once: a failed call may leave a job behind.

        A request that is given as JSON-ready data may have fields that the model lacks.
        """
        from .._model.simulation_job import SimulationJobDetail  # loads models that most programs do not need

        return self.perform(_SIMULATE, SimulationJobDetail, deadline, request)

    def job(self, job_id: str, deadline: Deadline) -> SimulationJobDetail:
        """Return a job with its streams (`GET /simulation-jobs/{job_id}`)."""
        from .._model.simulation_job import SimulationJobDetail  # loads models that most programs do not need

        return self.perform(_GET_JOB, SimulationJobDetail, deadline, about=_job(job_id))

    def jobs(
        self,
        deadline: Deadline,
        *,
        status: str | None = None,
        active: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> wire.SimulationJobsList:
        """Return one page of the jobs, newest first (`GET /simulation-jobs`)."""
        page = _page(limit, offset)
        check_job_filter(status, active)
        path = _LIST_JOBS.path + _query(
            status=status, active=None if active is None else str(active).lower(), **page
        )
        return self.perform(_LIST_JOBS, wire.SimulationJobsList, deadline, path=path)

    def cancel_job(self, job_id: str, deadline: Deadline) -> wire.SimulationJobInfo:
        """Cancel a job (`DELETE /simulation-jobs/{job_id}`); raise `NotCancellableError` if it is too late."""
        repeated: list[str | None] = []
        answer: wire.CancelledSimulation | SimulationJobDetail
        try:
            answer = self.perform(
                _CANCEL_JOB, wire.CancelledSimulation, deadline, about=_job(job_id), repeated=repeated
            )
        except OdysseyError as exc:
            if exc.code != "not_cancellable" or not repeated:
                raise
            answer = self.job(job_id, deadline)  # perhaps an earlier request has cancelled it
            if answer.status != wire.SimulationJobStatus.CANCELLED:
                raise
        return wire.SimulationJobInfo(
            job_id=answer.job_id,
            status=answer.status,
            priority=answer.priority or "",
            created_at=answer.created_at or "",
            completed_at=answer.completed_at,
            error_message=answer.error_message,
        )

    # --- telemetry

    def report(self, request: wire.TelemetryRequest, deadline: Deadline) -> None:
        """Send telemetry, once (`POST /telemetry`). It needs no token, and the answer is ignored."""
        self.perform(_REPORT, bytes, deadline, request)

    # --- one call

    def perform(
        self,
        operation: Operation,
        kind: type[T],
        deadline: Deadline,
        body: Any = None,
        *,
        path: str | None = None,
        about: str = "",
        abort: Abort | None = None,
        repeated: list[str | None] | None = None,
    ) -> T:
        """Make the call ``operation`` and return its answer as ``kind``, a model or plain `bytes`.

        Args:
            operation: the call.
            kind: what to read the answer as.
            deadline: the deadline for the whole call.
            body: the model to send; None for no body.
            path: the operation's path with its query, if it has one.
            about: the id for the braces of the operation's path.
            abort: ends the call.
            repeated: receives the codes of the failures after which the request was repeated; each of those
                requests may have been carried out.

        Raises:
            OdysseyError: the service refused the call, or cannot be reached in time.
        """
        with self._call(deadline, abort) as call:
            url = self._config.api_url + (
                path or _ID_IN_PATH.sub(lambda _: arguments.quoted(about), operation.path)
            )
            return self._perform(operation, kind, call, body, url=url, about=about, repeated=repeated)

    def _perform(
        self,
        operation: Operation,
        kind: type[T],
        call: Call,
        body: Any = None,
        *,
        url: str | None = None,
        about: str = "",
        repeated: list[str | None] | None = None,
    ) -> T:
        """Send ``body`` and read the answer; authorize, renew the token once, and repeat if allowed."""
        url = url or self._config.api_url + operation.path
        sent = _Body(None if body is None else codec.encode(body).encode())
        repetitions = Repetitions(call, allowed=operation.repeat)
        may_renew = operation.authorized
        while True:
            token = self._access_token_for(operation, call) if operation.authorized else None
            try:
                answer = self._http.exchange(self._request(operation, url, sent.data, token, about), call)
                if operation.answers(answer):
                    return _decoded(kind, answer, call, url)
                raise refusal(answer)
            except OdysseyError as exc:
                if exc.status == 401 and may_renew and token is not None:
                    may_renew = False
                    self._token.forget(token)
                    continue
                if not repetitions.wait_after(exc):
                    raise
                if repeated is not None:
                    repeated.append(exc.code)

    def _request(
        self, operation: Operation, url: str, data: bytes | None, token: Secret | None, about: str
    ) -> HttpRequest:
        headers = {"Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return HttpRequest(
            operation=operation.name,
            method=operation.method,
            url=url,
            headers=headers,
            body=data,
            about=about,
            secrets=tuple(secret for secret in (self._config.api_key, token) if secret),
            reach=Reach.ORIGIN if operation.authorized or data is not None else Reach.ANYWHERE,
            collected=operation is not _AUTHENTICATE,
            most_bytes=operation.most_bytes,
        )

    def _call(self, deadline: Deadline, abort: Abort | None) -> Call:
        return self._http.call(deadline, abort, on_wake=self._token.wake)

    def _access_token_for(self, operation: Operation, call: Call) -> Secret:
        try:
            return self._access_token(call)
        except OdysseyAuthError as exc:
            failure = unauthorized(exc, operation.name)
            if failure is exc:
                raise
        raise failure

    def _access_token(self, call: Call) -> Secret:
        key = self._config.require_api_key()
        return self._token.get(
            call,
            lambda: self._perform(_AUTHENTICATE, wire.TokenResponse, call, wire.TokenRequest(api_key=key)),
        )


def check_job_filter(status: object, active: object) -> None:
    """Raise unless these are valid filters for the list of jobs.

    Raises:
        TypeError: an argument is of the wrong type.
        OdysseyConfigError: the status is unknown.
    """
    if status is not None:
        arguments.one_of("status", status, tuple(known.value for known in wire.SimulationJobStatus))
    if active is not None:
        arguments.flag("active", active)


def _decoded(kind: type[T], answer: HttpAnswer, call: Call, url: str) -> T:
    """Read an answer as ``kind``, within the time of the call."""
    if kind is bytes:
        return cast("T", answer.body)
    named = _ID_IN_PATH.search(answer.operation)
    # Nothing is missing in an empty answer to a DELETE, which is often a 204.
    body = answer.body if answer.body.strip() or answer.operation != _CANCEL_JOB.name else b"{}"
    try:
        return codec.decode(kind, body, {named[1]: answer.about} if named else {}, check=call.remaining)
    except MalformedMessageError as exc:
        raise unreadable(answer, exc) from None
    except OSError as exc:  # the time of the call is over, or it was aborted
        failure = connection_error(exc, call, answer.operation, url)
    raise failure


def _job(job_id: str) -> str:
    return arguments.identifier("job_id", job_id)


def _page(limit: int | None, offset: int | None) -> dict[str, int | None]:
    return {
        "limit": arguments.whole("limit", limit, least=1, most=arguments.MOST_PER_PAGE),
        "offset": arguments.whole("offset", offset, least=0, most=arguments.FARTHEST),
    }


def _query(**values: str | int | None) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
