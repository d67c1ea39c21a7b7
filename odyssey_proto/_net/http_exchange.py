"""HTTP exchanges over requests: sending, following redirects, reading, retrying, and collecting answers.

Every HTTP request of the library goes through here: REST, WHEP and downloads alike. This module has no queue,
keeps no cookies, and does not know what the answers are for. What it repeats, and when, is in
spec/behaviour.md#repeating-calls. `redirects` decides where a request may go.
"""

from __future__ import annotations

import contextlib
import contextvars
import http
import logging
import random
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs
import requests

from .._base import errands, process_end
from .._base.abort import Abort
from .._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyError, OdysseyUsageError
from .._base.limits import SMALL_ANSWER_MOST_BYTES
from .._base.weak_set import ConcurrentWeakSet
from ..core.refusals import HttpAnswer, unreadable
from .call import Call
from .content_coding import too_large, unpacked
from .failures import NETWORK_ERRORS, connection_error, proxy_refusal
from .library_logs import without_secrets
from .observation import show_exchange
from .proxies import proxy_for
from .redirects import Reach, Route, as_sent, in_query, what_is_wrong_with
from .sockets import USER_AGENT, Adapter
from .stand_ins import readable, session_send
from .tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .._base.clock import Clock, Deadline

__all__ = ["HttpClient", "HttpRequest", "Repetitions", "answers", "demanded_pause"]

log = logging.getLogger("odyssey_proto.http")

_CHUNK: Final = 64 * 1024  # bytes
_REDIRECT_BODY_S: Final = 0.2  # for the body of a redirect, which usually comes with its head
_REFUSED: Final = 300  # from this status on, an answer is a refusal, even if its body cannot be read
_WORDS_WAIT_S: Final = 3.0  # for that body, which only adds detail
_KEPT_PER_HOST: Final = 32  # idle connections
_REPEAT_AFTER_S: Final = (0.2, 0.6)  # before each repetition
_PASSING: Final = frozenset({None, 502, 503, 504})  # no answer, or that of a service being restarted
_TOO_MANY: Final = 429  # repeated only if the service says when
_LONGEST_PAUSE_S: Final = 60.0  # if the service demands a longer pause, the call is not repeated
_JITTER: Final = 0.25  # the largest part of the pause to add, so that clients that failed together come back apart
_MOST_JITTER_S: Final = 2.0


@attrs.frozen(kw_only=True)
class HttpRequest:
    """An HTTP request."""

    operation: str
    """The name of the request in errors, such as ``POST /auth/token``."""
    method: str
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Headers in addition to ``User-Agent`` and ``Accept-Encoding: gzip``, or in place of them."""
    body: bytes | None = attrs.field(default=None, repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Secrets that no error may quote, even if the server repeats them."""
    reach: Reach = Reach.ORIGIN
    """How far a redirect may lead it."""
    token: str = attrs.field(default="", repr=False)
    """The token in the address: a redirect to an address that carries it may lead to another origin."""
    of_api: bool = True
    """Whether the answer should be JSON of the service's API."""
    about: str = ""
    """The id in the path, if there is one."""
    collected: bool = True
    """Whether `answers` collects the answer."""
    most_bytes: int = SMALL_ANSWER_MOST_BYTES
    """The largest answer to the request, unpacked, in bytes."""


class HttpClient:
    """The resources of a client for all its requests: idle connections, and an abort that ends running requests.

    Any thread may call any method. Each request belongs to a `Call`, which has the deadline and the aborts. In the
    child of a fork, the client starts afresh, with connections of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closed = False
        self._after_fork: list[Callable[[], None]] = []
        self.tap: Tap = Tap()
        """Shows the calls."""
        self._begin()
        _clients.add(self)

    def _begin(self) -> None:
        """Start with no connection and no lock held: called on creation, and in the child of a fork."""
        self._abort = Abort()
        self._adapter = Adapter(pool_maxsize=_KEPT_PER_HOST)
        if self._closed:
            self._abort.abort()
        for begin in self._after_fork:
            begin()

    def after_fork(self, begin: Callable[[], None]) -> None:
        """Call ``begin`` in the child of a fork too, as long as this client lives."""
        self._after_fork.append(begin)

    def close(self) -> None:
        """End all calls, now and later, and close all connections."""
        self._closed = True
        self._abort.abort()
        self._adapter.close()

    def drop_idle(self) -> None:
        """Reuse no open connection: a network that has lost one has often lost all, and reports it late."""
        self._adapter.drop_idle()

    def call(
        self, deadline: Deadline, abort: Abort | None = None, *, on_wake: Callable[[], object] | None = None
    ) -> Call:
        """Return a call, for a ``with``, that the deadline, ``abort`` or closing this client ends.

        It also ends if the work that it is part of is abandoned (`errands`).
        """
        return Call(deadline, self._abort, abort, errands.current_abort(), on_wake=on_wake)

    def pause(self, seconds: float, deadline: Deadline, abort: Abort | None = None) -> bool:
        """Wait ``seconds`` between two calls; return whether the deadline and ``abort`` allow the next call."""
        with self.call(deadline, abort) as call:
            return call.pause(seconds)

    def exchange(self, request: HttpRequest, call: Call) -> HttpAnswer:
        """Send ``request`` and return the final answer, whatever its status, read to its end and decompressed.

        Raises:
            MalformedMessageError: the answer is not HTTP; or it is a success that is larger than the request
                expects, damaged, or compressed in a way that was not asked for.
            OdysseyConnectionError: no answer came in time, or it redirects to where the request must not go; code
                ``closed`` if the call was aborted.
        """
        return self.follow(request, call)[0]

    def follow(self, request: HttpRequest, call: Call) -> tuple[HttpAnswer, str]:
        """Do the same as `exchange`, and also return the address that gave the final answer."""
        began = self._clock.now()
        failure: OdysseyError | None = None
        route = _route(request)
        answer = HttpAnswer(operation=request.operation, about=request.about, status=0)
        try:
            with contextlib.closing(self._open(request, route, call)) as response:
                answer = _head(request, response)
                body = (
                    _read_body(response, request.most_bytes)
                    if answer.status < _REFUSED
                    else _read_words(call, response, request.most_bytes)
                )
                answer = attrs.evolve(answer, body=body)
                self._show(request, route.url, answer, answer.body)
        except MalformedMessageError as exc:
            failure = unreadable(answer, exc, of_api=request.of_api)
        except NETWORK_ERRORS as exc:
            failure = connection_error(exc, call, request.operation, route.url, answer.asked)
        took_ms = (self._clock.now() - began) * 1000
        path = urlsplit(request.url).path
        if failure is not None:
            log.debug("%s %s: %s after %.0f ms", request.method, path, failure.code, took_ms)
            raise failure
        size = len(answer.body)
        log.debug("%s %s: %d after %.0f ms, %d bytes", request.method, path, answer.status, took_ms, size)
        collected = _collected.get()
        if collected is not None and request.collected:
            collected.append(answer)
        return answer, route.url

    def send(self, request: HttpRequest, call: Call) -> tuple[requests.Response, str]:
        """Send ``request`` and return the final answer with its body unread, and the address that gave it.

        The caller closes the answer.

        Raises:
            OdysseyConnectionError: no answer came in time, or it redirects to where the request must not go; code
                ``closed`` if the call was aborted.
        """
        route = _route(request)
        try:
            response = self._open(request, route, call)
        except NETWORK_ERRORS as exc:
            failure = connection_error(exc, call, request.operation, route.url)
        else:
            self._show(request, route.url, _head(request, response), None)
            return response, route.url
        raise failure

    def _open(self, request: HttpRequest, route: Route, call: Call) -> requests.Response:
        """Send ``request`` along ``route`` and return the final answer with its body unread."""
        while True:
            url = route.url
            response = self._send(request, url, call)
            try:
                answer = _head(request, response)
                if not route.follow(answer):
                    return response
                self._show(request, url, answer, None)
            except BaseException:
                response.close()
                raise
            _drain(response, call)
            log.debug("%s %s: %d, redirected", request.method, urlsplit(request.url).path, answer.status)

    def _show(self, request: HttpRequest, url: str, answer: HttpAnswer, body: bytes | None) -> None:
        headers = {"User-Agent": USER_AGENT, **request.headers}
        show_exchange(
            request.operation,
            request.method,
            url,
            headers,
            request.body,
            answer.status,
            answer.headers,
            body,
            self.tap,
        )

    def _send(self, request: HttpRequest, url: str, call: Call) -> requests.Response:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **request.headers}
        # Not a Session, which would use passwords from ~/.netrc, keep cookies and follow redirects by other rules.
        prepared = requests.Request(request.method, url, headers=headers, data=request.body).prepare()
        proxy = proxy_for(url)
        proxies = {} if proxy is None else {"all": proxy.url}
        call.target = as_sent(url)
        call.proxy = "" if proxy is None else proxy.name
        with call.current(), without_secrets():
            send = session_send() or self._adapter.send
            response = readable(send(prepared, stream=True, timeout=call.remaining(), proxies=proxies))
        if proxy is None or response.status_code != http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return response
        response.close()
        raise proxy_refusal(
            proxy.name,
            response.status_code,
            response.reason,
            urlsplit(url).netloc,
            request.operation,
            challenge=response.headers.get("Proxy-Authenticate", ""),
        )


def _route(request: HttpRequest) -> Route:
    # A user's own addresses are checked earlier.
    if (problem := what_is_wrong_with(request.url)) is not None:
        raise OdysseyConnectionError(
            f"{request.operation}: the address that the service gave cannot be used: {problem}",
            code="invalid_url",
            operation=request.operation,
        )
    return Route(request.url, request.method, request.reach, request.token)


def _head(request: HttpRequest, response: requests.Response) -> HttpAnswer:
    return HttpAnswer(
        operation=request.operation,
        about=request.about,
        status=response.status_code,
        reason=response.reason or "",
        headers=response.headers,
        secrets=(*request.secrets, *in_query(request.url)),
    )


def _drain(response: requests.Response, call: Call) -> None:
    """Read the body of a redirect, so that the connection can be used again; if it takes long, drop both."""
    deadline, call.deadline = call.deadline, call.deadline.within(_REDIRECT_BODY_S)
    try:
        with contextlib.closing(response), contextlib.suppress(*NETWORK_ERRORS):
            if int(response.headers.get("Content-Length", _CHUNK)) < _CHUNK:
                response.raw.read(_CHUNK, decode_content=False)
    finally:
        call.deadline = deadline


# --- reading


def _read_body(response: requests.Response, limit: int) -> bytes:
    """Read the body to its end and decompress it; neither it nor the result of a coding may exceed ``limit``.

    It raises `MalformedMessageError`, and the exceptions in `failures.NETWORK_ERRORS`.
    """
    packed = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        packed += chunk
        if len(packed) > limit:
            raise too_large(limit)
    return unpacked(bytes(packed), response.headers.get("Content-Encoding", ""), limit)


def _read_words(call: Call, response: requests.Response, limit: int) -> bytes:
    """Read the body of a refusal, or return b"" if it does not come soon, or cannot be read.

    It raises the exceptions in `failures.NETWORK_ERRORS` only if the call was aborted.
    """
    deadline, call.deadline = call.deadline, call.deadline.within(_WORDS_WAIT_S)
    try:
        return _read_body(response, limit)
    except NETWORK_ERRORS:
        if call.aborted:
            raise
        return b""
    finally:
        call.deadline = deadline


# --- repeating


class Repetitions:
    """Decides whether, and after which pause, one call is retried after a temporary failure."""

    def __init__(self, call: Call, *, allowed: bool) -> None:
        self._call = call
        self._delays_s = iter(_REPEAT_AFTER_S if allowed else ())

    def wait_after(self, exc: OdysseyError) -> bool:
        """Wait until the call that failed with ``exc`` may be repeated; return False at once if it may not."""
        pause = _pause(exc, next(self._delays_s, None))
        return pause is not None and self._call.pause(pause)


def _pause(exc: OdysseyError, least: float | None) -> float | None:
    """Return the time to wait before repeating a call that failed with ``exc``, in s; None to not repeat it.

    If the service demands a pause, the call is repeated after all of it or not at all: an earlier request would be
    refused again, and a caller that gets the error at once, with ``retry_after``, can do something else meanwhile.
    """
    if least is None or not exc.recoverable or isinstance(exc, OdysseyUsageError):
        return None
    if exc.status not in _PASSING and not (exc.status == _TOO_MANY and exc.retry_after is not None):
        return None
    return demanded_pause(exc, least)


def demanded_pause(exc: OdysseyError, least: float) -> float | None:
    """Return the time to wait before the next request after ``exc``, in s; None if the service demands too much.

    It is at least ``least`` s and at least what the service demands, plus a little at random.
    """
    wanted = exc.retry_after or 0.0
    if wanted > _LONGEST_PAUSE_S:
        return None
    pause = max(least, wanted)
    return pause + random.uniform(0, min(pause * _JITTER, _MOST_JITTER_S))  # noqa: S311  # not a secret


# --- collecting answers

_collected: contextvars.ContextVar[list[HttpAnswer] | None] = contextvars.ContextVar(
    "odyssey_answers", default=None
)


@contextlib.contextmanager
def answers() -> Iterator[list[HttpAnswer]]:
    """Collect the answers to all calls of this thread in a ``with``, refusals included, except access tokens."""
    collected: list[HttpAnswer] = []
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)


# --- after a fork

_clients: ConcurrentWeakSet[HttpClient] = ConcurrentWeakSet()


@process_end.after_fork_in_child
def _reset_in_child() -> None:
    for client in tuple(_clients):
        client._begin()
