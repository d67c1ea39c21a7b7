"""``odyssey-proto doctor`` and ``credentials`` against emulators and TURN servers, and without a server."""

from __future__ import annotations

import json
import logging
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from odyssey_proto import ClientCredentials, IceServer, Odyssey
from odyssey_proto.cli import main
from odyssey_proto.emulator import Emulator, Fault
from tests.support.apis import REGION_LIMITS, give_time
from tests.support.coturn import CREDENTIAL, USERNAME, Coturn, missing
from tests.support.processes import sessions_are_free
from tests.support.systems import NEEDS_DEV_FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("command")

KEY: Final = "ody_doctor_secret"
"""The beginning of the keys; each test has a key of its own."""


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator(record=False, size=(512, 64)) as running:
        yield running


@pytest.fixture(autouse=True)
def key(
    service: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The key of the test's own account."""
    key = f"{KEY}-{re.sub('[^a-z]+', '-', request.node.name)}"
    monkeypatch.setenv("ODYSSEY_API_URL", service.api_url)
    monkeypatch.setenv("ODYSSEY_API_KEY", key)
    stun = f"stun:{urlsplit(service.api_url).netloc}"  # in place of the public servers, which no test contacts
    monkeypatch.setattr("odyssey_proto._doctor.service.FALLBACK_SERVERS", (IceServer(urls=stun),))
    # A busy machine may answer a ping after the time limit, and a region without an answer is a warning.
    give_time(monkeypatch, limits=REGION_LIMITS)
    monkeypatch.chdir(tmp_path)
    yield key
    service.faults.clear()


@pytest.fixture
def examined(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs ``doctor`` without the checks that need only this machine; returns its status, and findings by name."""

    def examine(*arguments: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr("odyssey_proto._doctor.checks.local_checks", lambda timeout_s: [])
        status = main(["doctor", "--json", *arguments])
        printed = capsys.readouterr().out
        assert [secret for secret in (KEY, USERNAME, CREDENTIAL, "eyJ") if secret in printed] == []
        report = json.loads(printed)
        assert report["ok"] == (status == 0)
        return status, {finding["name"]: finding for finding in report["checks"]}

    return examine


def outcomes(findings: dict[str, Any]) -> dict[str, str]:
    return {name: finding["outcome"] for name, finding in findings.items()}


def test_with_an_emulator_of_its_own_everything_works(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_API_URL", "http://127.0.0.1:9")
    assert main(["doctor", "--emulator"]) == 0
    *_, last = lines = capsys.readouterr().out.splitlines()
    assert last == "Everything that was checked works."
    assert [line for line in lines if line.startswith(("warning", "FAILED"))] == []
    names = {line.split()[1] for line in lines if line.startswith("ok")}
    assert {
        "API",
        "clock",
        "key",
        "regions",
        "signaling",
        "connection",
        "STUN",
        "UDP",
        "codecs",
        "emulator",
    } <= names


@pytest.mark.usefixtures("unhurried")
def test_the_session_that_it_asks_for_is_given_back(examined: Any, service: Emulator, key: str) -> None:
    status, found = examined()
    assert status == 0
    assert set(outcomes(found).values()) == {"ok", "skipped"}
    assert found["signaling"]["details"] == {"codecs": ["H264", "VP8"]}
    assert sessions_are_free(service.api_url, key)


def test_without_a_session_the_rest_is_checked(examined: Any) -> None:
    status, found = examined("--no-session")
    assert status == 0
    assert "session" not in found
    assert found["key"]["outcome"] == "ok"


@pytest.mark.parametrize(("wrong", "code"), [("", "missing_api_key"), ("ody_invalid_secret", "invalid_api_key")])
def test_a_key_that_is_missing_or_wrong_is_what_failed(
    wrong: str, code: str, examined: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", wrong)
    status, found = examined()
    assert status == 3
    assert found["API"]["outcome"] == "ok"
    assert found["key"]["code"] == code
    assert found["key"]["advice"]
    assert outcomes(found)["session"] == "skipped"


def test_a_key_comes_from_a_file(examined: Any, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY")
    Path("key").write_text(f"{key}\n")
    assert examined("--api-key-file", "key", "--no-session")[1]["key"]["outcome"] == "ok"


def test_a_session_that_is_in_use_is_no_failure(examined: Any, service: Emulator, key: str) -> None:
    with Odyssey(key, api_url=service.api_url) as client, client.connect():
        status, found = examined()
    assert status == 0
    assert (found["session"]["outcome"], found["session"]["code"]) == ("warning", "CONCURRENT_LIMIT_REACHED")
    assert "end the other session" in found["session"]["advice"]


@pytest.mark.parametrize(
    ("fault", "signaling", "connection"),
    [
        (Fault(step="signaling handshake", action="answer", status=503), "failed", "skipped"),
        (Fault(step="signaling offer", action="error", reason="streamer_not_available"), "failed", "skipped"),
        (Fault(step="signaling answer", action="error", reason="streamer_disconnected"), "ok", "failed"),
    ],
    ids=lambda value: value.step if isinstance(value, Fault) else "",
)
def test_a_connection_that_fails_shows_how_far_it_came(
    fault: Fault,
    signaling: str,
    connection: str,
    examined: Any,
    service: Emulator,
) -> None:
    service.faults.add(fault)
    status, found = examined()
    assert status in (5, 6)
    assert (found["signaling"]["outcome"], found["connection"]["outcome"]) == (signaling, connection)


def test_where_nothing_is_nothing_hangs(examined: Any) -> None:
    status, found = examined("--api-url", "http://127.0.0.1:9", "--timeout", "3")
    assert status == 5
    assert (found["API"]["outcome"], found["API"]["code"]) == ("failed", "refused")
    assert {found[name]["outcome"] for name in ("clock", "key", "session", "connection")} == {"skipped"}


@pytest.fixture
def log() -> Iterator[None]:
    """Restores the level and the handlers of the library's logger afterwards."""
    logger = logging.getLogger("odyssey_proto")
    before = logger.level, list(logger.handlers)
    yield
    logger.setLevel(before[0])
    logger.handlers[:] = before[1]


def test_the_log_goes_to_stderr_if_it_is_wanted(log: None, capsys: pytest.CaptureFixture[str], key: str) -> None:
    assert main(["doctor", "--json", "--debug", "--no-session", "--timeout", "10"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["ok"]
    assert "POST /auth/token: 200" in printed.err
    assert key not in printed.err


def test_an_address_that_is_malformed_is_a_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_API_URL", "api.odyssey.ml")
    assert main(["doctor"]) == 2
    printed = capsys.readouterr().out
    assert "api_url must be like https://api.odyssey.ml" in printed
    assert "ok       emulator " in printed  # the rest was checked


@pytest.mark.coturn
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_each_turn_server_is_asked_on_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odyssey_proto._doctor.checks.local_checks", lambda timeout_s: [])
    with Coturn(tmp_path / "coturn") as turn:
        wrong = turn.server("tcp", credential="wrong-4711")
        servers = [turn.server("udp", "tcp"), wrong, {"urls": f"stun:127.0.0.1:{turn.port}"}]
        with Emulator(record=False, ice_servers=servers) as emulator:
            assert main(["doctor", "--json", "--api-url", emulator.api_url]) == 0
        assert "success" in turn.wait_for("REFRESH processed")  # a relay was given back
    printed = capsys.readouterr().out
    assert [secret for secret in (USERNAME, CREDENTIAL, "wrong-4711") if secret in printed] == []
    found = json.loads(printed)["checks"]
    relays = [finding["text"].partition(f":{turn.port}")[2] for finding in found if finding["name"] == "TURN"]
    assert [text.rpartition(" after")[0] for text in relays[:2]] == [
        " grants a relay",
        "?transport=tcp grants a relay",
    ]
    assert relays[2] == "?transport=tcp: wrong credential? (401)"
    ways = {finding["name"]: finding["outcome"] for finding in found}
    assert (ways["STUN"], ways["UDP"], ways["TCP"], ways["TLS"]) == ("ok", "ok", "ok", "skipped")


# --- credentials


def test_credentials_are_json_that_a_client_connects_with(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["credentials", "--queue", "5s"]) == 0
    printed = capsys.readouterr()
    credentials = ClientCredentials.from_dict(json.loads(printed.out))
    assert printed.err == f"valid for {credentials.expires_in} s; whoever has them can use the session\n"
    with Odyssey(api_url=service.api_url) as client:
        assert client.connect_with_credentials(credentials).session_id == credentials.session_id


def test_credentials_are_lines_for_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["credentials", "--env"]) == 0
    lines = [line.removeprefix("export ").split("=", 1) for line in capsys.readouterr().out.splitlines()]
    names = ("SIGNALING_URL", "SESSION_TOKEN", "SESSION_ID", "EXPIRES_IN", "IMAGE_TO_VIDEO")
    assert [name for name, _ in lines] == [f"ODYSSEY_{name}" for name in names]
    assert [value for _, value in lines][3:] == ["600", "1"]


def test_credentials_in_a_file_are_for_its_owner_only(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("credentials.json")
    path.write_text("x")
    path.chmod(0o644)
    assert main(["credentials", "--out", str(path)]) == 2
    assert "credentials.json exists; --force replaces it." in capsys.readouterr().err
    assert main(["credentials", "--json", "--out", str(path), "--force"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ClientCredentials.from_dict(json.loads(path.read_text())).expires_in == 600


@NEEDS_DEV_FULL
def test_credentials_that_cannot_be_written_leave_a_device_as_it_was_and_say_what_is_reserved(
    capsys: pytest.CaptureFixture[str],
) -> None:
    device = Path("/dev/full")
    mode = device.stat().st_mode
    assert main(["credentials", "--out", str(device)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "nobody has the credentials; their session is reserved for 600 s",
        "odyssey-proto: /dev/full: No space left on device",
    ]
    assert device.stat().st_mode == mode


def test_credentials_go_to_stdout_by_a_dash_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["credentials", "--out", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["expires_in"] == 600
    assert list(Path().iterdir()) == []


def test_credentials_of_an_emulator_of_its_own_show_their_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["credentials", "--emulator"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["capabilities"] == {"image_to_video": True}
    assert "these credentials with it" in printed.err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--env", "--json"], 2), (["--api-url", "http://127.0.0.1:9", "--timeout", "3"], 5), (["--queue", "x"], 2)],
)
def test_credentials_that_cannot_be_had_are_an_error(arguments: list[str], status: int) -> None:
    assert main(["credentials", *arguments]) == status


def test_credentials_need_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY")
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["credentials"]) == 3
    assert list(Path().iterdir()) == []
