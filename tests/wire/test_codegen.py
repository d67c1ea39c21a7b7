"""`python -m tools.codegen` writes the same bytes everywhere, reports drift, and names faulty schemas."""

from __future__ import annotations

import doctest
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.codegen import lowering
from tools.codegen.__main__ import main
from tools.codegen.outputs import differences

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "generated"


def codegen(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it as a process. That takes seconds, so use it only for tests that need a process."""
    command = [sys.executable, "-m", "tools.codegen", *map(str, arguments)]
    environ = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of `generated/`, to be spoilt."""
    return Path(shutil.copytree(GENERATED, tmp_path / "generated"))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A copy of `spec/`, to be spoilt."""
    return Path(shutil.copytree(ROOT / "spec", tmp_path / "spec"))


def test_committed_output_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == "generated/ is up to date\n"


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4242", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["hash seed 0", "hash seed 1", "hash seed 4242, and not UTF-8"],
)
def test_output_is_the_same_under_any_hash_seed_and_encoding(environment: dict[str, str], tmp_path: Path) -> None:
    done = codegen("--output", tmp_path / "out", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents(tmp_path / "out") == contents(GENERATED)


def test_check_passes_over_what_python_left_behind(copy: Path) -> None:
    cache = copy / "python" / "odyssey_models" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "ice.cpython-311.pyc").write_bytes(b"")
    assert differences(copy, GENERATED) == []


def test_check_names_a_file_that_was_edited(copy: Path) -> None:
    with (copy / "python" / "odyssey_models" / "ice.py").open("a") as file:
        file.write("# by hand\n")
    assert differences(copy, GENERATED) == ["stale: python/odyssey_models/ice.py"]


def test_check_names_a_file_that_is_missing(copy: Path) -> None:
    (copy / "schema" / "odyssey.schema.json").unlink()
    assert differences(copy, GENERATED) == ["missing: schema/odyssey.schema.json"]


def test_check_names_a_file_that_nothing_makes(copy: Path) -> None:
    (copy / "python" / "odyssey_models" / "legacy.py").touch()
    assert differences(copy, GENERATED) == ["extra: python/odyssey_models/legacy.py"]


def test_check_notices_a_schema_that_changed_and_writes_nothing(
    spec: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = spec / "schemas" / "ice.yaml"
    schema.write_text(schema.read_text("utf-8").replace("User name for TURN", "The user name for TURN"))
    before = contents(copy)
    assert main(["--check", "--spec", str(spec), "--output", str(copy)]) == 1
    stale = {"python/odyssey_models/ice.py", "schema/odyssey.schema.json", "openapi/odyssey-media.openapi.yaml"}
    lines = capsys.readouterr().out.splitlines()
    assert {line.removeprefix("stale: ") for line in lines if line.startswith("stale: ")} >= stale
    assert "stale: openapi/odyssey.openapi.yaml" not in lines  # no call to the service has ICE servers
    assert contents(copy) == before


def test_check_notices_an_envelope_that_changed(
    spec: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    envelope = spec / "asyncapi.yaml"
    envelope.write_text(
        envelope.read_text("utf-8").replace("summary: End the stream.", "summary: Stop the stream.")
    )
    assert main(["--check", "--spec", str(spec), "--output", str(copy)]) == 1
    assert "stale: asyncapi/odyssey.asyncapi.yaml" in capsys.readouterr().out.splitlines()


def test_writing_restores_a_spoilt_folder(copy: Path) -> None:
    (copy / "python" / "odyssey_models" / "ice.py").write_text("")
    (copy / "python" / "odyssey_models" / "legacy.py").touch()
    (copy / "schema" / "odyssey.schema.json").unlink()
    assert main(["--output", str(copy)]) == 0
    assert contents(copy) == contents(GENERATED)


@pytest.mark.parametrize(
    ("file", "good", "bad", "fault"),
    [
        pytest.param(
            *("ice.yaml", "#/$defs/IceServer", "#/$defs/IceServers"),
            "ice.yaml#/$defs/SignalingConfig/iceServers/items: `#/$defs/IceServers` leads nowhere",
            id="a reference to nothing",
        ),
        pytest.param(
            *("sessions.yaml", "minimum: 0", "exclusiveMinimum: 0"),
            "sessions.yaml#/$defs/SessionRequest/region_latencies/additionalProperties: "
            "keyword `exclusiveMinimum` is not understood",
            id="a keyword that the models would not honour",
        ),
        pytest.param(
            *("channel.yaml", "        description: What should happen.\n", ""),
            "channel.yaml#/$defs/Update/prompt: no description",
            id="a field without a description",
        ),
        pytest.param(
            *("sessions.yaml", "x-stand-in: []", "x-essential: true\n        x-stand-in: []"),
            "sessions.yaml#/$defs/RegionsResponse/regions: "
            "`x-stand-in` is for required fields that are not essential",
            id="a stand-in that no reader would use",
        ),
        pytest.param(
            *("errors.yaml", "UsageErrorDetails", "KnownUsageErrorCode"),
            "KnownUsageErrorCode: two components would have this name",
            id="a name that is kept for the values of an enum",
        ),
        pytest.param(
            *("telemetry.yaml", "TelemetryRequest:", "TokenRequest:"),
            "telemetry.yaml#/$defs/TokenRequest: also in sessions.yaml",
            id="a name given twice",
        ),
    ],
)
def test_a_fault_in_the_schemas_is_named(
    file: str, good: str, bad: str, fault: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = spec / "schemas" / file
    schema.write_text(schema.read_text("utf-8").replace(good, bad))
    assert main(["--check", "--spec", str(spec)]) == 1
    assert fault in capsys.readouterr().err.splitlines()


def test_all_faults_are_named_at_once(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("ice.yaml", "channel.yaml"):
        schema = spec / "schemas" / file
        schema.write_text(schema.read_text("utf-8").replace("type: string", "typ: string"))
    assert main(["--check", "--spec", str(spec)]) == 1
    assert {line.partition("#")[0] for line in capsys.readouterr().err.splitlines()} == {
        "ice.yaml",
        "channel.yaml",
    }


def test_example_of_the_naming_rule_runs() -> None:
    found = doctest.testmod(lowering)
    assert found.attempted
    assert not found.failed
