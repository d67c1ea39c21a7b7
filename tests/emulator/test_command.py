"""The emulator's command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from tests.support.plain_client import PATIENCE_S, authorise, connect, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def start(
    *arguments: str, within: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    call = [*within, sys.executable, "-m", "odyssey_proto.emulator", *arguments]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    with start() as process:
        yield process
        process.kill()


def first_line(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


def test_it_prints_where_it_is_once_it_accepts_requests(running: subprocess.Popen[str]) -> None:
    told = first_line(running)
    assert told.keys() == {"api_url", "api_key"}
    assert authorise(told["api_url"], told["api_key"]).token


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_without_a_word(running: subprocess.Popen[str], number: signal.Signals) -> None:
    told = first_line(running)

    @scenario
    async def stream_until_the_end() -> None:
        async with connect(authorise(told["api_url"], told["api_key"]), goodbye=False) as client:
            client.start()
            await client.frame()
            running.send_signal(number)
            assert (await client.signaling.get())["type"] == "error"

    stream_until_the_end()
    output, errors = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, output, errors) == (0, "", "")


def test_a_terminal_that_closes_leaves_no_files(tmp_path: Path) -> None:
    with start(env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        first_line(process)
        assert [path.name.startswith("odyssey-emulator-") for path in tmp_path.iterdir()] == [True]
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == 0
    assert list(tmp_path.iterdir()) == []


def test_nohup_lets_it_go_on() -> None:
    with start(within=["nohup"]) as process:
        told = first_line(process)
        process.send_signal(signal.SIGHUP)
        assert authorise(told["api_url"], told["api_key"]).token
        process.kill()


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
        process.kill()
    assert statuses == [200, 403, 403]


def test_options_are_those_of_the_emulator() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--seed", "3", "--codec", "vp8", "--no-stamp"]
    with start(*options, "--sloppy", "1") as process:
        assert first_line(process)["api_url"] == f"http://127.0.0.1:{port}"
        process.kill()


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
        output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode not in (0, None)
    assert output == ""
    assert says in errors
    assert "Traceback" not in errors


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start("--port", port) as process:
            _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in errors
    assert "Traceback" not in errors


def test_it_serves_whoever_reads_no_further_output(running: subprocess.Popen[str]) -> None:
    told = first_line(running)
    assert running.stdout is not None
    running.stdout.close()
    assert requests.get(f"{told['api_url']}/signaling/config", timeout=PATIENCE_S).ok
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE_S) == 0
