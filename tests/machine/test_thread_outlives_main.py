"""The main thread ends, and another thread does the work, as in small services and behind a GUI.

Once the main thread has ended, `concurrent.futures.thread` cannot be imported, and its executors accept no work.
"""

from __future__ import annotations

import sys
import textwrap
from typing import Final

import pytest

from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENT, python, sessions_are_free

BEFORE: Final = {
    "nothing was loaded": "",
    "the library was loaded": "from odyssey_proto import *; Odyssey, connect_to_stream",
    "all was loaded": "import asyncio, concurrent.futures as all; all.ThreadPoolExecutor(1).submit(len, '')",
    "another connection was open": "from odyssey_proto import Odyssey; Odyssey('ody_b', api_url=url).connect()",
}

PROGRAM: Final = """
import sys, threading

url = sys.argv[1]
{before}

def work():
    threading.main_thread().join()
    from odyssey_proto import Odyssey
    client = Odyssey("ody_test", api_url=url)
{work}

threading.Thread(target=work).start()
"""

STREAM: Final = """
session = client.connect()
session.start_stream("A cat", portrait=False)
print(next(session.frames(timeout=20)).data.shape)
"""

WORK: Final = {
    "a recording": (
        STREAM.replace("print", "recording = session.record(sys.argv[2]); frames = session.frames(); print")
        + "for _ in range(5): next(frames)\nrecording.close()",
        "(64, 512, 3)",
    ),
    "a call": ("print(client.list_stream_recordings(limit=1).total)", "0"),
    "a broadcast": (
        """
session = client.connect()
session.start_stream("A cat", portrait=False, broadcast=True)
info = session.wait_for_broadcast()
print(next(client.watch(info).frames(timeout=20)).data.shape)
""",
        "(64, 512, 3)",
    ),
    "an emulator": (
        """
from odyssey_proto.emulator import Emulator
with Emulator(size=(512, 64)) as emulator, Odyssey(emulator.api_key, api_url=emulator.api_url) as own:
    with own.connect() as session:
        session.start_stream("A cat", portrait=False)
        print(next(session.frames(timeout=20)).data.shape)
""",
        "(64, 512, 3)",
    ),
}


def program(before: str, work: str) -> str:
    return PROGRAM.format(before=before, work=textwrap.indent(work.strip() + PATIENT, "    "))


REFUSED: Final = sys.version_info[:3] in ((3, 12, 0), (3, 12, 1))


@pytest.mark.skipif(REFUSED, reason="this Python starts no thread once the main thread has ended")
@pytest.mark.parametrize("before", BEFORE)
def test_a_thread_that_outlives_the_main_thread_connects(before: str) -> None:
    with Emulator(record=False, size=(512, 64), streamers=2) as emulator:
        with python("-c", program(BEFORE[before], STREAM), emulator.api_url) as process:
            assert process.line() == "(64, 512, 3)"
            assert process.ended() == 0
            assert process.stderr == ""
        assert sessions_are_free(emulator.api_url)


@pytest.mark.skipif(REFUSED, reason="this Python starts no thread once the main thread has ended")
@pytest.mark.parametrize("work", WORK)
def test_it_does_what_the_main_thread_could(work: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    code, result = WORK[work]
    video = tmp_path_factory.mktemp("videos") / "cat.mp4"
    with Emulator(record=False, size=(512, 64)) as emulator:
        with python("-c", program("", code), emulator.api_url, str(video)) as process:
            assert process.line() == result
            assert process.ended() == 0
            assert process.stderr == ""
        assert sessions_are_free(emulator.api_url)
    assert video.exists() == (work == "a recording")


@pytest.mark.skipif(not REFUSED, reason="this Python starts threads after the end of the main thread")
def test_a_python_that_starts_no_threads_then_is_named() -> None:
    code = "try:\n    client.connect()\nexcept Exception as error:\n    print(type(error).__name__, error.code)"
    with python("-c", program("", code), "http://127.0.0.1:9") as process:
        assert process.line() == "OdysseyConnectionError shutting_down"
        assert process.ended() == 0
        assert process.stderr == ""
