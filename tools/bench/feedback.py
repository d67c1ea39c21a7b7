"""Whether the rate of a sender that is not ours follows the link: Chromium in the role of the streamer.

It sends to our client and to another one, across a wire that carries 1 to 8 Mbit/s and buffers 0.2 s of packets.
It learns of the link either from reports on each packet, in which case the other client is Chromium, or from
limits (REMB), in which case it is aiortc.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any, Final

import attrs
import numpy as np

from tools.bench import chromium, wire
from tools.bench.figures import Figure, Target
from tools.bench.wire import CLIENT, SERVICE, Weather, Wire

__all__ = ["LINKS", "Followed", "feedback", "follow"]

LINKS: Final = (1, 2, 4, 8)
"""The capacities of the wire, in Mbit/s."""
_MOST_BITS_PER_S: Final = 12_000_000
_SECONDS: Final = 35.0
_SETTLING_S: Final = 15.0
_FREEZE_S: Final = 0.15
_OTHERS: Final = {"transport-cc": ("chromium", "Chromium"), "remb": ("plain", "stock aiortc")}
"""The other client, by the kind of feedback."""
_HEAD_BYTES: Final = 28 + 12 + 8 + 10 + 4  # of a packet besides its payload: IP, UDP, RTP, extensions, SRTP, VP8


@attrs.frozen(kw_only=True)
class Followed:
    """The figures of sender and client after the settling, unless stated otherwise."""

    mbit: float
    """Mbit/s sent, packet headers included."""
    lost_percent: float
    """The share of packets lost on the wire."""
    lost_at_first_percent: float
    """The same during the settling."""
    longest_freeze_s: float
    frozen_s: float
    """Total length of the pauses of more than 0.15 s."""
    fps: float
    keyframes: float
    """Number of requests for a keyframe from the client."""
    rates: list[float]
    """Mbit/s in every 5 s, from the start."""


def feedback(*, short: bool) -> list[Figure]:
    """Measure the use of a link, the losses, and how long pictures freeze."""
    if lacking := wire.missing() or chromium.missing():
        print(f"rate: {lacking}", file=sys.stderr)
        return []
    figures = []
    for mbit in LINKS[1:2] if short else LINKS:
        for feedback, (other, reference) in _OTHERS.items():
            seconds, settling = (10.0, 5.0) if short else (_SECONDS, _SETTLING_S)
            ours, theirs = (follow(client, mbit, feedback, seconds, settling) for client in ("ours", other))
            figures += _figures(f"{mbit} Mbit/s, {feedback}", reference, ours, theirs)
    return figures


_FIGURES: Final = (
    ("sent", "Mbit/s", "mbit", None),
    ("lost", "%", "lost_percent", Target(2, absolute=True)),
    ("lost at first", "%", "lost_at_first_percent", None),
    ("longest freeze", "s", "longest_freeze_s", None),
    ("frozen", "s", "frozen_s", None),
    ("keyframes", "", "keyframes", None),
)


def _figures(name: str, reference: str, ours: Followed, theirs: Followed) -> list[Figure]:
    return [
        Figure(
            name=f"{name}: {what}",
            reference=reference,
            unit=unit,
            ours=getattr(ours, attribute),
            theirs=getattr(theirs, attribute),
            target=target,
        )
        for what, unit, attribute, target in _FIGURES
    ]


def follow(client: str, mbit: float, feedback: str, seconds: float, settling: float) -> Followed:
    """Have Chromium send to a client over a link, for ``seconds`` s, and return the figures."""
    weather = Weather(delay_ms=20, rate=mbit * 1e6, queue_s=0.2)
    script = [sys.executable, "-m", "tools.bench.rate_clients"]
    with Wire() as between:
        between.set(Weather(delay_ms=20))
        sender = between.start(SERVICE, [*script, "streamer", feedback, str(_MOST_BITS_PER_S)])
        watcher = between.start(CLIENT, [*script, client])
        try:
            assert sender.stdin is not None
            assert sender.stdout is not None
            assert watcher.stdin is not None
            assert watcher.stdout is not None
            between.set(weather)
            watcher.stdin.write(sender.stdout.readline())
            watcher.stdin.flush()
            sender.stdin.write(watcher.stdout.readline())
            sender.stdin.flush()
            told = _until(sender.stdout, lambda content: content.get("frames", 0) > 0)
            began = told[-1]["at"]
            lost_before = between.lost()[0]
            told += _until(sender.stdout, lambda content: content["at"] >= began + settling)
            lost_middle = between.lost()[0]
            told += _until(sender.stdout, lambda content: content["at"] >= began + seconds)
            lost_after = between.lost()[0]
            watcher.stdin.close()
            watched = json.loads(watcher.stdout.readline())
        finally:
            for process in (sender, watcher):
                process.terminate()
                process.wait()
    middle = next(each for each in told if each["at"] >= began + settling)
    first, last = next(each for each in told if each["at"] >= began), told[-1]
    begin = began + settling
    moments = np.array([begin, *(at for at in watched["moments"] if begin <= at <= last["at"])])
    gaps = np.diff(np.append(moments, last["at"]))
    return Followed(
        mbit=_mbit(middle, last),
        lost_percent=100 * (lost_after - lost_middle) / max(1, last["packets"] - middle["packets"]),
        lost_at_first_percent=100 * (lost_middle - lost_before) / max(1, middle["packets"] - first["packets"]),
        longest_freeze_s=float(gaps.max()),
        frozen_s=float(gaps[gaps > _FREEZE_S].sum()),
        fps=(len(moments) - 1) / (last["at"] - began - settling),
        keyframes=last["keyframes"] - middle["keyframes"],
        rates=[round(_mbit(*pair), 2) for pair in _every_5_s(told, began)],
    )


def _until(lines: Any, is_last: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 120
    while not found or not is_last(found[-1]):
        if time.monotonic() > deadline:
            raise RuntimeError("the sender does not send")
        found.append(json.loads(lines.readline()))
    return found


def _mbit(first: dict[str, Any], last: dict[str, Any]) -> float:
    size = last["bytes"] - first["bytes"] + _HEAD_BYTES * (last["packets"] - first["packets"])
    return float(8e-6 * size / (last["at"] - first["at"]))


def _every_5_s(told: list[dict[str, Any]], began: float) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    marks = [each for each in told if each["at"] >= began]
    picked = [marks[0]]
    for each in marks:
        if each["at"] - picked[-1]["at"] >= 5:
            picked.append(each)
    return list(itertools.pairwise(picked))


if __name__ == "__main__":
    for arguments in [each.split(":") for each in sys.argv[1:]]:
        name, link, kind, length = arguments
        print(name, link, kind, follow(name, float(link), kind, float(length), float(length) / 2), flush=True)
