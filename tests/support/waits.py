"""The calls in which a script can wait, and the faults that make it wait there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from odyssey_proto.emulator._faults.script import Fault

if TYPE_CHECKING:
    from odyssey_proto.emulator._server import Emulator

__all__ = ["WAITS", "have_struck", "waiting_for"]

CONNECTED = "session = client.connect()"
STREAMING = f"{CONNECTED}\nsession.start_stream('A cat', portrait=False)"


def hangs(step: str, action: str = "hang", **more: object) -> tuple[Fault, ...]:
    return (Fault(step=step, action=action, **more),)  # type: ignore[arg-type]


# The faults (once the first has struck, the script waits), the code before the wait, and the waiting call.
WAITS: Final[dict[str, tuple[tuple[Fault, ...], str, str]]] = {
    "connect: the key": (hangs("POST /auth/token"), "", "client.connect()"),
    "connect: the session": (hangs("POST /sessions/request"), "", "client.connect()"),
    "connect: the queue": (
        hangs("POST /sessions/request", "answer", status=503)
        + hangs("POST /sessions/request", "answer", status=503, times=None),
        "",
        "client.connect()",
    ),
    "connect: the ICE servers": (hangs("GET /signaling/config"), "", "client.connect()"),
    "connect: the handshake": (hangs("signaling handshake"), "", "client.connect()"),
    "connect: the offer": (hangs("signaling offer", "silence"), "", "client.connect()"),
    "start_stream": (hangs("stream start", "silence"), CONNECTED, "session.start_stream('A cat')"),
    "interact": (hangs("stream update", "silence"), STREAMING, "session.interact('Night')"),
    "interact, without a timeout": (
        hangs("stream update", "silence"),
        STREAMING,
        "session.interact('Night', timeout=None)",
    ),
    "end_stream": (hangs("stream end", "silence"), STREAMING, "session.end_stream()"),
    "frames, with none": (hangs("media", "stop", after=20), STREAMING, "for frame in session.frames(): pass"),
    "frames, with many": (
        (),
        f"{STREAMING}\nframes = first_frames(session)",
        "for frame in frames: frame.data",
    ),
    "wait": ((), CONNECTED, "session.wait()"),
}


def have_struck(emulator: Emulator, faults: tuple[Fault, ...]) -> bool:
    """Return whether the first fault has struck, so that the script waits."""
    return not faults or faults[0] not in emulator.faults.pending


def waiting_for(where: str) -> str:
    """Return a script that waits in the call ``where``, and reports the time at which it is interrupted."""
    _, before, wait = WAITS[where]
    return f"""
say("alive")
{before}
try:
    say("waiting")
    {wait}
except KeyboardInterrupt:
    say(time.monotonic())
"""
