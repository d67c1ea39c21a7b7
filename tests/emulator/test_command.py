"""The emulator's command."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from odyssey_proto._video import stamp
from tests.support.plain_client import PATIENCE_S, authorise, connect, scenario
from tests.support.ports import port_for_later
from tests.support.processes import Process, loaded_python

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "odyssey_proto.emulator"


def start(*arguments: str) -> Process:
    """Start the command in a process that has already loaded the library."""
    code = f"import runpy; runpy.run_module({MODULE!r}, run_name='__main__', alter_sys=True)"
    return loaded_python(code, *arguments)


def first_line(process: Process) -> dict[str, str]:
    line = process.next_line()
    assert line is not None, process.stderr
    return dict(json.loads(line))


def test_it_prints_where_it_is_once_it_accepts_requests() -> None:
    with Process([sys.executable, "-m", MODULE]) as process:
        told = first_line(process)
        assert told.keys() == {"api_url", "api_key"}
        assert authorise(told["api_url"], told["api_key"]).token


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_without_a_word(number: signal.Signals) -> None:
    with start("--size", "512x64", "--no-record") as process:
        told = first_line(process)

        @scenario
        async def stream_until_the_end() -> None:
            async with connect(authorise(told["api_url"], told["api_key"]), goodbye=False) as client:
                client.start()
                await client.frame()
                process.signal(number)
                assert (await client.signaling.get())["type"] == "error"

        stream_until_the_end()
        assert (process.ended(PATIENCE_S), process.rest(), process.stderr) == (0, [], "")


def test_a_terminal_that_closes_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with start() as process:
        first_line(process)
        assert [path.name.startswith("odyssey-emulator-") for path in tmp_path.iterdir()] == [True]
        process.signal(signal.SIGHUP)
        assert process.ended(PATIENCE_S) == 0
    assert list(tmp_path.iterdir()) == []


def test_nohup_lets_it_go_on() -> None:
    with Process(["nohup", sys.executable, "-m", MODULE]) as process:
        told = first_line(process)
        process.signal(signal.SIGHUP)
        assert authorise(told["api_url"], told["api_key"]).token


def test_other_hosts_and_pages_are_allowed_by_options() -> None:
    options = ["--allow-host", "a.test", "--allow-host", "b.test", "--allow-origin", "https://app.example.org"]
    with start(*options) as process:
        url = first_line(process)["api_url"] + "/config"
        statuses = [
            requests.get(url, headers=headers, timeout=PATIENCE_S).status_code
            for headers in (
                {"Host": "b.test", "Origin": "https://app.example.org"},
                {"Host": "c.test"},
                {"Origin": "https://example.org"},
            )
        ]
    assert statuses == [200, 403, 403]


def test_options_are_those_of_the_emulator() -> None:
    port = port_for_later()
    options = ["--host", "127.0.0.1", "--port", str(port), "--size", "512x64", "--codec", "vp8", "--no-stamp"]
    with start(*options) as process:
        line = first_line(process)
        assert line["api_url"] == f"http://127.0.0.1:{port}"

        @scenario
        async def stream() -> None:
            async with connect(authorise(line["api_url"], line["api_key"])) as client:
                assert ("VP8" in client.offer, "H264" in client.offer) == (True, False)
                client.start()
                picture = await client.frame()
                assert (picture.shape, stamp.read(picture)) == ((64, 512, 3), None)

        stream()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--codec", "av1"], "av1"),
        (["--port", "99999"], "port"),
        (["--port", "x"], "port"),
        (["--seed", "-1"], "seed"),
        (["--sloppy", "-1"], "sloppy"),
        (["--sloppy"], "sloppy"),
        (["--allow-host", "a.test:80"], "allow_hosts"),
        (["--allow-host", "http://a.test"], "allow_hosts"),
        (["--allow-origin", "a.test"], "allow_origins"),
        (["--allow-origin", "https://a.test/"], "allow_origins"),
    ],
)
def test_options_that_cannot_work_are_refused_in_one_line(options: list[str], says: str) -> None:
    with start(*options) as process:
        assert process.ended(PATIENCE_S) != 0
        assert process.rest() == []
        assert says in process.stderr
        assert "Traceback" not in process.stderr


def test_a_port_that_is_taken_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start("--port", port) as process:
            assert process.ended(PATIENCE_S) == 1
            assert f"Cannot listen on 127.0.0.1:{port}" in process.stderr
            assert "Traceback" not in process.stderr


def test_it_serves_whoever_reads_no_further_output() -> None:
    with subprocess.Popen([sys.executable, "-m", MODULE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            process.stdout.close()
            assert requests.get(f"{told['api_url']}/signaling/config", timeout=PATIENCE_S).ok
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
