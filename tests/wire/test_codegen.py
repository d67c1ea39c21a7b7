"""`python -m tools.codegen` makes the same bytes everywhere, notices drift, and names faulty schemas."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "generated"


def codegen(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
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


def test_committed_output_is_up_to_date() -> None:
    done = codegen("--check")
    assert done.returncode == 0, done.stdout


def test_output_is_the_same_where_the_systems_encoding_is_not_utf8() -> None:
    done = codegen("--check", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_passes_over_what_python_left_behind(copy: Path) -> None:
    cache = copy / "python" / "odyssey_models" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "ice.cpython-311.pyc").write_bytes(b"")
    assert codegen("--check", "--output", copy).returncode == 0


def test_check_names_a_file_that_was_edited(copy: Path) -> None:
    with (copy / "python" / "odyssey_models" / "ice.py").open("a") as file:
        file.write("# by hand\n")
    done = codegen("--check", "--output", copy)
    assert (done.returncode, done.stdout) == (1, "stale: python/odyssey_models/ice.py\n")


def test_check_names_a_file_that_is_missing(copy: Path) -> None:
    (copy / "schema" / "odyssey.schema.json").unlink()
    done = codegen("--check", "--output", copy)
    assert (done.returncode, done.stdout) == (1, "missing: schema/odyssey.schema.json\n")


def test_check_names_a_file_that_nothing_makes(copy: Path) -> None:
    (copy / "python" / "odyssey_models" / "legacy.py").touch()
    done = codegen("--check", "--output", copy)
    assert (done.returncode, done.stdout) == (1, "extra: python/odyssey_models/legacy.py\n")


def test_check_notices_a_schema_that_changed(spec: Path) -> None:
    schema = spec / "schemas" / "ice.yaml"
    schema.write_text(schema.read_text("utf-8").replace("User name for TURN", "The user name for TURN"))
    done = codegen("--check", "--spec", spec)
    stale = "stale: python/odyssey_models/ice.py\nstale: schema/odyssey.schema.json\n"
    assert (done.returncode, done.stdout) == (1, stale)


def test_check_writes_nothing(copy: Path) -> None:
    (copy / "python" / "odyssey_models" / "ice.py").write_text("")
    before = contents(copy)
    codegen("--check", "--output", copy)
    assert contents(copy) == before


def test_writing_restores_a_spoilt_folder(copy: Path) -> None:
    (copy / "python" / "odyssey_models" / "ice.py").write_text("")
    (copy / "python" / "odyssey_models" / "legacy.py").touch()
    (copy / "schema" / "odyssey.schema.json").unlink()
    assert codegen("--output", copy).returncode == 0
    assert contents(copy) == contents(GENERATED)


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_output_is_the_same_under_any_hash_seed(seed: str, tmp_path: Path) -> None:
    assert codegen("--output", tmp_path / "out", PYTHONHASHSEED=seed).returncode == 0
    assert contents(tmp_path / "out") == contents(GENERATED)


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
            *("telemetry.yaml", "TelemetryRequest:", "TokenRequest:"),
            "telemetry.yaml#/$defs/TokenRequest: also in sessions.yaml",
            id="a name given twice",
        ),
    ],
)
def test_a_fault_in_the_schemas_is_named(file: str, good: str, bad: str, fault: str, spec: Path) -> None:
    schema = spec / "schemas" / file
    schema.write_text(schema.read_text("utf-8").replace(good, bad))
    done = codegen("--check", "--spec", spec)
    assert done.returncode == 1
    assert fault in done.stderr.splitlines()


def test_all_faults_are_named_at_once(spec: Path) -> None:
    for file in ("ice.yaml", "channel.yaml"):
        schema = spec / "schemas" / file
        schema.write_text(schema.read_text("utf-8").replace("type: string", "typ: string"))
    done = codegen("--check", "--spec", spec)
    assert {line.partition("#")[0] for line in done.stderr.splitlines()} == {"ice.yaml", "channel.yaml"}


def test_example_of_the_naming_rule_runs() -> None:
    command = [sys.executable, "-m", "doctest", "tools/codegen/lowering.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
