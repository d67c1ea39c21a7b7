"""SIGTERM, as `docker stop` and systemd send it, for programs with and without a handler of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

import av
import pytest

from odyssey_proto.emulator._accounts.service import Service
from odyssey_proto.emulator._server import Emulator
from tests.support.processes import (
    PATIENCE_S,
    PATIENT,
    eventually,
    script,
    script_arguments,
    sessions_are_free,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM between processes")

STREAM: Final = """
session = client.connect()
session.start_stream("A cat", portrait=False)
frames = first_frames(session)
"""

DOING: Final = {
    "reads frames": "say('ready')\nfor frame in frames: frame.data",
    "waits for the end": "say('ready')\nsession.wait()",
    "waits for a thread": """
thread = threading.Thread(target=session.wait)
thread.start()
say('ready')
thread.join()
""",
    "has ended its main thread": "threading.Thread(target=session.wait).start()\nsay('ready')",
    "catches everything": """
say('ready')
while True:
    try:
        next(frames)
    except BaseException as error:
        say(repr(error))
""",
    "gets no more threads": """
import _thread
def refuse(*_):
    raise RuntimeError("can't create new thread at interpreter shutdown")
_thread.start_new_thread = refuse
say('ready')
session.wait()
""",
    "closes a loop again and again": """
from odyssey_proto._base.event_loop import BackgroundLoop
say('ready')
while True:
    loop = BackgroundLoop()
    loop.start()
    loop.stop()
""",
}


@pytest.mark.parametrize("doing", DOING)
def test_the_session_is_given_back_and_the_process_ends_as_it_would_have(doing: str) -> None:
    with Emulator(record=False, size=(512, 64)) as emulator:
        with script(PATIENT + STREAM + DOING[doing], emulator.api_url, close_on_sigterm=True) as process:
            assert process.said() == ["ready"]
            process.signal(signal.SIGTERM)
            assert process.ended() == -signal.SIGTERM
            assert process.rest() == []
            assert process.stderr == ""
        assert sessions_are_free(emulator.api_url)


def test_what_cannot_be_ended_does_not_hold_the_process_up_for_ever() -> None:
    code = """
from odyssey_proto._base import process_end
process_end.at_exit(threading.Event().wait)
say('ready')
threading.Event().wait()
"""
    with script(code, "http://127.0.0.1:9", close_on_sigterm=True) as process:
        assert process.said() == ["ready"]
        process.signal(signal.SIGTERM)
        assert process.ended() == -signal.SIGTERM


def test_a_session_that_is_about_to_be_granted_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    requested, signalled = threading.Event(), threading.Event()
    real = Service.request_session

    def request_session(*arguments: Any) -> Any:
        requested.set()
        assert signalled.wait(PATIENCE_S)
        return real(*arguments)

    monkeypatch.setattr(Service, "request_session", request_session)
    with Emulator(record=False, size=(512, 64)) as emulator:
        with script(PATIENT + "client.connect()", emulator.api_url, close_on_sigterm=True) as process:
            assert requested.wait(PATIENCE_S)
            process.signal(signal.SIGTERM)
            signalled.set()
            assert process.ended() == -signal.SIGTERM
            assert process.stderr == ""
        assert sessions_are_free(emulator.api_url)


def test_a_recording_is_finished(tmp_path: Path) -> None:
    file = tmp_path / "cat.mp4"
    code = f"""
{PATIENT}{STREAM}
recording = session.record({str(file)!r})
while recording.frames < 5:
    next(frames)
say('recorded')
session.wait()
"""
    with (
        Emulator(record=False, size=(512, 64)) as emulator,
        script(code, emulator.api_url, close_on_sigterm=True) as process,
    ):
        assert process.said() == ["recorded"]
        process.signal(signal.SIGTERM)
        assert process.ended() == -signal.SIGTERM
    with av.open(file) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 5
        assert container.duration


def test_without_being_asked_for_it_changes_nothing() -> None:
    code = f"{STREAM}import signal\nsay(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\nsession.wait()"
    with Emulator(record=False, size=(512, 64)) as emulator, script(code, emulator.api_url) as process:
        assert process.said() == [True]
        process.signal(signal.SIGTERM)
        assert process.ended() == -signal.SIGTERM
        assert not sessions_are_free(emulator.api_url)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_of_the_program_is_left_alone(when: str) -> None:
    handler = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    client = "client = Odyssey(sys.argv[2], api_url=sys.argv[1], close_on_sigterm=True)\n"
    made = handler + client if when == "before" else client + handler
    code = f"{PATIENT}{made}{STREAM}say('ready')\nsession.wait()"
    with Emulator(record=False, size=(512, 64)) as emulator:
        with script(code, emulator.api_url) as process:
            assert process.said() == ["ready"]
            process.signal(signal.SIGTERM)
            assert process.ended() == 7
            assert process.stderr == ""
        assert sessions_are_free(emulator.api_url)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    code = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Odyssey("ody_test", close_on_sigterm=True)
say(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)
"""
    with script(code, "http://127.0.0.1:9") as process:
        assert process.said() == [True]


def test_it_can_only_be_asked_for_on_the_main_thread() -> None:
    code = """
def ask():
    try:
        Odyssey("ody_test", close_on_sigterm=True)
        say("done")
    except OdysseyConfigError as error:
        say(str(error))

for _ in range(2):
    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    Odyssey("ody_test", close_on_sigterm=True)
"""
    with script(code, "http://127.0.0.1:9") as process:
        needs = "close_on_sigterm=True needs the main thread: create the first such client there"
        assert process.said() == [needs]
        assert process.said() == ["done"]
        assert process.ended() == 0


@pytest.mark.netns
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs Linux, root and unshare, for a namespace of processes",
)
def test_the_first_process_of_a_container_ends_too() -> None:
    """Without a handler, the kernel ignores a signal to this process, even one that it sends to itself."""
    code = f"{PATIENT}{STREAM}import os\nsay(os.getpid())\nsession.wait()"
    with Emulator(record=False, size=(512, 64)) as emulator:
        command = script_arguments(code, emulator.api_url, close_on_sigterm=True)
        with subprocess.Popen(
            ["unshare", "--pid", "--fork", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as outer:
            assert outer.stdout is not None
            assert outer.stderr is not None
            assert outer.stdout.readline() == "[1]\n"
            (child,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)
            assert outer.wait(30) == 128 + signal.SIGTERM
            assert outer.stderr.read() == ""
        eventually(lambda: sessions_are_free(emulator.api_url))
