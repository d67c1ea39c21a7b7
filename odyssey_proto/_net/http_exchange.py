"""The REST calls of the service over requests: one method each, typed answers, typed failures.

Access tokens are fetched when they are needed, shared by all threads, and renewed once when the service refuses
one early. What is repeated after a failure, and what a refusal means, is told by the operations at the top. It
waits in no queue, follows no redirect, keeps no cookie, and knows nothing of what the answers are for.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import random
import threading
import zlib
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import attrs
import odyssey_models as wire
import requests

from .._base import process_end
from .._base.abort import Abort
from .._base.clock import Deadline
from .._base.errors import (
    MalformedMessageError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyUsageError,
)
from .._base.secrets import Secret
from .._base.weak_set import ConcurrentWeakSet
from .._model import codec
from .._version import __version__
from .failures import NETWORK_ERRORS, Answer, connection_error, refusal, unreadable
from .sockets import Adapter, Call, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._base.clock import Clock
    from .._model.config import ClientConfig
    from .failures import Refusals

__all__ = ["TOKEN_REFUSED", "Abort", "HttpTransport", "Operation", "answers", "read_body"]

T = TypeVar("T")
log = logging.getLogger(__name__)

_ANSWER_LIMIT: Final = 4 * 1024 * 1024  # bytes of an answer, decompressed
_TOKEN_LIFETIME: Final = 3600.0  # s, where the service does not tell (spec/openapi.yaml)
_TOKEN_MARGIN: Final = 60.0  # s before its end from which a token counts as expired
_LATE: Final = 9999  # ms, the latency of a region that does not answer in time
_PING_TIMEOUT: Final = 1.0  # s for all regions together
_PINGED_AT_MOST: Final = 32  # regions; each takes a thread
_REGIONS_TIMEOUT: Final = 2.0  # s; without regions the session is worse placed, but it is there
_CONFIG_TIMEOUT: Final = 3.0  # s; the caller goes on without
_REPEAT_AFTER: Final = (0.2, 0.6)  # s before each repetition
_PASSING: Final = frozenset({None, 502, 503, 504})  # no answer at all, or that of a service being restarted
_TOO_MANY: Final = 429  # repeated only where the service tells when
_LONGEST_PAUSE: Final = 60.0  # s; a service that wants to be left alone for longer is not asked again by itself
_JITTER: Final = 0.25  # of the pause at most is added, so that clients that failed together do not return together
_MOST_JITTER: Final = 2.0  # s
_KEPT_PER_HOST: Final = 32  # idle connections


@attrs.frozen
class Operation:
    """One call of the service: where, how, and what its refusals mean."""

    method: str
    path: str
    repeat: bool
    """Whether asking again does no harm: a failure that may pass is then repeated."""
    authorized: bool = True
    refusals: Refusals = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """What errors and logs call it."""
        return f"{self.method} {self.path}"


TOKEN_REFUSED: Final = {
    401: (OdysseyAuthError, "unauthorized", "{operation}: the access token was refused: {detail}"),
    403: (OdysseyAuthError, "forbidden", "{operation}: access denied: {detail}"),
}
_AUTHENTICATE: Final = Operation(
    "POST",
    "/auth/token",
    repeat=True,
    authorized=False,
    refusals={
        401: (OdysseyAuthError, "invalid_api_key", "Invalid API key: check api_key or ODYSSEY_API_KEY"),
        403: (OdysseyAuthError, "access_denied", "API key access denied: {detail}"),
        422: (OdysseyAuthError, "malformed_api_key", "Invalid API key format: {detail}"),
    },
)
_LIST_REGIONS: Final = Operation("GET", "/regions", repeat=False, refusals=TOKEN_REFUSED)
_PING: Final = Operation("GET", "(ping)", repeat=False, authorized=False)
_REQUEST_SESSION: Final = Operation(
    "POST",
    "/sessions/request",
    repeat=False,  # each may take a streamer
    refusals={
        **TOKEN_REFUSED,
        503: (
            OdysseyConnectionError,
            "no_streamers",
            "No streamers available: try later, or raise queue_timeout_s",
        ),
    },
)
_GET_SESSION_TOKEN: Final = Operation(
    "POST",
    "/sessions/token",
    repeat=True,
    refusals={
        **TOKEN_REFUSED,
        404: (
            OdysseyConnectionError,
            "unknown_session",
            "The session is unknown, has ended, or is another user's",
        ),
    },
)
_GET_CONFIG: Final = Operation("GET", "/config", repeat=True, authorized=False)


@attrs.frozen
class _Token:
    value: Secret
    expires_at: float


_seen: contextvars.ContextVar[list[Answer] | None] = contextvars.ContextVar("odyssey_answers", default=None)


@contextlib.contextmanager
def answers() -> Iterator[list[Answer]]:
    """Collect the answers, also those that refuse, of the calls that this thread makes; those for tokens aside."""
    seen: list[Answer] = []
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


class HttpTransport:
    """All REST calls of one client. Any thread may call any method; each raises only what `errors` defines.

    A call takes until ``deadline`` at most, however slowly the server sends, and ends at once when ``abort`` does.
    """

    def __init__(self, config: ClientConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._closed = False
        self._token: _Token | None = None
        self._latencies: dict[str, int] | None = None
        self._begin()
        _transports.add(self)

    def _begin(self) -> None:
        """Begin with no connection and no lock held: when made, and in the child of a fork."""
        self._abort = Abort()
        self._changed = threading.Condition()  # guards the token
        self._authenticating = False
        self._adapter = Adapter(pool_maxsize=_KEPT_PER_HOST)
        if self._closed:
            self._abort.abort()

    @property
    def config(self) -> ClientConfig:
        """What the client was told when it was made."""
        return self._config

    # --- the calls

    def access_token(self, deadline: Deadline, *, abort: Abort | None = None) -> Secret:
        """Return a token for the other calls, a new one only when there is none that lasts (`POST /auth/token`).

        Raises:
            OdysseyAuthError: there is no key, or it was refused.
            AccountSuspendedError: the account is suspended.
            OdysseyConnectionError: the service cannot be reached, or answered what it should not.
        """
        with self.call(deadline, abort) as call:
            return self._access_token(call)

    def region_latencies(self, deadline: Deadline, *, abort: Abort | None = None) -> dict[str, int]:
        """Return the round trip to each region in ms, 9999 for one that took longer than 1 s (`GET /regions`).

        Empty when the regions cannot be had; a success is kept for the life of the client.

        Raises:
            OdysseyConnectionError: it was aborted; nothing else.
        """
        if self._latencies is None:
            try:
                with self.call(deadline.within(_REGIONS_TIMEOUT), abort) as call:
                    regions = self._ask(_LIST_REGIONS, wire.RegionsResponse, call).regions
                    self._latencies = self._ping(regions, deadline.within(_PING_TIMEOUT), call)
            except OdysseyError as exc:
                if exc.code == "closed":
                    raise
                log.debug("going on without regions: %s", exc)
                return {}
        return dict(self._latencies)

    def request_session(self, deadline: Deadline, *, abort: Abort | None = None) -> wire.SessionResponse:
        """Ask once for a streamer (`POST /sessions/request`), with the latencies of the regions.

        Raises:
            OdysseyConnectionError: no streamer is free (code ``no_streamers``), or the service cannot be reached.
            OdysseyAuthError: key or token were refused.
            OdysseyUsageError: a limit of the account is reached.
        """
        latencies = self.region_latencies(deadline, abort=abort)
        with self.call(deadline, abort) as call:
            body = wire.SessionRequest(region_latencies=latencies or None)
            return self._ask(_REQUEST_SESSION, wire.SessionResponse, call, body)

    def session_token(
        self, session_id: str, deadline: Deadline, *, abort: Abort | None = None
    ) -> wire.SessionTokenResponse:
        """Return a token for the signaling of a session (`POST /sessions/token`); several may be valid at once.

        Raises:
            OdysseyConnectionError: the session is unknown (status 404), or the service cannot be reached.
            OdysseyAuthError: key or token were refused.
        """
        with self.call(deadline, abort) as call:
            try:
                body = wire.SessionTokenRequest(session_id=session_id)
                return self._ask(_GET_SESSION_TOKEN, wire.SessionTokenResponse, call, body)
            except OdysseyError as exc:
                exc.session_id = session_id
                raise

    def signaling_config(
        self, config_url: str, deadline: Deadline, *, abort: Abort | None = None
    ) -> tuple[wire.IceServer, ...]:
        """Return the ICE servers to use now (`GET <signaling>/config`, see `signaling.config_url`).

        Raises:
            OdysseyConnectionError: they cannot be had, or not within 3 s; a public STUN server may do.
        """
        with self.call(deadline.within(_CONFIG_TIMEOUT), abort) as call:
            return tuple(self._ask(_GET_CONFIG, wire.SignalingConfig, call, url=config_url).ice_servers)

    def ask(
        self,
        operation: Operation,
        kind: type[T],
        deadline: Deadline,
        body: Any = None,
        *,
        path: str | None = None,
        abort: Abort | None = None,
        repeated: list[str | None] | None = None,
    ) -> T:
        """Make the call ``operation`` and return its answer as ``kind``, a model or plain `bytes`.

        ``path`` is its path with what the operation's has braces for, quoted, and with its query. The codes of
        failures after which it was asked again are appended to ``repeated``: each may have been carried out.

        Raises:
            OdysseyError: whatever its refusals say, or that the service cannot be reached in time.
        """
        with self.call(deadline, abort) as call:
            url = None if path is None else self._config.api_url + path
            return self._ask(operation, kind, call, body, url=url, repeated=repeated)

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``; raise `OdysseyConnectionError`, code ``closed``, where this is closed meanwhile."""
        with self.call(Deadline(None, self._clock)) as call:
            if not call.pause(seconds):
                raise connection_error(ConnectionAbortedError(), call, "waiting", self._config.api_url)

    def close(self) -> None:
        """End all calls, now and later, and close all connections."""
        self._closed = True
        self._abort.abort()
        self._adapter.close()

    def call(self, deadline: Deadline, abort: Abort | None = None) -> Call:
        """Return a call, for a ``with``, that ends with the deadline, with ``abort`` or with this transport."""
        return Call(deadline, self._abort, abort, on_wake=self._notify)

    # --- the access token

    def _access_token(self, call: Call) -> Secret:
        key = self._config.require_api_key()
        with self._changed:
            while True:
                left = _remaining(call, _AUTHENTICATE, self._config.api_url)
                if self._token is not None and self._clock.now() < self._token.expires_at:
                    return self._token.value
                if not self._authenticating:
                    self._authenticating = True
                    break
                self._changed.wait(left)
        try:
            asked_at = self._clock.now()
            answer = self._ask(_AUTHENTICATE, wire.TokenResponse, call, wire.TokenRequest(api_key=key))
            lifetime = _TOKEN_LIFETIME if answer.expires_in is None else answer.expires_in
            token = _bearer(answer.access_token)
            self._token = _Token(token, asked_at + lifetime - _TOKEN_MARGIN)
            return token
        finally:
            with self._changed:
                self._authenticating = False
                self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _forget(self, token: Secret) -> None:
        with self._changed:
            if self._token is not None and self._token.value == token:
                self._token = None

    # --- regions

    def _ping(self, regions: list[wire.Region], deadline: Deadline, call: Call) -> dict[str, int]:
        """Measure all regions at once; each thread ends with the deadline, whatever its server does."""
        latencies = {region.id: _LATE for region in regions}
        enough = Abort()

        def ping(region: wire.Region) -> None:
            began = self._clock.now()
            with Call(deadline, *call.aborts, enough) as one, contextlib.suppress(OdysseyError):
                if self._exchange(_PING, region.ping_url, None, None, one).ok:
                    latencies[region.id] = round((self._clock.now() - began) * 1000)

        threads = [
            threading.Thread(target=ping, args=(region,), name=f"odyssey-ping-{number}", daemon=True)
            for number, region in enumerate(regions[:_PINGED_AT_MOST])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(deadline.remaining())
        measured = dict(latencies)  # what comes later does not count
        enough.abort()
        if call.aborted:
            raise connection_error(ConnectionAbortedError(), call, _LIST_REGIONS.name, self._config.api_url)
        return measured

    # --- one call

    def _ask(
        self,
        operation: Operation,
        kind: type[T],
        call: Call,
        body: Any = None,
        *,
        url: str | None = None,
        repeated: list[str | None] | None = None,
    ) -> T:
        """Send ``body`` and read the answer; authorize, renew the token once, repeat what may be repeated."""
        url = url or self._config.api_url + operation.path
        text = None if body is None else codec.encode(body)
        delays = iter(_REPEAT_AFTER if operation.repeat else ())
        may_renew = operation.authorized
        while True:
            token = self._access_token(call) if operation.authorized else None
            try:
                answer = self._exchange(operation, url, text, token, call)
                if answer.ok:
                    return _decoded(kind, answer)
                raise refusal(answer, operation.refusals)
            except OdysseyError as exc:
                if exc.status == 401 and may_renew and token is not None:
                    may_renew = False
                    self._forget(token)
                    continue
                delay = _pause(exc, next(delays, None))
                if delay is None or not call.pause(delay):
                    raise
                if repeated is not None:
                    repeated.append(exc.code)

    def send(
        self, method: str, url: str, headers: dict[str, str], call: Call, data: bytes | None = None
    ) -> requests.Response:
        """Send one request and return its answer with the body unread, for whoever closes it.

        It raises what `failures.NETWORK_ERRORS` lists, follows no redirect, and adds no header of its own.
        """
        # No Session: that would take the password of ~/.netrc, keep cookies and follow redirects.
        request = requests.Request(method, url, headers=headers, data=data).prepare()
        proxies, verify = environment(url)
        with call.current():
            return self._adapter.send(
                request, stream=True, timeout=call.remaining(), verify=verify, proxies=proxies
            )

    def _exchange(
        self, operation: Operation, url: str, text: str | None, token: Secret | None, call: Call
    ) -> Answer:
        """Make one HTTP request and read its answer to the end."""
        headers = {
            "User-Agent": f"odyssey-proto/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        if operation is _PING:
            headers["Connection"] = "close"  # no region but one is ever needed again
        if text is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = None if text is None else text.encode()
        began = self._clock.now()
        failure: OdysseyError | None = None
        answer = Answer(operation=operation.name, status=0)
        try:
            with contextlib.closing(self.send(operation.method, url, headers, call, data)) as response:
                answer = Answer(
                    operation=operation.name,
                    status=response.status_code,
                    reason=response.reason or "",
                    headers=response.headers,
                    secrets=tuple(secret for secret in (self._config.api_key, token) if secret),
                )
                answer = attrs.evolve(answer, body=read_body(response))
        except MalformedMessageError as exc:
            failure = unreadable(answer, exc)
        except NETWORK_ERRORS as exc:
            failure = connection_error(exc, call, operation.name, url)
        took_ms = (self._clock.now() - began) * 1000
        path = urlsplit(url).path
        if failure is not None:
            log.debug("%s %s: %s after %.0f ms", operation.method, path, failure.code, took_ms)
            raise failure
        size = len(answer.body)
        log.debug("%s %s: %d after %.0f ms, %d bytes", operation.method, path, answer.status, took_ms, size)
        seen = _seen.get()
        if seen is not None and operation is not _AUTHENTICATE:
            seen.append(answer)
        return answer


def _decoded(kind: type[T], answer: Answer) -> T:
    if kind is bytes:
        return cast("T", answer.body)
    try:
        return codec.decode(kind, answer.body)
    except MalformedMessageError as exc:
        raise unreadable(answer, exc) from None


def _remaining(call: Call, operation: Operation, url: str) -> float | None:
    """Return the s that are left of the call, or raise our own error."""
    try:
        return call.remaining()
    except OSError as exc:
        failure = connection_error(exc, call, operation.name, url)
    raise failure


def _pause(exc: OdysseyError, least: float | None) -> float | None:
    """Return the s to wait before a call that failed with ``exc`` is repeated; None where it is not.

    What the service asks for is kept to or not waited for at all: asked earlier than that it would refuse again,
    and who is told at once, with ``retry_after``, can do something else meanwhile.
    """
    if least is None or not exc.recoverable or isinstance(exc, OdysseyUsageError):
        return None
    told = exc.retry_after
    if exc.status not in _PASSING and not (exc.status == _TOO_MANY and told is not None):
        return None
    if told is not None and told > _LONGEST_PAUSE:
        return None
    pause = max(least, told or 0.0)
    return pause + random.uniform(0, min(pause * _JITTER, _MOST_JITTER))  # noqa: S311  # no secret


def _bearer(token: str) -> Secret:
    """Return the token if it can stand in a header; the check of http.client would quote it."""
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        problem = "access_token is no bearer token"
        raise MalformedMessageError(
            f"{_AUTHENTICATE.name}: Malformed TokenResponse: {problem}",
            problems=(problem,),
            code="malformed",
            operation=_AUTHENTICATE.name,
        )
    return Secret(token)


def read_body(response: requests.Response) -> bytes:
    """Read the body to its end and unpack it, up to 4 MiB. Whatever it is, no more than that is ever held.

    It raises `MalformedMessageError`, and what `failures.NETWORK_ERRORS` lists.
    """
    packed = bytearray()
    while chunk := response.raw.read(65536, decode_content=False):
        packed += chunk
        if len(packed) > _ANSWER_LIMIT:
            raise _unacceptable(f"it is larger than {_ANSWER_LIMIT >> 20} MiB", "too_large")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding in ("", "identity") or not packed:
        return bytes(packed)
    if coding != "gzip":
        raise _unacceptable("it is compressed in a way that was not asked for")
    unpacker = zlib.decompressobj(wbits=31)  # 31: with the header of gzip
    try:
        body = unpacker.decompress(packed, _ANSWER_LIMIT + 1)
    except zlib.error:
        raise _unacceptable("it is no valid gzip") from None
    if len(body) > _ANSWER_LIMIT:
        raise _unacceptable(f"it is larger than {_ANSWER_LIMIT >> 20} MiB", "too_large")
    if not unpacker.eof:
        raise _unacceptable("its gzip is cut short")
    return body


def _unacceptable(problem: str, code: str = "malformed") -> MalformedMessageError:
    return MalformedMessageError(f"Malformed answer: {problem}", problems=(problem,), code=code)


# --- after a fork

_transports: ConcurrentWeakSet[HttpTransport] = ConcurrentWeakSet()


@process_end.after_fork_in_child
def _begin_afresh() -> None:
    for transport in tuple(_transports):
        transport._begin()
