"""gevent and eventlet, which replace threads: REST works, and a connection is refused before it starts."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.processes import python

if TYPE_CHECKING:
    from odyssey_proto.emulator._server import Emulator

PROGRAM: Final = """
import warnings

warnings.simplefilter("ignore")  # eventlet says that it is deprecated
{patch}
import asyncio, sys
from odyssey_proto import Odyssey, OdysseyConnectionError, connect_to_stream
if "Emulator" in sys.argv:
    from odyssey_proto.emulator import Emulator

def one(number):
    with Odyssey("ody_test", api_url=sys.argv[1]) as client:
        print(client.list_stream_recordings(limit=1).total, client.list_simulations().total, flush=True)
        calls = {{
            "connect()": client.connect,
            "watch()": lambda: connect_to_stream(sys.argv[1], "token"),
            "Emulator": lambda: Emulator().start(),
        }}
        for call in sys.argv[2:]:
            try:
                calls[call]()
            except OdysseyConnectionError as error:
                print(error.code, error, flush=True)

def other():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        print("no loop", asyncio.run(asyncio.sleep(0, "of its own")), flush=True)

{spawn}
"""

GEVENT: Final = "from gevent import monkey\nmonkey.patch_all({arguments})"
EVENTLET: Final = "import eventlet\neventlet.monkey_patch({arguments})"
SPAWN: Final = {
    "gevent": "import gevent\ngevent.joinall([gevent.spawn(one, 1), gevent.spawn(one, 2), gevent.spawn(other)])",
    "eventlet": "for each in [eventlet.spawn(one, 1), eventlet.spawn(one, 2), eventlet.spawn(other)]: each.wait()",
}
SESSIONS: Final = ("connect()", "watch()")
ALL: Final = (*SESSIONS, "Emulator")
"""Tried once with each library and once with each way to patch, because an emulator takes a while to load."""
REFUSAL: Final = (
    "greenlets {call} needs real threads and sockets, and {library} has replaced them ({replaced}): use a process "
    "that is not monkey-patched, such as a worker of gunicorn's class gthread; calls to the REST API work here"
)


@pytest.mark.parametrize(
    ("library", "arguments", "replaced", "calls"),
    [
        ("gevent", "", "threading, _thread, socket, select, queue, subprocess", ALL),
        ("gevent", "thread=False", "socket, select, queue, subprocess", SESSIONS),
        ("eventlet", "", "thread, socket, select, os", SESSIONS),
        ("eventlet", "thread=False", "socket, select, os", ALL),
    ],
)
def test_two_clients_and_another_greenlet(
    emulator: Emulator, library: str, arguments: str, replaced: str, calls: tuple[str, ...]
) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")
    patch = (GEVENT if library == "gevent" else EVENTLET).format(arguments=arguments)
    with python("-c", PROGRAM.format(patch=patch, spawn=SPAWN[library]), emulator.api_url, *calls) as process:
        assert process.ended() == 0
        refusals = [REFUSAL.format(call=call, library=library, replaced=replaced) for call in calls]
        assert sorted(process.rest()) == sorted([*2 * ["0 0", *refusals], "no loop of its own"])
        assert process.stderr == ""


@pytest.mark.parametrize("library", ["gevent.monkey", "eventlet.patcher"])
def test_a_library_that_has_replaced_nothing_does_not_matter(emulator: Emulator, library: str) -> None:
    if importlib.util.find_spec(library.split(".")[0]) is None:
        pytest.skip(f"needs {library}")
    code = f"""
import sys, warnings
warnings.simplefilter("ignore")
import {library}
from odyssey_proto import Odyssey
with Odyssey("ody_test", api_url=sys.argv[1]) as client, client.connect() as session:
    frames = session.frames("error", 64, timeout=20)
    session.start_stream("A cat", portrait=False)
    print(next(frames).index)
"""
    with python("-c", code, emulator.api_url) as process:
        assert process.line() == "0"
        assert process.ended() == 0
        assert process.stderr == ""
