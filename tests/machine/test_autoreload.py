"""The development servers of Flask and Django: a process that watches the files restarts the one that serves."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Final

import pytest
import requests

from tests.support.ports import port_for_later
from tests.support.processes import LOADING_S, eventually, python, sessions_are_free

if TYPE_CHECKING:
    from pathlib import Path

    from odyssey_proto.emulator._server import Emulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it is stopped with SIGTERM")

COMMON: Final = """
import os, signal, sys
from odyssey_proto import Odyssey

client = Odyssey("ody_test", api_url=sys.argv[1])

def answer():
    session = client.connect(timeout=20)
    if session.stream_id is None:
        session.start_stream("A cat", portrait=False)
    return f"VERSION {os.getpid()}"

def stop():
    os.kill(os.getpid(), signal.SIGTERM)  # both servers exit then
    return ""
"""

SERVERS: Final = {
    "flask": """
from flask import Flask

app = Flask(__name__)
app.add_url_rule("/", "answer", answer)
app.add_url_rule("/stop", "stop", stop)
app.run(port=int(sys.argv[2]), debug=True)
""",
    "django": """
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("", lambda request: HttpResponse(answer())),
    path("stop", lambda request: HttpResponse(stop())),
]
if not settings.configured:
    settings.configure(DEBUG=True, ROOT_URLCONF=__name__, SECRET_KEY="x")
execute_from_command_line([sys.argv[0], "runserver", sys.argv[2]])
""",
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_restarted_server_has_given_its_session_back(server: str, emulator: Emulator, tmp_path: Path) -> None:
    if importlib.util.find_spec(server) is None:
        pytest.skip(f"needs {server}")
    port = port_for_later()
    file, seen = tmp_path / "serve.py", [""]

    def answers(path: str, text: str) -> bool:
        try:
            seen.append(requests.get(f"http://127.0.0.1:{port}/{path}", timeout=30).text)
        except requests.RequestException:
            return False
        return seen[-1].startswith(text)

    def has_restarted() -> bool:
        answered = len(seen)
        if answers("", "new"):
            return True
        if seen[answered:] and seen[-1].startswith("old"):
            file.touch()  # it may serve before it has looked at the file for the first time
        return False

    file.write_text(COMMON.replace("VERSION", "old") + SERVERS[server])
    with python(str(file), emulator.api_url, str(port)) as process:
        try:
            eventually(lambda: answers("", "old"), within=LOADING_S)
            old = seen[-1].split()[1]
            file.write_text(COMMON.replace("VERSION", "new") + SERVERS[server])
            eventually(has_restarted, within=LOADING_S)
            assert seen[-1].split()[1] != old
        finally:  # the process that serves would outlive the one that watches the files
            eventually(lambda: not answers("stop", "never"))
        assert process.ended() == 0
    assert not any("Limit" in text for text in seen)
    assert sessions_are_free(emulator.api_url)
