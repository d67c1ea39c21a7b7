"""Processes that fork: the child has no session, can open its own, and does not disturb its parent's."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto.emulator._server import Emulator
from tests.support.processes import Process, python, script, sessions_are_free

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)

# The child reports the outcome of `code`; the parent then shows that its own stream continues.
FORK: Final = """
import multiprocessing

session = client.connect()
session.start_stream("A cat", portrait=False)
frames = first_frames(session)

def child():
{code}
    say(*told)

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
say("child", process.exitcode)
seen = next(frames).index
while next(frames).index < seen + 10:
    pass
say("parent", session.status, session.interact("Night").startswith("Night"))
session.end_stream()
client.close()
"""

REFUSED: Final = {
    "interact": "session.interact('Night')",
    "start_stream": "session.start_stream('Night')",
    "end_stream": "session.end_stream()",
    "frames": "session.frames()",
    "frames that were asked for before": "next(frames)",
    "wait": "session.wait()",
}


def forking(code: str, emulator: Emulator) -> Process:
    indented = "".join(f"    {line}\n" for line in code.strip().splitlines())
    return script(FORK.format(code=indented), emulator.api_url, key="ody_parent")


def assert_parent_goes_on(process: Process) -> None:
    assert process.said() == ["parent", "connected", True]
    assert process.ended() == 0
    assert process.stderr == ""


def test_a_session_refuses_in_a_forked_child_and_goes_on_in_its_parent() -> None:
    code = f"""
told = []
for code in {list(REFUSED.values())}:
    try:
        exec(code)
    except OdysseyConnectionError as error:
        told.append(error.code)
    else:
        told.append(code)
"""
    with Emulator(record=False, size=(512, 64)) as emulator, forking(code, emulator) as process:
        assert process.said() == ["forked"] * len(REFUSED)
        assert process.said() == ["child", 0]
        assert_parent_goes_on(process)


def test_a_session_is_not_connected_in_a_forked_child() -> None:
    code = "told = [session.is_connected, session.status, client.is_connected, client.current_session_id]"
    with Emulator(record=False, size=(512, 64)) as emulator, forking(code, emulator) as process:
        assert process.said() == [False, "disconnected", False, None]
        assert process.said() == ["child", 0]
        assert_parent_goes_on(process)


def test_disconnect_and_close_in_a_forked_child_leave_the_parents_session_alone() -> None:
    code = """
session.disconnect()
client.close()
told = ["closed"]
"""
    with Emulator(record=False, size=(512, 64)) as emulator, forking(code, emulator) as process:
        assert process.said() == ["closed"]
        assert process.said() == ["child", 0]
        assert_parent_goes_on(process)


@pytest.mark.parametrize(
    "which", ["client", "Odyssey('ody_child', api_url=sys.argv[1])"], ids=["inherited", "new"]
)
def test_a_forked_child_can_open_its_own_session(which: str) -> None:
    code = f"""
own = {which}
with own.connect() as session:
    session.start_stream("A cat", portrait=False)
    told = [next(first_frames(session)).width]
own.close()
"""
    with (
        Emulator(record=False, size=(512, 64), concurrent_sessions=2) as emulator,
        forking(code, emulator) as process,
    ):
        assert process.said() == [512]
        assert process.said() == ["child", 0]
        assert_parent_goes_on(process)


WORKERS: Final = """
import multiprocessing, sys

def work(url, key):
    from odyssey_proto import Odyssey
    from odyssey_proto._live import driver
    driver.LEAVE_S = 20.0  # a busy machine takes longer to leave
    session = Odyssey(key, api_url=url).connect()
    print(session.start_stream("A cat"), flush=True)

if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=work, args=sys.argv[2:])
    process.start()
    process.join()
    print(process.exitcode)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_worker_process_that_does_not_close_gives_its_session_back(method: str, tmp_path: Path) -> None:
    file = tmp_path / "workers.py"
    file.write_text(WORKERS)
    with Emulator(record=False, size=(512, 64)) as emulator:
        with python(str(file), method, emulator.api_url, "ody_test") as process:
            assert process.line().startswith("stream-")
            assert process.line() == "0"
            assert process.ended() == 0
            assert process.stderr == ""
        assert sessions_are_free(emulator.api_url)
