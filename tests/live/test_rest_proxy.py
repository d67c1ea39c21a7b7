"""The client behind a proxy: a real one, in a separate process, that requires a password.

Loopback names are never reached through a proxy. 0.0.0.0 also leads to this machine but is not one of them, so
the emulator counts as remote, and no network is needed.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from odyssey_proto import Odyssey, OdysseyConnectionError
from odyssey_proto.emulator._server import Emulator
from tests.support.processes import eventually
from tests.support.servers import HttpServer, json_answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "proxy-secret"
JOBS = {"jobs": [], "total": 0, "limit": 20, "offset": 0}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of the proxy."""
    folder = tmp_path_factory.mktemp("proxy")
    told, log = folder / "port", folder / "log"
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--port-file", str(told)]
    command += ["--num-workers", "1", "--num-acceptors", "1", "--basic-auth", f"user:{PASSWORD}"]
    command += ["--data-dir", str(folder)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            eventually(lambda: told.is_file() and told.read_text().strip().isdecimal(), within=60)
            yield f"127.0.0.1:{told.read_text().strip()}"
        finally:
            process.terminate()


@pytest.fixture
def behind(proxy: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The host and port of the proxy, which the environment names, with its password."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://user:{PASSWORD}@{proxy}")
    return proxy


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(simulation_workers=0, allow_hosts=["0.0.0.0"]) as made:
        yield made


def elsewhere(url: str) -> str:
    return f"{urlsplit(url).scheme}://0.0.0.0:{urlsplit(url).port}"


def test_calls_go_through_it(behind: str, emulator: Emulator) -> None:
    with Odyssey(emulator.api_key, api_url=elsewhere(emulator.api_url)) as client:
        job = client.simulate(script=[{"timestamp_ms": 0, "start": {"prompt": "A cat"}}])
        assert client.get_simulate_status(job.job_id).status == "pending"


def test_calls_over_tls_go_through_it_as_they_are(
    behind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with (
        HttpServer({"GET /simulation-jobs": json_answer(JOBS)}, tls=certificate.server) as server,
        Odyssey("ody_key", api_url=elsewhere(server.url)) as client,
    ):
        for _ in range(3):
            assert client.list_simulations().jobs == []
        assert server.accepted == 1  # one tunnel, kept
        assert not any("proxy" in name for request in server.requests for name in request.headers)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_the_password_is_reported_without_it(
    behind: str, scheme: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://user:wrong-secret@{behind}")
    url = elsewhere(emulator.api_url).replace("http", scheme)
    with Odyssey(emulator.api_key, api_url=url) as client, pytest.raises(OdysseyConnectionError) as caught:
        client.list_simulations()
    assert "407" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_this_machine_is_reached_without_it(
    behind: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://{behind}")  # without the password, which the proxy would refuse
    with Odyssey(emulator.api_key, api_url=emulator.api_url.replace("127.0.0.1", "localhost")) as client:
        assert client.list_stream_recordings().recordings == []


def test_a_host_that_the_environment_leaves_out_is_reached_without_it(
    behind: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://{behind}")
    monkeypatch.setenv("NO_PROXY", "0.0.0.0")
    with Odyssey(emulator.api_key, api_url=elsewhere(emulator.api_url)) as client:
        assert client.list_stream_recordings().recordings == []
