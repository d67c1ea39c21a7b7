"""The cost of converting messages to models, compared with converting the same text to dicts."""

from __future__ import annotations

import json
import timeit
from functools import partial
from typing import TYPE_CHECKING, Any

from odyssey_proto._model import codec
from tools.bench.figures import Figure, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

# As long as a streamer's offer with H.264, VP8, audio and data.
_SDP = "v=0\r\no=- 3967 3967 IN IP4 0.0.0.0\r\n" + "a=rtpmap:97 H264/90000\r\n" * 120

_READ: dict[str, tuple[Callable[[str], Any], dict[str, Any]]] = {
    "offer": (codec.signaling_from_server, {"type": "offer", "sdp": _SDP}),
    "ice_candidate": (
        codec.signaling_from_server,
        {
            "type": "ice_candidate",
            "candidate": "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",
            "sdpMid": "0",
            "sdpMLineIndex": 0,
        },
    ),
    "update_acknowledged": (codec.channel_from_streamer, {"type": "update_acknowledged", "prompt": "Night " * 30}),
    "stream_started": (
        codec.channel_from_streamer,
        {"type": "stream_started", "stream_id": "stream-1", "applied_prompt": "A cat " * 30},
    ),
}


def run(*, short: bool) -> list[Figure]:
    """Measure reading and writing of the most frequent messages."""
    rounds, calls = (2, 50) if short else (9, 2000)
    figures = []
    for name, (read, message) in _READ.items():
        text = json.dumps(message)
        model = read(text)
        pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
            f"read {name}": (partial(read, text), partial(json.loads, text), "loads"),
            f"write {name}": (partial(codec.encode, model), partial(json.dumps, message), "dumps"),
        }
        for what, (ours, theirs, function) in pairs.items():
            values = in_turns(_microseconds(ours, calls), _microseconds(theirs, calls), rounds)
            figures.append(
                Figure(name=what, reference=f"json.{function}", unit="µs", ours=values[0], theirs=values[1])
            )
    return figures


def _microseconds(call: Callable[[], Any], calls: int) -> Callable[[], float]:
    return lambda: timeit.timeit(call, number=calls) / calls * 1e6
