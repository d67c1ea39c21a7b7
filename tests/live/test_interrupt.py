"""Ctrl-C, wherever the script happens to wait: it raises at once, and nothing stays behind."""

from __future__ import annotations

import signal
from typing import Final

import pytest

from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator
from tests.support.processes import eventually, script, sessions_are_free

RAISES_WITHIN_S: Final = 1.0
"""0.5 s is what is promised; the rest is for a busy machine."""
ENDS_WITHIN_S: Final = 4.0
"""2 s is what is promised; on a busy machine Python's own end takes a second and more."""

CONNECTED = "session = client.connect()"
STREAMING = f"{CONNECTED}\nsession.start_stream('A cat', portrait=False)"


def hangs(step: str, action: str = "hang", **more: object) -> tuple[Fault, ...]:
    return (Fault(step=step, action=action, **more),)  # type: ignore[arg-type]


# What goes wrong first (the script is there as soon as it has), what comes before the wait, and the wait.
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
    """Return whether the first fault has: the script waits for what does not come."""
    return not faults or faults[0] not in emulator.faults.pending


@pytest.mark.parametrize("where", WAITS)
def test_an_interrupt_raises_at_once_and_leaves_nothing_behind(where: str) -> None:
    faults, before, wait = WAITS[where]
    code = f"""
say("alive")
{before}
try:
    say("waiting")
    {wait}
except KeyboardInterrupt:
    say(time.monotonic())
"""
    with Emulator() as emulator:
        emulator.faults.add(*faults)
        with script(code, emulator.api_url) as process:
            assert process.said() == ["alive"]
            assert process.said() == ["waiting"]
            eventually(lambda: have_struck(emulator, faults))
            interrupted_at = process.signal(signal.SIGINT)
            (raised_at,) = process.said()
            assert process.ended(ENDS_WITHIN_S) == 0
            assert raised_at - interrupted_at < RAISES_WITHIN_S
            assert process.stderr == ""
        emulator.faults.clear()
        assert sessions_are_free(emulator.api_url)


@pytest.mark.parametrize("where", ["connect: the offer", "interact", "frames, with many"])
def test_an_interrupt_that_nobody_catches_ends_the_script_with_one_traceback(where: str) -> None:
    faults, before, wait = WAITS[where]
    code = f"{before}\nsay('waiting')\n{wait}"
    with Emulator() as emulator:
        emulator.faults.add(*faults)
        with script(code, emulator.api_url) as process:
            assert process.said() == ["waiting"]
            eventually(lambda: have_struck(emulator, faults))
            process.signal(signal.SIGINT)
            # 1 where another thread is just importing or compiling something: Python forgets the interrupt then.
            assert process.ended(ENDS_WITHIN_S) in (-signal.SIGINT, 1)
            assert process.stderr.count("Traceback") == 1
            assert process.stderr.splitlines()[-1] == "KeyboardInterrupt"
        emulator.faults.clear()
        assert sessions_are_free(emulator.api_url)


def test_an_interrupt_inside_both_withs_ends_the_script_with_one_traceback() -> None:
    code = """
with client, client.connect() as session:
    session.start_stream("A cat", portrait=False)
    for frame in session.frames():
        if frame.index == 5:
            say("waiting")
"""
    with Emulator() as emulator:
        with script(code, emulator.api_url) as process:
            assert process.said() == ["waiting"]
            process.signal(signal.SIGINT)
            assert process.ended(ENDS_WITHIN_S) == -signal.SIGINT
            assert process.stderr.count("Traceback") == 1
            assert process.stderr.splitlines()[-1] == "KeyboardInterrupt"
        assert sessions_are_free(emulator.api_url)


def test_an_interrupted_client_connects_again() -> None:
    code = """
try:
    say("waiting")
    client.connect()
except KeyboardInterrupt:
    pass
with client.connect() as session:
    say(session.status)
client.close()
"""
    faults = hangs("signaling offer", "silence")
    with Emulator() as emulator:
        emulator.faults.add(*faults)
        with script(code, emulator.api_url) as process:
            assert process.said() == ["waiting"]
            eventually(lambda: have_struck(emulator, faults))
            process.signal(signal.SIGINT)
            assert process.said() == ["connected"]
            assert process.ended() == 0
            assert process.stderr == ""
