"""`python -m tools.codegen` writes the same bytes everywhere, and reports drift and faulty schemas.

`test_codegen_rules.py` tests what counts as a fault.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from odyssey_proto import __version__
from tools.codegen import lowering
from tools.codegen.__main__ import main
from tools.codegen.outputs import differences, replace

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "generated"


def codegen(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the generator as a process. That takes seconds, so only tests that need a process do it."""
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


def test_committed_output_is_up_to_date_whatever_the_hash_seed_and_the_encoding() -> None:
    environment = {"PYTHONHASHSEED": "4242", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = codegen("--check", **environment)
    assert (done.returncode, done.stdout) == (0, "generated/ is up to date\n"), done.stdout + done.stderr


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


def test_check_names_what_follows_from_a_schema_and_an_envelope_that_changed_and_writes_nothing(
    spec: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All other files stay the same, whatever the hash seed of this process."""
    schema, envelope = spec / "schemas" / "ice.yaml", spec / "asyncapi.yaml"
    schema.write_text(schema.read_text("utf-8").replace("User name for TURN", "The user name for TURN"))
    envelope.write_text(
        envelope.read_text("utf-8").replace("summary: End the stream.", "summary: Stop the stream.")
    )
    before = contents(copy)
    assert main(["--check", "--spec", str(spec), "--output", str(copy)]) == 1
    of_schema = {
        "docs/media.html",
        "openapi/odyssey-media.openapi.json",  # no call to the service has ICE servers
        "openapi/odyssey-media.openapi.yaml",
        "python/odyssey_models/ice.py",
        "schema/odyssey.schema.json",
        "typescript/index.d.ts",
    }
    of_envelope = {"asyncapi/odyssey.asyncapi.yaml", "docs/data-channels.html"}
    assert set(capsys.readouterr().out.splitlines()) == {f"stale: {name}" for name in of_schema | of_envelope}
    assert contents(copy) == before


def test_writing_restores_a_spoilt_folder(copy: Path) -> None:
    (copy / "python" / "odyssey_models" / "ice.py").write_text("")
    (copy / "python" / "odyssey_models" / "legacy.py").touch()
    (copy / "schema" / "odyssey.schema.json").unlink()
    replace(copy, GENERATED)
    assert contents(copy) == contents(GENERATED)


def test_faults_of_the_spec_are_printed_and_nothing_is_written(
    spec: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = spec / "schemas" / "ice.yaml"
    lines = schema.read_text("utf-8").splitlines()
    schema.write_text(
        "\n".join([*lines, "  nothing: {type: object, description: Nothing., examples: [{}]}"]), "utf-8"
    )
    openapi = spec / "openapi.yaml"
    there = openapi.read_text("utf-8").rstrip()
    openapi.write_text(f"{there}\n    nothing: {{$ref: 'schemas/ice.yaml#/$defs/nothing'}}\n", "utf-8")
    (copy / "schema" / "odyssey.schema.json").unlink()
    before = contents(copy)
    assert main(["--spec", str(spec), "--output", str(copy)]) == 1
    assert capsys.readouterr().err == (
        f"spec/schemas/ice.yaml:{len(lines) + 1}: nothing: not a name for a class; "
        "use CapWords that no generated code uses itself\n"
    )
    assert contents(copy) == before


def insert(path: Path, before: str, text: str) -> None:
    """Insert lines before the only line of a file that is `before`."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    (at,) = [number for number, line in enumerate(lines) if line.rstrip() == before]
    path.write_text("".join([*lines[:at], text, *lines[at:]]), "utf-8")


def test_the_recipes_of_contributing_are_complete(spec: Path, tmp_path: Path) -> None:
    channel, asyncapi, openapi = spec / "schemas" / "channel.yaml", spec / "asyncapi.yaml", spec / "openapi.yaml"
    # A field with a name that Python spells differently, and with notes that change nothing.
    insert(
        *(channel, "      applied_prompt:"),
        "      startedAt:\n        title: Start\n        description: When.\n        type: [string, 'null']\n"
        "        format: date-time\n        examples: ['2026-01-01T00:00:00Z']\n",
    )
    # A value of an enum.
    insert(
        *(channel, "      - const: moderation"),
        "      - {const: world_exploded, description: There is nothing left to show.}\n",
    )
    # A message in each direction.
    for name, tag, after in (("StreamPaused", "stream_paused", "StreamStarted"), ("Pause", "pause", "Update")):
        insert(
            *(channel, f"  {after}:"),
            f"  {name}:\n    description: The stream stands still.\n    type: object\n    required: [type]\n"
            f"    properties:\n      type: {{const: {tag}, description: Tag of the message.}}\n"
            f"    examples:\n      - {{type: {tag}}}\n",
        )
        insert(channel, f"      - $ref: '#/$defs/{after}'", f"      - $ref: '#/$defs/{name}'\n")
    text = asyncapi.read_text("utf-8").replace(
        "\noperations:\n",
        """
operations:
  pauseStream:
    title: Pause
    summary: Let the stream stand still.
    description: Let the stream stand still.
    action: send
    channel: {$ref: '#/channels/clientToStreamer'}
    messages: [{$ref: '#/channels/clientToStreamer/messages/pause'}]
  hearPause:
    title: Pause
    summary: The stream stands still.
    description: The stream stands still.
    action: receive
    channel: {$ref: '#/channels/streamerToClient'}
    messages: [{$ref: '#/channels/streamerToClient/messages/streamPaused'}]
""",
    )
    for place in ("components", "streamerToClient"):
        text = added(text, place, "streamPaused", "StreamPaused", "stream_paused")
    for place in ("components", "clientToStreamer"):
        text = added(text, place, "pause", "Pause", "pause")
    asyncapi.write_text(text, "utf-8")
    # A call.
    insert(
        *(openapi, "  /simulation-jobs:"),
        """  /worlds/{stream_id}:
    get:
      operationId: getWorld
      tags: [recordings]
      summary: Get the seed of a stream.
      description: Get the seed of a stream.
      parameters:
        - {name: stream_id, in: path, required: true, description: The stream., schema: {type: string}}
      responses:
        '200':
          description: The stream.
          content: {application/json: {schema: {$ref: 'schemas/channel.yaml#/$defs/StreamStarted'}}}
        '404': {$ref: '#/components/responses/NotFound'}
        4XX: {$ref: '#/components/responses/Failure'}
        5XX: {$ref: '#/components/responses/Failure'}
""",
    )
    out = tmp_path / "out"
    assert main(["--spec", str(spec), "--output", str(out)]) == 0
    code = (out / "python" / "odyssey_models" / "channel.py").read_text("utf-8")
    assert 'started_at: str | None = attrs.field(default=None, metadata={"wire": "startedAt"})' in code
    assert 'WORLD_EXPLODED: ClassVar[StreamErrorReason] = listed("world_exploded")' in code
    assert "class StreamPaused(" in code
    assert "class Pause(" in code
    tables = (out / "python" / "odyssey_models" / "_tables.py").read_text("utf-8")
    assert '"stream_paused": StreamPaused,' in tables
    assert '"pause": Pause,' in tables


def added(text: str, place: str, key: str, name: str, tag: str) -> str:
    """Return `asyncapi.yaml` with a message in a channel, or in `components`."""
    head, found, rest = text.partition(f"\n{place}:\n" if place == "components" else f"\n  {place}:\n")
    assert found
    before, messages, after = rest.partition("    messages:\n" if place != "components" else "  messages:\n")
    what = f"{{$ref: '#/components/messages/{key}'}}"
    if place == "components":
        what = f"{{name: {tag}, payload: {{$ref: 'schemas/channel.yaml#/$defs/{name}'}}}}"
    indent = "    " if place == "components" else "      "
    return f"{head}{found}{before}{messages}{indent}{key}: {what}\n{after}"


def test_the_wheel_of_the_models_has_the_version_of_the_library_and_needs_attrs_only() -> None:
    project = tomllib.loads((GENERATED / "python" / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == __version__
    assert [re.split(r"\W", one)[0] for one in project["dependencies"]] == ["attrs"]
    assert {
        extra: [re.split(r"\W", one)[0] for one in needed]
        for extra, needed in project["optional-dependencies"].items()
    } == {"cattrs": ["cattrs"]}


def test_the_npm_package_has_the_version_of_the_library_and_its_licence() -> None:
    manifest = json.loads((GENERATED / "typescript" / "package.json").read_text("utf-8"))
    assert (manifest["version"], manifest["license"]) == (__version__, "MIT")
    assert (GENERATED / "typescript" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_bundled_schema_is_named_after_the_version_of_the_spec() -> None:
    bundle = json.loads((GENERATED / "schema" / "odyssey.schema.json").read_text("utf-8"))
    assert bundle["$id"].split("/")[3] == (ROOT / "spec" / "VERSION").read_text("utf-8").strip()


def test_example_of_the_naming_rule_runs() -> None:
    found = doctest.testmod(lowering)
    assert found.attempted
    assert not found.failed
