"""``odyssey-proto conformance --server``: the emulator conforms; differences of another service are named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from odyssey_proto import Odyssey, OdysseyConfigError
from odyssey_proto.cli import main
from odyssey_proto.conformance._facts import assumed_facts
from odyssey_proto.conformance._probes import Probes
from odyssey_proto.conformance._service import STEPS, check_service
from odyssey_proto.emulator import Fault
from odyssey_proto.emulator._showing import SECRET_FIELDS
from tests.support.altering import AlteringProxy
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto.emulator import Emulator
    from tests.conftest import MakeEmulator

SETTINGS: Final[dict[str, Any]] = {"record": True, "size": (512, 64)}
LONG_SCRIPT: Final = [{"timestamp_ms": 0, "start": {"prompt": "A"}}, {"timestamp_ms": 60_000, "end": {}}]
REFUSED: Final = "A forbidden thing"


@pytest.fixture
def strict(make_emulator: MakeEmulator) -> Emulator:
    """An emulator whose account may do little, so that there is much to refuse."""
    emulator = make_emulator(**SETTINGS, bypass_privilege=False, image_to_video=False, sloppy=None)
    busy = Fault(
        step="POST /sessions/request",
        action="answer",
        status=503,
        body={"detail": "No streamer is free"},
        headers={"Retry-After": "1"},
    )
    emulator.faults.add(busy)
    return emulator


def secret_values(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from (value for name, value in data.items() if name in SECRET_FIELDS and isinstance(value, str))
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from secret_values(value)


def secrets_in(emulator: Emulator, text: str) -> list[str]:
    """Return the secrets and the contents of messages that appear in ``text``, the report of a check."""
    traffic = requests.get(f"{emulator.api_url}/_emulator/traffic?secrets=true", timeout=PATIENCE_S)
    told = {value for line in traffic.text.splitlines() for value in secret_values(json.loads(line))}
    assert len(told) > 5
    words = ("eyJ", "Signature", "token=", "ice-pwd", "lake", "v=0")
    return [word for word in (*told, *words) if word in text]


def test_the_emulator_conforms_and_confirms_every_assumed_fact(strict: Emulator) -> None:
    report = check_service(strict.api_url, strict.api_key, refused_prompt=REFUSED)
    assert [step for step in report.steps if step.outcome != "done"] == []
    assert report.findings == ()
    verdicts = {state.fact.name: state.verdict for state in report.facts}
    assert verdicts == dict.fromkeys(assumed_facts(), "confirmed")
    assert report.ok
    assert report.seen["streamerToClient < update_acknowledged"] == 1
    assert secrets_in(strict, f"{report}{json.dumps(report.to_dict())}") == []


def test_a_step_is_skipped_with_the_reason(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(**SETTINGS, concurrent_sessions=2, simulation_workers=0, sloppy=None)
    names = ("connect", "a second session", "a prompt that moderation refuses", "disconnect", "recordings")
    steps = (*names, "a simulation that is done")
    report = check_service(emulator.api_url, emulator.api_key, steps=steps)
    assert {step.name: step.reason for step in report.steps if step.outcome == "skipped"} == {
        "a second session": "the account may have several sessions; the second was given back",
        "a prompt that moderation refuses": "no prompt is known that moderation refuses (--refused-prompt)",
        "recordings": "no stream was recorded",
        "a simulation that is done": "no job was created",
    }


def test_a_step_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OdysseyConfigError, match="no step 'conect'"):
        check_service("http://127.0.0.1:9", "ody_test", steps=["conect"])


def test_a_service_that_cannot_be_reached_fails_every_step_that_needs_it() -> None:
    report = check_service("http://127.0.0.1:9", "ody_test")
    assert {step.outcome for step in report.steps} == {"failed", "skipped"}
    assert not report.ok


def test_each_difference_of_a_service_is_found_and_named(
    make_emulator: MakeEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    emulator = make_emulator(**SETTINGS, sloppy=None)
    whep = "POST /live/{stream_id}/whep"
    emulator.faults.add(
        # The first two handshakes connect, and join with credentials; the third has a forged token.
        Fault(step="signaling handshake", action="answer", status=401, body={"detail": "No"}, after=2, times=None),
        Fault(step="signaling offer", action="send", text='{"type": "queue_position", "position": 3}'),
        Fault(step="stream update", action="send", text='{"type": "stream_started", "stream_id": 7}'),
        Fault(step="stream end", action="send", text='{"type": "stream_ended", "seconds": 4}'),
        Fault(step=whep, action="answer", status=422, body={"detail": "No"}, after=1, times=1),
    )
    changes = {
        "POST /auth 200": lambda data: data.update(expires_in="3600"),
        "GET /regions 200": lambda data: data["regions"][1].update(load=0.5),
        "GET /stream-recordings 200": lambda data: data.pop("total"),
        "GET /simulation-jobs 200": lambda data: [job.update(status="postponed") for job in data.get("jobs", ())],
        "GET /recordings 404": lambda data: data.pop("detail"),
    }
    monkeypatch.setenv("ODYSSEY_API_KEY", emulator.api_key)
    file = tmp_path / "report.json"
    with AlteringProxy(emulator.api_url, changes, {"DELETE /simulation-jobs 404": 410}) as service:
        status = main(["conformance", "--server", service.url, "--refused-prompt", REFUSED, "--json", str(file)])
    printed, data = capsys.readouterr().out, json.loads(file.read_text("utf-8"))
    found = {
        ": ".join(part for part in (one["where"], one["part"], one["at"], one["what"], one["value"]) if part)
        for one in data["findings"]
    }
    assert found == {
        "POST /auth/token: 200: /expires_in: it is a string, not an integer or null",
        "GET /regions: 200: /regions/1/load: the protocol has no such field",
        "GET /stream-recordings: 200: it lacks 'total'",
        "GET /simulation-jobs: 200: /jobs/0/status: the protocol has no such value: postponed",
        "GET /simulation-jobs: 200: /jobs/1/status: the protocol has no such value: postponed",
        "GET /recordings/{stream_id}: 404: it lacks 'detail'",
        "DELETE /simulation-jobs/{job_id}: 410: the protocol has no such answer",
        "signaling, from the service: no message 'queue_position' goes this way",
        "streamerToClient, from the service: stream_started: /stream_id: it is an integer, not a string",
        "streamerToClient, from the service: stream_ended: /seconds: the protocol has no such field",
        "POST /whep: 422: the protocol has no such answer",
    }
    contradicted = {fact["name"]: fact["notes"] for fact in data["facts"] if fact["verdict"] == "contradicted"}
    assert contradicted == {
        "signaling.refused-handshake": ["GET /client/{session_id}: 401: a handshake is refused with 403"],
        "watchBroadcast.415": ["another type than application/sdp was answered with 422"],
    }
    assert (status, data["ok"]) == (1, False)
    assert all(one.rpartition(": ")[2] in printed for one in found)
    assert secrets_in(emulator, printed + json.dumps(data)) == []


def test_what_a_lenient_service_grants_is_given_back_and_every_leniency_is_named(
    make_emulator: MakeEmulator,
) -> None:
    emulator = make_emulator(**SETTINGS, sloppy=None)
    malformed: dict[str, Any] = {
        "POST /sessions": lambda data: data.pop("region_latencies", None),
        "POST /simulation-jobs": lambda data: (
            None if "output_video" in data else data.update(output_video=True, script=LONG_SCRIPT)
        ),
    }
    steps = ("connect", "disconnect", "a simulation that is cancelled", "malformed requests")
    with AlteringProxy(emulator.api_url, {}, requests_changes=malformed) as service:
        report = check_service(service.url, emulator.api_key, steps=steps)
    failed = {step.name: step.reason for step in report.steps if step.outcome == "failed"}
    assert failed == {
        "malformed requests": (
            "the service accepted an invalid request: POST /sessions/request with 200, "
            "POST /simulation-jobs with 200"
        )
    }
    eventually(lambda: not emulator._server._service.sessions)  # type: ignore[union-attr]  # it runs
    with Odyssey(emulator.api_key, api_url=emulator.api_url) as client:
        jobs = client.list_simulations().jobs
    assert [str(job.status) for job in jobs].count("pending") == 0


def test_a_connection_that_is_lost_costs_one_step(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(**SETTINGS, sloppy=None)
    emulator.faults.add(Fault(step="stream update", action="close", code=4321))
    names = ("connect", "a stream in landscape, and interact", "the end of the stream", "a stream in portrait")
    report = check_service(emulator.api_url, emulator.api_key, steps=(*names, "disconnect"))
    assert [step.outcome for step in report.steps] == ["done", "failed", "done", "done", "done"]
    assert report.steps[1].reason.startswith("OdysseyStreamError")


def test_the_words_of_a_service_are_not_in_the_report(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(sloppy=None)
    words = "The key sk-secret of somebody@example.com is suspended"
    emulator.faults.add(
        Fault(step="POST /auth/token", action="answer", status=403, times=None, body={"detail": words})
    )
    report = check_service(emulator.api_url, "sk-secret", steps=("connect", "recordings", "unknown ids"))
    assert {step.reason for step in report.steps} == {
        "OdysseyAuthError, POST /auth/token, status 403, code access_denied",
        "OdysseyUnauthorizedError, POST /auth/token, status 403, code access_denied",
    }
    written = f"{report}{json.dumps(report.to_dict())}"
    assert [word for word in ("sk-", "somebody", "suspended") if word in written] == []


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (
            {"Access-Control-Allow-Origin": "https://elsewhere.example"},
            "POST /auth/token: the origin is not allowed",
        ),
        ({"Access-Control-Allow-Headers": "*"}, "GET /regions: the header authorization is not allowed"),
        ({"Access-Control-Allow-Methods": "POST"}, "DELETE /simulation-jobs/{job_id}: the method is not allowed"),
    ],
)
def test_what_keeps_browsers_out_is_named(make_emulator: MakeEmulator, headers: dict[str, str], why: str) -> None:
    emulator = make_emulator(sloppy=None)
    with AlteringProxy(emulator.api_url, {}, headers=headers) as service:
        (step,) = check_service(service.url, emulator.api_key, steps=("calls from a browser",)).steps
    assert (step.outcome, "(spec/behaviour.md#browsers): " in step.reason, why in step.reason) == (
        "failed",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("key", "url", "why"),
    [
        ("ody_test", "ftp://x", "api_url must be like"),
        ("", "http://127.0.0.1:9", "No API key"),
    ],
)
def test_a_check_that_cannot_be_made_has_a_status_of_its_own(
    key: str, url: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", key)
    assert main(["conformance", "--server", url]) == 2
    printed = capsys.readouterr()
    assert (printed.out, why in printed.err) == ("", True)


def test_an_address_of_ipv6_is_shown_as_it_is_written() -> None:
    report = check_service("http://[::1]:9", "ody_test", steps=["unknown ids"])
    assert report.service == "http://[::1]:9"


def test_a_password_in_netrc_is_not_sent(
    make_emulator: MakeEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    emulator = make_emulator(sloppy=None)
    (tmp_path / "netrc").write_text("default login me password hush\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen: list[Any] = []
    Probes(emulator.api_url, seen.append).call("GET", "/regions", token="mine")
    assert seen[0].status == 401
    traffic = requests.get(f"{emulator.api_url}/_emulator/traffic?secrets=true", timeout=PATIENCE_S)
    assert json.loads(traffic.text)["request"]["headers"]["Authorization"] == "Bearer mine"


def test_an_emulator_that_is_started_for_the_call_is_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("odyssey_proto.conformance._service.STEPS", STEPS[:2])
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    assert main(["conformance", "--emulator", "--json", "-"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["service"].startswith("http://127.0.0.1:")
    assert printed.err.splitlines() == [f"done     {step.name}" for step in STEPS[:2]]
