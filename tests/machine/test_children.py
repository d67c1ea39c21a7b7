"""Children of multiprocessing, and of the libraries derived from it: billiard (Celery), multiprocess (pathos).

They skip what the interpreter does at exit, and each library ends its children in its own way.
"""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENT, python, sessions_are_free

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows terminates children without a word")

PROGRAM: Final = """
import importlib, sys, threading
from concurrent.futures import ThreadPoolExecutor

import aiortc, av, cattrs, numpy, odyssey_models, requests, websocket  # once, and not in each child

library, url = sys.argv[1:]
mp = importlib.import_module(library)
importlib.import_module(library + ".util")
kept = []
returned = threading.Event()
idle = ThreadPoolExecutor(1)

def work(**options):
    from odyssey_proto import Odyssey
{patient}
    client = Odyssey(key, api_url=url, **options)
    session = client.connect(timeout=25)
    kept.append((client, session))  # as the globals of a module of tasks do
    session.start_stream("A cat", portrait=False)
    return session.status.value

def child():
    print(work(), flush=True)

def child_whose_thread_connects_last():
    threading.Thread(target=lambda: (returned.wait(), child())).start()
    mp.util.Finalize(None, returned.set, exitpriority=-1)  # after those of the library

def child_whose_stream_goes_on():
    def watch():
        returned.wait()
        session = kept[0][1]
        while next(session.frames(timeout=20)).index < 20:
            pass
        print(session.status.value, flush=True)
    mp.util.Finalize(None, returned.set, exitpriority=-1)
    work()
    idle.submit(len, "").result()  # its thread is no daemon, and ends only at the very end
    threading.Thread(target=watch).start()

def child_that_waits():
    print(work(close_on_sigterm=True), flush=True)
    kept[0][1].wait()

if __name__ == "__main__":
{body}
"""

ENDS: Final = {
    "a process that returns": """
process = mp.Process(target=child)
process.start()
process.join()
""",
    "a pool that is closed": """
pool = mp.Pool(1)
print(pool.apply(work), flush=True)
pool.close()
pool.join()
""",
    "a worker that has done its tasks": """
pool = mp.Pool(1, maxtasksperchild=1)
print(pool.apply(work), flush=True)
pool.close()
pool.join()
""",
    "a pool that is terminated": """
pool = mp.Pool(1)
print(pool.apply(work, kwds={"close_on_sigterm": True}), flush=True)
pool.terminate()
pool.join()
""",
    "a process that is terminated": """
process = mp.Process(target=child_that_waits)
process.start()
sys.stdin.readline()
process.terminate()
process.join()
""",
    "a process whose thread connects last": """
process = mp.Process(target=child_whose_thread_connects_last)
process.start()
process.join()
""",
    "a process whose stream goes on": """
process = mp.Process(target=child_whose_stream_goes_on)
process.start()
process.join()
""",
}
GOES_ON: Final = ("a process whose thread connects last", "a process whose stream goes on")


def program(ends: Iterable[str]) -> str:
    """Return a program with children that end in these ways, one after the other; it prints when each has ended.

    Each child has a key of its own.
    """
    code = "".join(f'key = "{key_of(end)}"\n{ENDS[end]}\nprint("over", flush=True)\n' for end in ends)
    return PROGRAM.format(patient=textwrap.indent(PATIENT, "    "), body=textwrap.indent(code, "    "))


def key_of(end: str) -> str:
    return f"ody_{[*ENDS].index(end)}"


@pytest.mark.parametrize(
    ("library", "ends"),
    [
        ("multiprocessing", [*ENDS]),
        # A child of billiard ends while its threads still run.
        ("billiard", [end for end in ENDS if end not in GOES_ON]),
        # multiprocess is multiprocessing with another name and another pickle.
        ("multiprocess", ["a worker that has done its tasks", "a process that is terminated", *GOES_ON]),
    ],
    ids=["multiprocessing", "billiard", "multiprocess"],
)
def test_a_child_that_does_not_close_gives_its_session_back(library: str, ends: list[str], tmp_path: Path) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")
    file = tmp_path / "workers.py"
    file.write_text(program(ends))
    with (
        Emulator(record=False, size=(512, 64), streamers=2 * len(ends)) as emulator,
        python(str(file), library, emulator.api_url) as process,
    ):
        for end in ends:
            assert process.line() == "connected", end
            if "stdin" in ENDS[end]:
                process.tell()
            assert process.line() == "over", end
            assert sessions_are_free(emulator.api_url, key_of(end)), end
        assert process.ended() == 0
        assert process.stderr == ""
