"""Scripts and services that end without a goodbye: the other side ends too, and quietly.

`tests/measured` measures the time it takes; here, only a hang fails.
"""

from __future__ import annotations

import signal
from typing import Final

import pytest

from odyssey_proto.emulator._server import Emulator
from tests.support.clocks import HandClock
from tests.support.processes import PATIENT, emulator_process, eventually, script, sessions_are_free

STREAM: Final = """
session = client.connect()
session.start_stream("A cat", portrait=False)
frames = first_frames(session)
"""

FRESH: Final = ("it falls off its end", "an exception in the loop")
"""Endings that are tested in a newly started Python; the others, in a forked one, which costs a third."""
ENDINGS: Final[dict[str, tuple[str, int, str]]] = {
    "it falls off its end": ("", 0, ""),
    "sys.exit": ("sys.exit(3)", 3, ""),
    "an exception in the loop": ("for frame in frames: 1 / 0", 1, "ZeroDivisionError: division by zero"),
    "an exception inside both withs": (
        "with client, session:\n    for frame in frames: 1 / 0",
        1,
        "ZeroDivisionError: division by zero",
    ),
    "a daemon thread that still reads": (
        "threading.Thread(target=lambda: [frame.data for frame in frames], daemon=True).start()",
        0,
        "",
    ),
    "two iterators nobody reads": ("more = session.frames(); more = [more, session.frames()]", 0, ""),
    "everything let go of": ("del frames, session, client", 0, ""),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_script_that_does_not_close_ends_at_once_and_gives_its_session_back(ending: str) -> None:
    code, status, last_words = ENDINGS[ending]
    with (
        Emulator(record=False, size=(512, 64)) as emulator,
        script(f"{PATIENT}{STREAM}\nsay('ending')\n{code}", emulator.api_url, fresh=ending in FRESH) as process,
    ):
        assert process.said() == ["ending"]
        assert process.ended() == status
        assert process.stderr.splitlines()[-1:] == [last_words][: bool(last_words)]
        assert process.stderr.count("Traceback") == bool(last_words)
        assert sessions_are_free(emulator.api_url)


def test_a_python_that_starts_no_thread_at_its_end_gives_every_session_back() -> None:
    """Python 3.12.0 and 3.12.1 start none. Several sessions, because some goodbyes are sent in time anyway."""
    keys = [f"ody_{number}" for number in range(6)]
    code = f"""
import atexit

def refuse(*_):
    raise RuntimeError("can't create new thread at interpreter shutdown")

sessions = [Odyssey(key, api_url=sys.argv[1]).connect() for key in {keys}]
atexit.register(setattr, threading.Thread, "start", refuse)  # called before the library's own, which is older
say("ending")
"""
    with Emulator(streamers=len(keys)) as emulator, script(PATIENT + code, emulator.api_url) as process:
        assert process.said() == ["ending"]
        assert process.ended() == 0
        assert process.stderr == ""
        assert all(sessions_are_free(emulator.api_url, key) for key in keys)


def test_a_thread_of_the_user_goes_on_when_the_main_thread_has_fallen_off_the_end() -> None:
    code = """
def watch():
    for frame in frames:
        if frame.index >= 15:  # a slow reader may miss some
            session.end_stream()
    say("watched", session.status)

threading.Thread(target=watch).start()
"""
    with (
        Emulator(record=False, size=(512, 64)) as emulator,
        script(STREAM + code, emulator.api_url) as process,
    ):
        assert process.said() == ["watched", "connected"]
        assert process.ended() == 0
        assert process.stderr == ""


@pytest.mark.parametrize("waiting", ["for frame in frames: pass", "session.wait()"])
def test_without_reconnecting_the_death_of_the_service_is_an_error_in_time(waiting: str) -> None:
    code = f"""
say("streaming")
try:
    {waiting}
except OdysseyConnectionError as error:
    say(session.status, error.code)
"""
    with emulator_process() as (emulator, url), script(STREAM + code, url, reconnect=False) as process:
        assert process.said() == ["streaming"]
        emulator.signal(signal.SIGKILL)
        status, error_code = process.said()
        assert status == "failed"
        assert error_code
        assert process.ended() == 0
        assert process.stderr == ""


def test_a_call_in_flight_raises_when_the_service_dies() -> None:
    code = """
say("streaming")
sys.stdin.readline()
say("asking")
try:
    session.interact("Night")
except OdysseyError as error:
    say(type(error).__name__)
"""
    with emulator_process() as (emulator, url), script(STREAM + code, url, reconnect=False) as process:
        assert process.said() == ["streaming"]
        emulator.signal(signal.SIGSTOP)  # so that the call is not answered
        process.tell()
        assert process.said() == ["asking"]
        emulator.signal(signal.SIGKILL)
        (error,) = process.said()
        assert error in ("OdysseyConnectionError", "OdysseyStreamError")
        assert process.ended() == 0
        assert process.stderr == ""


def test_the_death_of_the_service_is_reported_as_reconnecting_and_does_not_delay_the_exit() -> None:
    code = """
say("streaming")
while session.status == "connected":
    threading.Event().wait(0.05)
say(session.status)
"""
    with emulator_process() as (emulator, url), script(STREAM + code, url) as process:
        assert process.said() == ["streaming"]
        emulator.signal(signal.SIGKILL)
        assert process.said() == ["reconnecting"]
        assert process.ended() == 0
        assert process.stderr == ""


def test_a_script_that_is_killed_leaves_its_session_to_the_service_only() -> None:
    code = "say('streaming')\nfor frame in frames: pass"
    clock = HandClock()
    with (
        Emulator(record=False, size=(512, 64), clock=clock) as emulator,
        script(STREAM + code, emulator.api_url) as process,
    ):
        assert process.said() == ["streaming"]
        process.signal(signal.SIGKILL)
        process.ended()
        assert not sessions_are_free(emulator.api_url)
        clock.time += emulator.config.stale_after_s + 1
        eventually(lambda: sessions_are_free(emulator.api_url))
