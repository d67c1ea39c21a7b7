"""Ctrl-C, in every call in which a script can wait: it raises, and nothing is left behind.

`tests/measured` measures the time it takes; here, only a hang fails.
"""

from __future__ import annotations

import signal

import pytest

from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENT, eventually, script, sessions_are_free
from tests.support.waits import WAITS, have_struck, waiting_for


@pytest.mark.parametrize("where", WAITS)
def test_an_interrupt_raises_at_once_and_leaves_nothing_behind(where: str) -> None:
    faults, _, _ = WAITS[where]
    with Emulator(record=False, size=(512, 64)) as emulator:
        emulator.faults.add(*faults)
        with script(PATIENT + waiting_for(where), emulator.api_url) as process:
            assert process.said() == ["alive"]
            assert process.said() == ["waiting"]
            eventually(lambda: have_struck(emulator, faults))
            process.signal(signal.SIGINT)
            process.said()
            assert process.ended() == 0
            assert process.stderr == ""
        emulator.faults.clear()
        assert sessions_are_free(emulator.api_url)


@pytest.mark.parametrize("where", ["connect: the offer", "interact", "frames, with many"])
def test_an_interrupt_that_nobody_catches_ends_the_script_with_one_traceback(where: str) -> None:
    faults, before, wait = WAITS[where]
    code = f"{PATIENT}{before}\nsay('waiting')\n{wait}"
    with Emulator(record=False, size=(512, 64)) as emulator:
        emulator.faults.add(*faults)
        with script(code, emulator.api_url) as process:
            assert process.said() == ["waiting"]
            eventually(lambda: have_struck(emulator, faults))
            process.signal(signal.SIGINT)
            # 1 if another thread is importing or compiling at that moment: Python then forgets the interrupt.
            assert process.ended() in (-signal.SIGINT, 1)
            assert process.stderr.count("Traceback") == 1
            assert process.stderr.splitlines()[-1] == "KeyboardInterrupt"
        emulator.faults.clear()
        assert sessions_are_free(emulator.api_url)


def test_an_interrupt_inside_both_withs_ends_the_script_with_one_traceback() -> None:
    code = """
with client, client.connect() as session:
    session.start_stream("A cat", portrait=False)
    frames = first_frames(session)
    say("waiting")
    for frame in frames:
        pass
"""
    with Emulator(record=False, size=(512, 64)) as emulator:
        with script(PATIENT + code, emulator.api_url) as process:
            assert process.said() == ["waiting"]
            process.signal(signal.SIGINT)
            assert process.ended() == -signal.SIGINT
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
    faults = (Fault(step="signaling offer", action="silence"),)
    with Emulator(record=False, size=(512, 64)) as emulator:
        emulator.faults.add(*faults)
        with script(code, emulator.api_url) as process:
            assert process.said() == ["waiting"]
            eventually(lambda: have_struck(emulator, faults))
            process.signal(signal.SIGINT)
            assert process.said() == ["connected"]
            assert process.ended() == 0
            assert process.stderr == ""
