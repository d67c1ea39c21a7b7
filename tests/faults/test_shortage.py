"""A system out of threads or descriptors: at any step, a typed error says so, and nothing is left."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Final

import pytest

from odyssey_proto._base.errands import undisturbed
from tests.support.servers import Connection, HttpServer, Reply, Request, answer, json_answer

resource = pytest.importorskip("resource", reason="needs the limits of a Unix system")

PROGRAM = """
import gc, json, os, resource, sys, tempfile, threading
from odyssey_proto import AdvancedConfig, Odyssey, OdysseyError
from odyssey_proto._net import http_exchange
from odyssey_proto._net.webrtc import peer

url = sys.argv[1]
http_exchange._REPEAT_AFTER_S = (0.01, 0.01)  # requests are repeated, but at once
folder = tempfile.mkdtemp()
calls = {
    "list": lambda odyssey: odyssey.list_simulations(timeout=30),
    "download": lambda odyssey: odyssey.download_recording("s-1", folder, timeout=30, resume=False),
    "credentials": lambda odyssey: odyssey.create_client_credentials(timeout=30),
    "connect": lambda odyssey: odyssey.connect(timeout=30),
}

def made():
    return Odyssey("ody_k", api_url=url, advanced=AdvancedConfig(queue_timeout_s=0, max_retries=0))

def attempt(call):
    with made() as odyssey:
        try:
            calls[call](odyssey)
        except OdysseyError as error:
            return error.code
        except BaseException as error:
            return "raw " + repr(error)
        return "done"

def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))

def started():
    return [*set(threading.enumerate()) - threads]

def left():
    for thread in started():
        thread.join(10)
    return descriptors() - before, [thread.name for thread in started()]

peer.warm()
found = []
real = threading._start_new_thread
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for call, steps in json.loads(sys.argv[2]).items():
    attempt(call)  # everything is loaded
    gc.collect()
    gc.freeze()  # what is loaded is not looked through again
    threads, before = set(threading.enumerate()), descriptors()
    for many in range(steps):
        count = 0
        def start(*args):
            global count
            count += 1
            if count > many:
                raise RuntimeError("can't start new thread")
            return real(*args)
        threading._start_new_thread = start
        outcome = attempt(call)
        threading._start_new_thread = real
        found.append([call, "threads", many, outcome, *left()])
        if outcome != "no_resources":
            break  # that is enough of them
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    for many in range(steps):
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + many, hard))
        outcome = attempt(call)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        found.append([call, "descriptors", many, outcome, *left()])
        if outcome != "no_resources":
            break
print(json.dumps(found))
"""


STEPS: Final = {"list": 6, "download": 8, "credentials": 6, "connect": 14}
"""How often each call is tried at most: with 0, 1, 2, … new threads, and then as many descriptors."""
LAST: Final = {
    "list": "done",
    "download": "done",
    "credentials": "malformed",  # this server's session token is not a JWT
    "connect": "streamer_not_available",
}


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info >= (3, 13), reason="needs /proc, and threads as before 3.13"
)
def test_a_shortage_at_any_step_is_reported_and_leaves_nothing_behind() -> None:
    def leave(connection: Connection, request: Request) -> None:
        connection.accept_websocket(request)
        connection.send_frame('{"type":"error","reason":"streamer_not_available"}')
        connection.hang()

    video = answer(b"\x00\x00\x00\x18ftypmp42" + bytes(1000))
    routes: dict[str, Reply | list[Reply]] = {
        "GET /simulation-jobs": json_answer({"jobs": [], "total": 0, "limit": 1, "offset": 0}),
        "GET /f": video,
        "GET /client/s-1": leave,
        "GET /config": json_answer({"iceServers": []}),
    }
    with HttpServer(routes) as server:
        here = server.url.replace("127.0.0.1", "localhost")
        files = {"video_url": f"{here}/f", "preview_url": f"{here}/f"}
        server.routes["GET /recordings/s-1"] = json_answer({"stream_id": "s-1", **files})
        session = {"session_id": "s-1", "signalling_url": here}
        server.routes["POST /sessions/request"] = json_answer(session)
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, here, json.dumps(STEPS)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert [row for row in found if row[3] not in ("no_resources", LAST[row[0]])] == []
    assert [row for row in found if row[4] > 0 or row[5]] == []
    short = {(call, what) for call, what, _, code, *_ in found if code == "no_resources"}
    assert short == {(call, what) for call in STEPS for what in ("threads", "descriptors")}
    assert {call: code for call, what, _, code, *_ in found if what == "descriptors"} == LAST


def test_work_without_a_thread_is_done_on_the_thread_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    before = threading.enumerate()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert undisturbed(threading.current_thread)() is threading.main_thread()
    assert threading.enumerate() == before


FRESH = """
import os, resource, sys
from odyssey_proto import Odyssey, OdysseyError, connect_to_stream

url, call = sys.argv[1:]
odyssey = Odyssey("ody_k", api_url=url)
calls = {
    "list": lambda: odyssey.list_simulations(),
    "wait": lambda: odyssey.wait_for_simulation("j-1"),
    "download": lambda: odyssey.download_recording("s-1", "."),
    "credentials": lambda: odyssey.create_client_credentials(),
    "connect": lambda: odyssey.connect(),
    "watch": lambda: connect_to_stream(url + "/live", "token"),
}
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
used = max(int(name) for name in os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (used, limit[1]))
try:
    calls[call]()
except OdysseyError as error:
    outcome = error.code
resource.setrlimit(resource.RLIMIT_NOFILE, limit)
print(outcome, odyssey.list_simulations().total)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("call", ["list", "wait", "download", "credentials", "connect", "watch"])
def test_a_module_that_cannot_be_loaded_for_lack_of_a_descriptor_is_reported(call: str) -> None:
    with HttpServer({"GET /simulation-jobs": json_answer({"jobs": [], "total": 3})}) as server:
        command = [sys.executable, "-c", FRESH, server.url, call]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ran.stdout == "no_resources 3\n", ran.stderr


LOOKUP: Final = """
import errno, os, resource, socket
from odyssey_proto import AdvancedConfig, Odyssey, OdysseyError

def looked_up(*_, **__):
    raise OSError(errno.EBUSY, "Device or resource busy")  # as with libnss-mdns, which finds no descriptor

socket.getaddrinfo = looked_up
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
with Odyssey("ody_k", api_url="http://localhost:9", advanced=AdvancedConfig(max_retries=0)) as odyssey:
    for soft in (limit[0], 0, limit[0]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, limit[1]))
            odyssey.list_simulations()
        except OdysseyError as error:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            print(error.code)
"""


def test_a_lookup_that_fails_for_lack_of_a_descriptor_without_saying_so_is_recognised() -> None:
    command = [sys.executable, "-c", LOOKUP]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ran.stdout.split() == ["unreachable", "no_resources", "unreachable"], ran.stderr
