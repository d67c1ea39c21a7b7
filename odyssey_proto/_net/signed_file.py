"""Files behind signed addresses: one request, read piece by piece as it arrives.

The address grants access, so no token is sent, and redirects never lead from https to http. The time limit applies
to silence, not to the whole: a large file may take long. Writing the pieces, and repeating requests, is left to
`odyssey_proto._rest.download`.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from .._base.errors import MalformedMessageError, OdysseyError
from ..core.refusals import HttpAnswer, refusal
from .content_coding import named_codings, unpacked_pieces
from .failures import NETWORK_ERRORS, connection_error
from .http_exchange import HttpRequest
from .redirects import Reach, in_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .call import Call
    from .http_exchange import HttpClient

__all__ = ["Fetched", "fetch"]

log = logging.getLogger("odyssey_proto.http")

_LONGEST_WITHOUT_BYTES_S: Final = 30.0  # without a byte; after that a connection counts as lost
_PIECE: Final = 256 * 1024  # bytes, at most


@attrs.frozen
class Fetched:
    """An answer whose body has not been read yet."""

    status: int
    """The HTTP status: 200, 206 or 416; `fetch` raises for all others."""
    headers: Mapping[str, str]
    """The headers; the case of their names does not matter."""
    pieces: Iterator[bytes]
    """The body as it arrives, unpacked unless it is a part; each piece is a new object, and none is kept."""
    is_packed: bool
    """Whether the store labels it as packed, so that lengths and offsets are not those of the pieces."""
    url: str = attrs.field(repr=False)
    """The address that gave it, after redirects."""


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
    """Request ``url``, for the duration of a ``with``; ``operation`` is its name in errors.

    Raises:
        OdysseyConnectionError: it cannot be fetched; ``status`` is set if there was an answer. Reading the pieces
            may raise this error too, for example if the body is shorter than announced.
    """
    with http.call(deadline.within(_LONGEST_WITHOUT_BYTES_S), abort) as call:
        request = HttpRequest(
            operation=operation,
            method="GET",
            url=url,
            headers={"Accept": "*/*", "Accept-Encoding": "identity", **headers},
            reach=Reach.SECURE,
        )
        response, url = http.send(request, call)
        log.debug("GET %s: %d", urlsplit(request.url).path, response.status_code)
        with contextlib.closing(response):
            if response.status_code not in (200, 206, 416):
                raise _refused(response, operation, request.url)
            # Some stores keep files packed and send them packed, whatever was requested. A part cannot be
            # unpacked.
            label = response.headers.get("Content-Encoding", "")
            pieces = _pieces(response, url, deadline, call, operation)
            if response.status_code == 200:
                pieces = _unpacked(pieces, label, operation)
            yield Fetched(
                response.status_code, response.headers, pieces, is_packed=bool(named_codings(label)), url=url
            )


def _unpacked(pieces: Iterator[bytes], label: str, operation: str) -> Iterator[bytes]:
    try:
        yield from unpacked_pieces(pieces, label)
    except MalformedMessageError as exc:
        if exc.operation is not None:
            raise
        failure = MalformedMessageError(
            f"{operation}: the file cannot be unpacked: {', '.join(exc.problems)}",
            problems=exc.problems,
            code=exc.code,
            operation=operation,
        )
    else:
        return
    raise failure


def _pieces(
    response: requests.Response, url: str, deadline: Deadline, call: Call, operation: str
) -> Iterator[bytes]:
    while True:
        failure: OdysseyError
        call.deadline = deadline.within(_LONGEST_WITHOUT_BYTES_S)
        try:
            # Read only what has arrived: a full piece may take longer than the allowed silence.
            piece: bytes = response.raw.read1(_PIECE, decode_content=False)
        except NETWORK_ERRORS as exc:
            failure = connection_error(exc, call, operation, url)
        else:
            if not piece:
                return
            yield piece
            continue
        raise failure


def _refused(response: requests.Response, operation: str, url: str) -> OdysseyError:
    answer = HttpAnswer(
        operation=operation,
        status=response.status_code,
        reason=response.reason or "",
        headers=response.headers,
        secrets=in_query(url),
    )
    return refusal(answer)
