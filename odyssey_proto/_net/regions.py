"""The regions of the service, and the latency to each (spec/behaviour.md#regions).

No call fails because regions are unknown.

A latency is the time from sending a ping, on an open connection, to the head of its final answer, which may have
any status below 400.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Final

from .._base.abort import Abort
from .._base.errors import OdysseyError
from .call import Call
from .failures import connection_error
from .http_exchange import HttpRequest
from .redirects import Reach
from .stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    import odyssey_models as wire

    from .._base.clock import Clock, Deadline
    from .http_exchange import HttpClient

__all__ = ["LISTING_TIMEOUT_S", "UNREACHED_MS", "Regions"]

log = logging.getLogger("odyssey_proto.http")

LISTING_TIMEOUT_S: Final = 2.0
"""The time limit for the list, in s. Without the list there is still a session, perhaps in a distant region."""
_OPERATION: Final = "GET /regions"
UNREACHED_MS: Final = 9999
"""The latency, in ms, reported for a region that does not answer in time."""
_PING_TIMEOUT_S: Final = 1.0  # for all regions together
_REFUSED: Final = 400  # from this status on, a ping has failed
_PINGED_AT_MOST: Final = 32  # regions; each needs a thread


class Regions:
    """The latencies of one client's regions, measured once."""

    def __init__(self, http: HttpClient, clock: Clock, url: str) -> None:
        self._http = http
        self._clock = clock
        self._url = url  # for errors
        self._latencies_ms: dict[str, int] | None = None

    def latencies_ms(
        self, list_regions: Callable[[], list[wire.Region]], deadline: Deadline, call: Call
    ) -> dict[str, int]:
        """Return the round trip to each region in ms, 9999 for one that gave no answer within 1 s.

        ``list_regions`` requests the list within ``call``; pinging takes until ``deadline`` at most. The result is
        empty if the list is not available, and the next call requests it again; a success is kept.

        Raises:
            OdysseyConnectionError: the call was aborted; other failures do not raise.
        """
        if self._latencies_ms is None:
            try:
                self._latencies_ms = self._ping(list_regions(), deadline.within(_PING_TIMEOUT_S), call)
            except OdysseyError as exc:
                if exc.code == "closed":
                    raise
                log.debug("continuing without regions: %s", exc)
                return {}
        return dict(self._latencies_ms)

    def _ping(self, regions: list[wire.Region], deadline: Deadline, call: Call) -> dict[str, int]:
        """Measure all regions in parallel; every thread ends with the deadline, whatever its server does."""
        latencies_ms = {region.id: UNREACHED_MS for region in regions}
        enough = Abort()

        def ping(region: wire.Region) -> None:
            request = HttpRequest(
                operation="GET (ping)",
                method="GET",
                url=region.ping_url,
                headers={"Accept": "application/json", "Connection": "close"},  # only one region is needed again
                reach=Reach.ANYWHERE,
            )
            stopwatch = Stopwatch(self._clock)
            with Call(deadline, *call.aborts, enough, stopwatch=stopwatch) as one:
                try:
                    response, _ = self._http.send(request, one)
                except Exception as exc:  # noqa: BLE001  # also those of stand-ins in a program's own tests
                    log.debug("no ping of region %s: %s", region.id, type(exc).__name__)
                    return
                with contextlib.closing(response):
                    if response.status_code < _REFUSED:
                        latencies_ms[region.id] = stopwatch.ms

        pinged = [region for region in regions if region.ping_url][:_PINGED_AT_MOST]
        threads: list[threading.Thread] = []
        for number, region in enumerate(pinged):
            thread = threading.Thread(target=ping, args=(region,), name=f"odyssey-ping-{number}", daemon=True)
            with contextlib.suppress(RuntimeError):  # the system has no more threads
                thread.start()
                threads.append(thread)
        for thread in threads:
            thread.join(deadline.remaining())
        measured = dict(latencies_ms)  # later answers do not count
        enough.abort()
        if call.aborted:
            raise connection_error(ConnectionAbortedError(), call, _OPERATION, self._url)
        return measured
