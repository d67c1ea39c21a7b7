"""What came with an answer: its status and headers, beside what was read from its body.

It makes the same calls through the same methods, and adds nothing to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

import attrs

from ._net.http_exchange import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .client import Odyssey

__all__ = ["RawCalls", "RawResponse"]

P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class RawResponse(Generic[T]):
    """An answer of the service."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """The headers; their names in any case."""
    request_id: str | None
    """The service's id of the request, for its support."""
    parsed: T
    """What the method returns otherwise."""


class RawCalls:
    """The calls of an `Odyssey` that end with one answer, made through `Odyssey.with_raw_response`.

    Where a call makes several requests, it is the last answer: the token of `create_client_credentials`,
    the job as it ended of those that wait for one. What makes a request for each page, job or file has no such
    answer. A failure raises as ever; the error has ``status``, ``request_id`` and ``retry_after``.
    """

    def __init__(self, client: Odyssey) -> None:
        self.create_client_credentials = _raw(client.create_client_credentials)
        self.get_recording = _raw(client.get_recording)
        self.list_stream_recordings = _raw(client.list_stream_recordings)
        self.simulate = _raw(client.simulate)
        self.get_simulate_status = _raw(client.get_simulate_status)
        self.list_simulations = _raw(client.list_simulations)
        self.cancel_simulation = _raw(client.cancel_simulation)
        self.wait_for_simulation = _raw(client.wait_for_simulation)
        self.simulate_and_wait = _raw(client.simulate_and_wait)


def _raw(call: Callable[P, T]) -> Callable[P, RawResponse[T]]:
    def with_raw_response(*args: P.args, **known: P.kwargs) -> RawResponse[T]:
        with answers() as seen:
            parsed = call(*args, **known)
        last = seen[-1]
        return RawResponse(status=last.status, headers=last.headers, request_id=last.request_id, parsed=parsed)

    return with_raw_response
