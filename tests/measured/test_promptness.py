"""The time that an interrupt, a close, and the end of a script take, also without a network.

`tests/live` and `tests/faults` test that each of them works at every step. These tests measure
the promised time, in the second phase of `make test`, with few others beside them.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENCE_S, emulator_process, eventually, script
from tests.support.waits import WAITS, have_struck, waiting_for

if TYPE_CHECKING:
    from tests.conftest import MakeClient, MakeEmulator

pytestmark = pytest.mark.measures

RAISES_WITHIN_S: Final = 1.0
"""The promise is 0.5 s; the rest allows for a slow machine."""
ENDS_WITHIN_S: Final = 4.0
"""The promise is 2 s; on a slow machine, Python's own exit takes a second or more."""

NOTICED_WITHIN_S: Final = 3.0

STREAM: Final = """
session = client.connect()
session.start_stream("A cat", portrait=False)
frames = first_frames(session)
"""

INTERRUPTED: Final = ("connect: the queue", "connect: the offer", "interact", "frames, with many", "wait")
HANDLERS: Final = ("time.sleep(0.02)", "never.wait()")


@pytest.mark.parametrize("where", INTERRUPTED)
def test_an_interrupt_raises_at_once(where: str) -> None:
    faults, _, _ = WAITS[where]
    with Emulator(record=False) as emulator:
        emulator.faults.add(*faults)
        with script(waiting_for(where), emulator.api_url, fresh=True) as process:
            assert process.said() == ["alive"]
            assert process.said() == ["waiting"]
            eventually(lambda: have_struck(emulator, faults))
            interrupted_at = process.signal(signal.SIGINT)
            (raised_at,) = process.said()
            assert process.ended(ENDS_WITHIN_S) == 0
    assert raised_at - interrupted_at < RAISES_WITHIN_S


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_interrupt_while_handlers_run_raises_at_once(handler: str) -> None:
    code = f"""
never = threading.Event()
seen = threading.Event()
def on_video_frame(frame):
    seen.set()
    {handler}
session = client.connect(on_video_frame=on_video_frame)
session.start_stream("A cat", portrait=False)
seen.wait()
try:
    say("waiting")
    session.wait()
except KeyboardInterrupt:
    say(time.monotonic())
"""
    with Emulator(record=False) as emulator, script(code, emulator.api_url, fresh=True) as process:
        assert process.said() == ["waiting"]
        interrupted_at = process.signal(signal.SIGINT)
        (raised_at,) = process.said()
        assert process.ended(ENDS_WITHIN_S) == 0
    assert raised_at - interrupted_at < RAISES_WITHIN_S


def test_a_handler_that_never_returns_does_not_hold_up_the_close() -> None:
    code = """
never = threading.Event()
seen = threading.Event()
def on_video_frame(frame):
    seen.set()
    never.wait()
session = client.connect(on_video_frame=on_video_frame)
session.start_stream("A cat", portrait=False)
seen.wait()
began_at = time.monotonic()
client.close()
say(time.monotonic() - began_at)
"""
    with Emulator(record=False) as emulator, script(code, emulator.api_url, fresh=True) as process:
        (took_s,) = process.said()
        assert process.ended(ENDS_WITHIN_S) == 0
    assert took_s < ENDS_WITHIN_S


def test_the_death_of_the_service_is_noticed_at_once() -> None:
    code = """
say("streaming")
while session.status == "connected":
    time.sleep(0.05)
say(session.status)
"""
    with emulator_process() as (emulator, url), script(STREAM + code, url, fresh=True) as process:
        assert process.said() == ["streaming"]
        emulator.signal(signal.SIGKILL)
        assert process.said(NOTICED_WITHIN_S) == ["reconnecting"]
        assert process.ended(ENDS_WITHIN_S) == 0


def test_close_and_exit_are_in_time_when_the_network_is_dead() -> None:
    code = """
sys.stdin.readline()
began_at = time.monotonic()
client.close()
say(time.monotonic() - began_at, [thread.name for thread in threading.enumerate()])
"""
    with (
        emulator_process() as (emulator, url),
        script(f"{STREAM}\nsay('streaming')\n{code}", url, fresh=True) as process,
    ):
        assert process.said() == ["streaming"]
        emulator.signal(signal.SIGSTOP)
        process.tell()
        took_s, threads = process.said()
        assert process.ended(ENDS_WITHIN_S) == 0
        assert took_s < ENDS_WITHIN_S
        assert threads == ["MainThread"]
        assert process.stderr == ""


def test_a_script_that_does_not_close_ends_in_time_when_the_network_is_dead() -> None:
    code = "say('streaming'); sys.stdin.readline()"
    with emulator_process() as (emulator, url), script(STREAM + code, url, fresh=True) as process:
        assert process.said() == ["streaming"]
        emulator.signal(signal.SIGSTOP)
        process.tell()
        assert process.ended(ENDS_WITHIN_S) == 0
        assert process.stderr == ""


def test_connecting_and_exit_are_in_time_when_the_network_is_dead() -> None:
    code = """
sys.stdin.readline()
try:
    client.connect(timeout=1)
except OdysseyConnectionTimeoutError as error:
    say(error.code)
"""
    with emulator_process() as (emulator, url), script(f"say('alive')\n{code}", url, fresh=True) as process:
        assert process.said() == ["alive"]
        emulator.signal(signal.SIGSTOP)
        process.tell()
        assert process.said() == ["timeout"]
        assert process.ended(ENDS_WITHIN_S) == 0
        assert process.stderr == ""


def test_unreachable_ice_servers_do_not_hold_a_connect_up(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    # 192.0.2.0/24 is for documentation: nothing answers there. aiortc alone would wait 5 s for it.
    silent = [{"urls": ["stun:192.0.2.1:3478", "stun:nobody.invalid:3478"]}]
    client = make_client(make_emulator(ice_servers=silent))
    began = time.monotonic()
    assert client.connect(timeout=PATIENCE_S).is_connected
    assert time.monotonic() - began < 4.0
