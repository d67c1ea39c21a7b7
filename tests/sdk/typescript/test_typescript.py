"""The npm package that is generated, and a REST SDK on it, run by node against the emulator."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto.conformance._live import check_live
from odyssey_proto.conformance._record import recording
from odyssey_proto.conformance._scenarios import SCENARIOS
from odyssey_proto.emulator import Fault
from tests.support import node
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto import Odyssey
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PACKAGE = ROOT / "generated" / "typescript"
VECTORS = ROOT / "spec" / "vectors"

pytestmark = [
    pytest.mark.skipif(bool(node.missing(HERE)), reason=node.missing(HERE) or "it is there"),
    pytest.mark.xdist_group("typescript"),  # compiled once
]

STEPS = frozenset({"list_recordings", "simulate", "wait_job", "download", "wait"})
"""The steps that the SDK can do, of those in the scenarios of the conformance kit."""

OF_TYPES = frozenset({"type", "required", "const", "anyOf", "oneOf"})
"""Keywords that a type expresses; a guard knows nothing of the others."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of this folder as JavaScript, beside the package as npm packs it."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("src", "types", "tsconfig.json", "package.json", "guards.mjs"):
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
        copy(HERE / name, folder / name)
    (folder / "node_modules").mkdir()
    for path in (HERE / "node_modules").iterdir():
        if path.name != "odyssey-models":
            (folder / "node_modules" / path.name).symlink_to(path.resolve())
    packed = node.run("npm", "pack", "--silent", PACKAGE, cwd=folder).strip()
    subprocess.run(["tar", "-xzf", packed], cwd=folder, check=True)
    package = (folder / "package").rename(folder / "node_modules" / "odyssey-models")
    # Declarations of packages are not checked, as those of Node take longer than all the rest. So ours are copied.
    (folder / "declarations").mkdir()
    for path in package.glob("*.d.ts"):
        shutil.copy(path, folder / "declarations" / path.name.replace(".d.ts", ".ts"))
    node.run("node", "node_modules/typescript/bin/tsc", "--project", ".", cwd=folder)
    return folder


@pytest.fixture(scope="session")
def program(built: Path) -> Iterator[subprocess.Popen[str]]:
    """The SDK as a process of Node, for the function `sdk`."""
    command = ["node", "build/src/run.js"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=built, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        yield process


def sdk(program: subprocess.Popen[str], emulator: Emulator, *calls: Any) -> list[Any]:
    """Make calls, each a method and its arguments, with one client of the SDK."""
    assert program.stdin is not None
    assert program.stdout is not None
    question = {"apiUrl": emulator.api_url, "apiKey": emulator.api_key, "calls": calls}
    program.stdin.write(f"{json.dumps(question)}\n")
    program.stdin.flush()
    answers: list[Any] = json.loads(program.stdout.readline())
    return answers


def test_the_package_has_all_its_files_and_nothing_else(built: Path) -> None:
    packed = {path.name for path in (built / "node_modules" / "odyssey-models").iterdir()}
    assert packed == {path.name for path in PACKAGE.iterdir()}


def test_types_are_those_of_the_documentation_and_mistakes_do_not_compile(built: Path) -> None:
    """`types/` is compiled with the rest: each line that must not compile is marked there."""
    assert {path.stem for path in (built / "build" / "types").iterdir()} == {"documented", "enums", "messages"}


def test_guards_accept_what_the_service_writes(built: Path) -> None:
    cases = {
        (path.stem, case["name"]): case.get("written", case["data"])
        for path in sorted((VECTORS / "valid").glob("*.json"))
        for case in json.loads(path.read_text("utf-8"))["cases"]
    }
    found = node.answers([(name, value) for (name, _), value in cases.items()], "node", "guards.mjs", cwd=built)
    assert [case for case, accepted in zip(cases, found, strict=True) if accepted is not True] == []


def test_guards_refuse_what_breaks_the_type(built: Path) -> None:
    cases = {
        (path.stem, case["name"]): case
        for path in sorted((VECTORS / "invalid").glob("*.json"))
        for case in json.loads(path.read_text("utf-8"))["cases"]
        if case["keyword"] in OF_TYPES
    }
    assert cases
    questions = [(name, case["data"]) for (name, _), case in cases.items()]
    found = node.answers(questions, "node", "guards.mjs", cwd=built)
    assert [case for case, accepted in zip(cases, found, strict=True) if accepted is not False] == []


def test_guards_accept_unknown_fields_and_values_and_refuse_what_is_no_object(built: Path) -> None:
    job = {"job_id": "job_1", "status": "paused", "priority": "normal", "created_at": "", "completed_at": None}
    questions = [
        ("SimulationJobInfo", {**job, "error_message": None, "colour": "red"}),
        ("KnownSimulationJobStatus", "paused"),
        ("KnownSimulationJobStatus", "pending"),
        *[("SimulationJobInfo", value) for value in (None, [], "text", 1, {})],
    ]
    assert node.answers(questions, "node", "guards.mjs", cwd=built) == [True, False, True, *[False] * 5]


def test_the_sdk_makes_lists_gets_and_cancels_jobs(
    program: subprocess.Popen[str], make_emulator: MakeEmulator
) -> None:
    emulator = make_emulator(simulation_workers=0)
    script = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 300, "end": {}}]
    made, _, jobs = sdk(
        program,
        emulator,
        ["simulate", {"portrait": True, "script": script}],
        ["simulate", {"portrait": False, "scripts": [script, script]}],
        ["listSimulations", {"status": "pending", "limit": 1}],
    )
    assert (made["status"], jobs["total"], len(jobs["jobs"])) == ("pending", 2, 1)
    job_id = made["job_id"]
    got, cancelled, after, again = sdk(
        program,
        emulator,
        ["getSimulation", job_id],
        ["cancelSimulation", job_id],
        ["getSimulation", job_id],
        ["cancelSimulation", job_id],
    )
    assert (got["job_id"], got["status"], got["streams"]) == (job_id, "pending", [])
    assert (cancelled["job_id"], cancelled["status"], after["status"]) == (job_id, "cancelled", "cancelled")
    assert again["status"] == 400


def test_the_sdk_finds_the_recording_of_a_job(
    program: subprocess.Popen[str], emulator: Emulator, client: Odyssey
) -> None:
    script = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 300, "end": {}}]
    (job,) = sdk(program, emulator, ["simulate", {"portrait": True, "script": script}])
    client.wait_for_simulation(job["job_id"], timeout=PATIENCE_S, poll=0.1)
    done, listed = sdk(program, emulator, ["getSimulation", job["job_id"]], ["listRecordings"])
    (stream,) = done["streams"]
    (recording,) = sdk(program, emulator, ["getRecording", stream["stream_id"]])
    assert done["status"] == "completed"
    assert recording["frame_count"] == stream["frame_count"] > 0
    assert [entry["stream_id"] for entry in listed["recordings"]] == [stream["stream_id"]]


def test_the_sdk_says_why_a_call_was_refused(program: subprocess.Popen[str], emulator: Emulator) -> None:
    (unknown,) = sdk(program, emulator, ["getSimulation", "job/../none"])
    assert (unknown["status"], unknown["usage"]) == (404, None)
    assert unknown["error"].startswith("404: ")
    assert "no reason" not in unknown["error"]


@pytest.mark.parametrize("retry_after", ["0", "Thu, 01 Jan 2026 00:00:00 GMT"], ids=["seconds", "a date"])
def test_the_sdk_waits_as_long_as_the_service_asks(
    program: subprocess.Popen[str], emulator: Emulator, retry_after: str
) -> None:
    busy = Fault(
        step="GET /simulation-jobs", action="answer", status=429, times=2, headers={"Retry-After": retry_after}
    )
    emulator.faults.add(busy)
    (jobs,) = sdk(program, emulator, ["listSimulations"])
    assert jobs == {"jobs": [], "total": 0, "limit": 20, "offset": 0}
    assert emulator.faults.pending == []


def test_the_sdk_gives_up_in_the_end_and_never_repeats_a_request_to_make_something(
    program: subprocess.Popen[str], emulator: Emulator
) -> None:
    body = {
        "error": "RATE_LIMITED",
        "message": "Slow down",
        "action": "Wait",
        "details": {"retry_after_seconds": 0},
    }
    busy = {"action": "answer", "status": 429, "headers": {"Retry-After": "0"}}
    emulator.faults.add(
        Fault(step="GET /simulation-jobs", times=3, body={"detail": body}, **busy),
        Fault(step="POST /simulation-jobs", body=body, **busy),
    )
    script = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}]
    limited = {"error": "429: Slow down", "status": 429, "usage": "RATE_LIMITED"}
    found = sdk(program, emulator, ["listSimulations"], ["simulate", {"portrait": True, "script": script}])
    assert found == [limited, limited]
    assert emulator.faults.pending == []


def test_the_sdk_exchanges_its_key_again_for_a_token_that_was_revoked(
    program: subprocess.Popen[str], emulator: Emulator
) -> None:
    emulator.faults.add(Fault(step="GET /stream-recordings", action="answer", status=401))
    (recordings,) = sdk(program, emulator, ["listRecordings", {"limit": 5, "offset": 0}])
    assert recordings == {"recordings": [], "total": 0, "limit": 5, "offset": 0}


def test_the_sdk_reports_a_key_that_is_refused(program: subprocess.Popen[str], emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="answer", status=403, body={"detail": "Suspended"}))
    assert sdk(program, emulator, ["listRecordings"]) == [
        {"error": "403: Suspended", "status": 403, "usage": None}
    ]


@pytest.mark.parametrize(("lifetime_s", "tokens"), [(3600, 1), (50, 2)])
def test_the_sdk_renews_its_token_a_minute_before_its_end(
    program: subprocess.Popen[str], make_emulator: MakeEmulator, lifetime_s: int, tokens: int
) -> None:
    emulator = make_emulator(token_ttl_s=lifetime_s)
    with recording(emulator) as record:
        sdk(program, emulator, ["listRecordings"], ["listSimulations"])
    assert len(record.calls("POST /auth/token")) == tokens


def test_the_sdk_asks_for_a_token_again_after_a_failure(
    program: subprocess.Popen[str], emulator: Emulator
) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="answer", status=500))
    failed, listed = sdk(program, emulator, ["listRecordings"], ["listRecordings"])
    assert (failed["status"], listed["total"]) == (500, 0)


def test_the_sdk_has_all_points_of_the_scenarios_without_a_session(built: Path) -> None:
    able = {scenario.name for scenario in SCENARIOS if {step.do for step in scenario.steps} <= STEPS}
    card = check_live(("node", str(built / "build" / "src" / "adapter.js")), {*able, "connect", "broadcast"})
    wrong = {(point.group, point.name): point.why for point in card.points if point.outcome == "failed"}
    assert wrong == {}
    assert {point.group for point in card.points if point.outcome == "passed"} == able
    assert {point.group for point in card.points if point.outcome == "skipped"} == {"connect", "broadcast"}
    assert len(able) > 10
