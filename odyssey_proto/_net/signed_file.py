"""Files behind signed addresses: one request, read piece by piece as it arrives.

The address is the permission, so no token goes along, and redirects are followed, but never from https to http.
Time is kept for silence, not for the whole: a large file may take long. What to do with the pieces, and what is
asked again, is in `odyssey_proto._rest.download`.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import attrs

from .._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyError
from ..core.refusals import HttpAnswer, refusal
from .failures import NETWORK_ERRORS, connection_error
from .http_exchange import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .http_exchange import HttpClient
    from .sockets import Call

__all__ = ["Fetched", "fetch"]

log = logging.getLogger("odyssey_proto.http")

_LONGEST_SILENCE_S: Final = 30.0  # without a byte; after that a connection counts as lost
_PIECE: Final = 256 * 1024  # bytes, at most
_REDIRECTS: Final = 5
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


@attrs.frozen
class Fetched:
    """An answer whose body is still to come."""

    status: int
    """200, 206 or 416; all else raises."""
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    pieces: Iterator[bytes]
    """The body as it arrives; each is new, and none is kept."""


@contextlib.contextmanager
def fetch(
    http: HttpClient,
    url: str,
    headers: Mapping[str, str],
    deadline: Deadline,
    abort: Abort,
    *,
    operation: str = "download",
) -> Iterator[Fetched]:
    """Get ``url``, for the length of a ``with``; ``operation`` is what it is for, as errors name it.

    Raises:
        OdysseyConnectionError: it cannot be fetched; ``status`` is set if there was an answer. Raised while
            the pieces are read, too, also for a body that is shorter than announced.
    """
    with http.call(deadline.within(_LONGEST_SILENCE_S), abort) as call:
        response, url = _open(http, url, headers, call, operation)
        with contextlib.closing(response):
            if response.status_code not in (200, 206, 416):
                raise _refused(response, operation)
            if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
                raise MalformedMessageError(
                    f"{operation}: the file is compressed, which was not asked for",
                    code="malformed",
                    operation=operation,
                )
            pieces = _pieces(response, url, deadline, call, operation)
            yield Fetched(response.status_code, response.headers, pieces)


def _open(
    http: HttpClient, url: str, headers: Mapping[str, str], call: Call, operation: str
) -> tuple[requests.Response, str]:
    sent = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
    for _ in range(_REDIRECTS + 1):
        request = HttpRequest(operation=operation, method="GET", url=url, headers=sent)
        response = http.send(request, call)
        log.debug("GET %s: %d", urlsplit(url).path, response.status_code)
        if response.status_code not in _MOVED:
            return response, url
        response.close()
        target = urljoin(url, response.headers.get("Location", ""))
        if urlsplit(target).scheme not in ("https", urlsplit(url).scheme):
            raise _lost("it redirects to an address that is less safe", "unsafe_redirect", operation)
        url = target
    raise _lost(f"it redirects more than {_REDIRECTS} times", "too_many_redirects", operation)


def _pieces(
    response: requests.Response, url: str, deadline: Deadline, call: Call, operation: str
) -> Iterator[bytes]:
    while True:
        failure: OdysseyError
        call.deadline = deadline.within(_LONGEST_SILENCE_S)
        try:
            # Whatever has arrived: a full piece may take longer than any silence.
            piece: bytes = response.raw.read1(_PIECE, decode_content=False)
        except NETWORK_ERRORS as exc:
            failure = connection_error(exc, call, operation, url)
        else:
            if not piece:
                return
            yield piece
            continue
        raise failure


def _refused(response: requests.Response, operation: str) -> OdysseyError:
    answer = HttpAnswer(
        operation=operation,
        status=response.status_code,
        reason=response.reason or "",
        headers=response.headers,
    )
    return refusal(answer)


def _lost(problem: str, code: str, operation: str) -> OdysseyConnectionError:
    return OdysseyConnectionError(f"{operation}: {problem}", code=code, operation=operation)
