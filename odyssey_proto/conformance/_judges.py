"""The checks of scenarios: each examines the traffic of a client, and returns its fault, or an empty text.

The schemas are checked elsewhere (`odyssey_proto.conformance._contract`); these look at order, number and time.
Time limits are generous: a machine may be busy.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Final

from ._record import HANDSHAKE
from ._schemas import parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._record import TrafficRecord

__all__ = ["CHECKS"]

_KEEPALIVE_S: Final = (7.0, 13.0)
"""The time from one keepalive to the next: 10 s, with a tolerance."""
_ASK_AGAIN_S: Final = (0.7, 5.0)
"""The time from one request for a session to the next."""
_PATIENT: Final = 0.9
"""The part of `Retry-After` that a client must have waited: clocks and networks are not exact."""
_REQUEST: Final = "POST /sessions/request"
_CHANNEL_LIMIT: Final = 16 * 1024


def one_session(record: TrafficRecord) -> str:
    """One session was granted, and all handshakes were for it."""
    granted = [call for _, call in record.calls(_REQUEST) if call.status == 200]
    handshakes = {call.path for _, call in record.calls(HANDSHAKE)}
    if len(granted) != 1:
        return f"{len(granted)} sessions were granted instead of 1"
    return "" if len(handshakes) <= 1 else f"there were handshakes for {len(handshakes)} sessions"


def goodbye(record: TrafficRecord) -> str:
    """The client left with ``client_disconnecting``, and sent nothing after it."""
    said = record.sent("client_disconnecting", "signaling")
    if not said:
        return "the client left without client_disconnecting"
    later = [data["type"] for at, data in _sent(record) if at > said[-1][0]]
    return f"{later[0]} came after client_disconnecting" if later else ""


def keepalives(record: TrafficRecord, at_least: int) -> str:
    """At least this many keepalives came, regularly, the first one counted from the offer."""
    times = [at for at, _ in record.sent("keepalive", "signaling")]
    if len(times) < at_least:
        return f"there were {len(times)} keepalives; at least {at_least} were due"
    offers = record.received("offer", "signaling")
    least, most = _KEEPALIVE_S
    first = times[0] - offers[0][0] if offers else 0.0
    if first > most:
        return f"the first keepalive came {first:.1f} s after the offer; it is due after 10 s"
    for earlier, later in itertools.pairwise(times):
        if not least <= later - earlier <= most:
            return f"{later - earlier:.1f} s passed between two keepalives; one is due every 10 s"
    return ""


def asks_again(record: TrafficRecord, times: int) -> str:
    """The client asked for a session this many times, neither too quickly nor too slowly."""
    asked = [at for at, _ in record.calls(_REQUEST)]
    if len(asked) != times:
        return f"the client asked {len(asked)} times; {times} were needed"
    least, most = _ASK_AGAIN_S
    for earlier, later in itertools.pairwise(asked):
        if not least <= later - earlier <= most:
            return f"{later - earlier:.1f} s passed between two requests; one is due every second"
    return ""


def requests(record: TrafficRecord, call: str, times: int) -> str:
    """A call was made this many times."""
    made = len(record.calls(call))
    return "" if made == times else f"{call} was sent {made} times, not {times}"


def waits(record: TrafficRecord, call: str, at_least_s: float) -> str:
    """A call was repeated no earlier than the service asked, or not at all."""
    times = [at for at, _ in record.calls(call)]
    for earlier, later in itertools.pairwise(times):
        if later - earlier < at_least_s * _PATIENT:
            return (
                f"{call} was sent again after {later - earlier:.1f} s, and the service asked for {at_least_s:g} s"
            )
    return ""


def answered(record: TrafficRecord, call: str, at_least: int) -> str:
    """A call succeeded at least this many times."""
    found = [seen for _, seen in record.calls(call) if seen.status is not None and seen.status < 300]
    return "" if len(found) >= at_least else f"{call} succeeded {len(found)} times, not {at_least}"


def handshakes(record: TrafficRecord, at_least: int, at_most: int = 100) -> str:
    """The number of signaling handshakes, refused ones included, is within these limits."""
    made = len(record.calls(HANDSHAKE))
    return "" if at_least <= made <= at_most else f"{made} handshakes were seen, not {at_least}"


def config_before_each_handshake(record: TrafficRecord) -> str:
    """The ICE servers were requested again before every attempt to connect."""
    configs = sum(1 for _, seen in record.calls("GET /signaling/config") if not 300 <= (seen.status or 0) < 400)
    made = sum(1 for _, seen in record.calls(HANDSHAKE) if seen.status == 101)
    return "" if configs >= made else f"ICE servers were asked for {configs} times before {made} connections"


def pings_before_session(record: TrafficRecord) -> str:
    """Latencies were reported only for regions that were pinged, apart from 9999 for one that is out of reach."""
    asked = record.calls(_REQUEST)
    pinged = {seen.path.rpartition("/")[2] for _, seen in record.calls("GET /ping/{region}")}
    body, _ = parsed(asked[0][1].request_body or b"{}") if asked else ({}, "")
    latencies = body.get("region_latencies") if isinstance(body, dict) else None
    if not isinstance(latencies, dict):  # the check of the schema reports that
        return ""
    unknown = [name for name, ms in latencies.items() if name not in pinged and ms != 9999]
    return f"a latency was reported for {unknown[0]}, which was not pinged" if unknown else ""


def stream_requests(record: TrafficRecord, start: int = 0, update: int = 0, end: int = 0) -> str:
    """Each request about a stream was sent as often as the user made it."""
    wanted = {"interactive_stream_start": start, "update": update, "interactive_stream_end": end}
    for kind, times in wanted.items():
        if (found := len(record.sent(kind))) != times:
            return f"{kind} was sent {found} times, not {times}"
    return ""


def start_says(record: TrafficRecord, field: str, value: Any) -> str:
    """The start has this value."""
    starts = record.sent("interactive_stream_start")
    if not starts:
        return "no interactive_stream_start came"
    found = starts[0][1].get(field)
    return "" if found == value else f"{field} is {json.dumps(found)} in the start, not {json.dumps(value)}"


def start_has_image(record: TrafficRecord) -> str:
    """The start has an image as a data URL, and came over signaling."""
    starts = record.sent("interactive_stream_start", "signaling")
    if not starts:
        return "no interactive_stream_start came over signaling"
    image = starts[0][1].get("input_image_base64")
    return "" if str(image).startswith("data:image/") else "input_image_base64 is not the data URL of an image"


def start_fits(record: TrafficRecord) -> str:
    """A start that does not fit the data channel came over signaling."""
    starts = record.sent("interactive_stream_start", "clientToStreamer")
    offered = next((data["sdp"] for _, data in record.received("offer")), "")
    limit = next(
        (int(line.partition(":")[2]) for line in offered.splitlines() if line.startswith("a=max-message-size:")),
        _CHANNEL_LIMIT,
    )
    size = max((len(json.dumps(data).encode()) for _, data in starts), default=0)
    return f"{size} bytes went over the data channel, whose limit is {limit}" if size > limit > 0 else ""


def no_start(record: TrafficRecord) -> str:
    """No start was sent."""
    return "an interactive_stream_start was sent" if record.sent("interactive_stream_start") else ""


def artifacts_without_token(record: TrafficRecord) -> str:
    """Presigned addresses were requested without a bearer token."""
    asked = [seen for seen in record.exchanges() if seen.route.startswith("/artifacts/")]
    if not asked:
        return "no artifact was requested"
    bearers = [seen for seen in asked if "Authorization" in seen.request_headers]
    return "a presigned address was requested with a bearer token" if bearers else ""


def no_token_elsewhere(record: TrafficRecord, host: str) -> str:
    """No call that reached the service under another name, so on another origin, had a bearer token."""
    hosts = [
        seen.request_headers.get("Host", "").rpartition(":")[0]
        for seen in record.exchanges()
        if "Authorization" in seen.request_headers
    ]
    return "the bearer token went to another origin" if host in hosts else ""


def _sent(record: TrafficRecord) -> list[tuple[float, dict[str, Any]]]:
    kinds = (
        "answer",
        "ice_candidate",
        "keepalive",
        "interactive_stream_start",
        "update",
        "interactive_stream_end",
    )
    return sorted((entry for kind in kinds for entry in record.sent(kind)), key=lambda entry: entry[0])


CHECKS: Final[dict[str, Callable[..., str]]] = {
    check.__name__: check
    for check in (
        one_session,
        goodbye,
        keepalives,
        asks_again,
        requests,
        waits,
        answered,
        handshakes,
        config_before_each_handshake,
        pings_before_session,
        stream_requests,
        start_says,
        start_has_image,
        start_fits,
        no_start,
        artifacts_without_token,
        no_token_elsewhere,
    )
}
"""All checks by name. Each takes a `TrafficRecord` and the arguments of the scenario."""
