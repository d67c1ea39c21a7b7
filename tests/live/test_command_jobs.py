"""``odyssey-proto simulate``, ``jobs`` and ``recordings`` against an emulator: what they print, write, return."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from PIL import Image

from odyssey_proto.cli import main
from odyssey_proto.emulator import Emulator
from tests.support.processes import eventually
from tests.support.servers import HttpServer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("command")

KEY: Final = "ody_command"
PROMPTS: Final = "prompt,time,script\nA cat on a hill,0,a\nIt rains,0.2,a\nA dog at sea,0,b\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator(size=(512, 64)) as running:
        yield running


@pytest.fixture(scope="module")
def idle() -> Iterator[Emulator]:
    """A service whose jobs stay pending."""
    with Emulator(simulation_workers=0) as running:
        yield running


@pytest.fixture(autouse=True)
def _at_the_service(service: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_API_URL", service.api_url)
    monkeypatch.setenv("ODYSSEY_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(PROMPTS)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a command with the given stdin, and returns its stdout."""

    def call(*arguments: str, stdin: str = "", status: int = 0) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        assert main([*arguments]) == status, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def test_prompts_become_a_job_and_its_recordings_are_found_again(run: Any) -> None:
    arguments = ["--hold", "0.3", "--poll", "0.1", "--within", "1m", "--cancel-on-timeout", "--landscape"]
    said = json.loads(run("simulate", "a.csv", *arguments, "--download", "d", "--artifact", "all", "--json"))
    assert (said["job"]["status"], said["errors"]) == ("completed", [])
    cat, dog = said["recordings"]
    name = f"d/a-cat-on-a-hill_{cat['stream_id']}"
    assert cat["files"] == {
        "video": f"{name}.mp4",
        "events": f"{name}_events.jsonl",
        "thumbnail": f"{name}_thumb.jpg",
        "preview": f"{name}_preview.mp4",
    }
    assert Path(dog["files"]["video"]).name == f"a-dog-at-sea_{dog['stream_id']}.mp4"
    assert len([path for path in Path("d").iterdir() if path.stat().st_size]) == 8

    made = Path(dog["files"]["video"]).stat()
    listed = run("recordings", "list", "--limit", "2", "--since", "1h")
    assert listed.splitlines()[0] == "id\tstarted\tlength\tsize"
    assert listed.splitlines()[1].split("\t")[0::3] == [dog["stream_id"], "512x64"]
    kept = run("recordings", "download", "-", "--to", "d", "--names", "time", stdin=listed)
    assert kept.splitlines() == [dog["files"]["video"], cat["files"]["video"]]
    assert Path(dog["files"]["video"]).stat().st_mtime_ns == made.st_mtime_ns

    both = run("recordings", "list", "--all", "--json")
    (again,) = json.loads(
        run("recordings", "download", dog["stream_id"], "--to", "t", "--names", "time", "--again", "--json")
    )["recordings"]
    (path,) = Path("t").iterdir()
    assert (again["files"], path.name[8], path.name[15:]) == (
        {"video": str(path)}, "-", f"_{dog['stream_id']}.mp4",
    )  # fmt: skip
    run("recordings", "download", "-", "--to", "i", "--names", "id", "--artifact", "thumbnail", stdin=both)
    assert {path.name for path in Path("i").iterdir()} >= {f"{cat['stream_id']}_thumb.jpg"}
    with Image.open(f"i/{cat['stream_id']}_thumb.jpg") as picture:
        assert picture.format == "JPEG"

    shown = run("recordings", "show", dog["stream_id"]).splitlines()
    assert shown[0] == f"{dog['stream_id']}: 0:00.3, 6 frames"
    assert [line.split()[0] for line in shown[1:]] == ["video", "events", "thumbnail", "preview"]
    (data,) = json.loads(run("recordings", "show", "-", "--json", stdin=dog["stream_id"]))["recordings"]
    assert data["video_url"].startswith("http://")


def test_a_job_is_made_listed_shown_and_awaited(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    script = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 300, "end": {}}]
    arguments = ("simulate", "-", "--portrait", "--bypass-prompt-expansion")
    made = run(*arguments, stdin=json.dumps(script))
    job_id = made.strip()
    assert job_id.startswith("job-")
    (job,) = json.loads(run("jobs", "wait", "-", "--poll", "0.1", "--json", stdin=made))["jobs"]
    assert (job["job_id"], job["status"]) == (job_id, "completed")
    assert f"{job_id}\tcompleted\t" in run("jobs", "wait", job_id)
    rows = run("jobs", "list", "--status", "completed", "--limit", "1").splitlines()
    assert rows[0] == "id\tstatus\tcreated\tproblem"
    assert rows[1].startswith(f"{job_id}\tcompleted\t")
    assert run("jobs", "list", "--all", "--ids").splitlines()[0] == job_id
    assert json.loads(run("jobs", "list", "--active", "--json")) == {"jobs": []}
    shown = run("jobs", "show", job_id)
    assert shown.startswith(f"{job_id}: completed\n  created   20")
    assert f"{job['streams'][0]['stream_id']}\t1\tdone\t0:00.3\t-\n" in shown
    new = json.loads(run(*arguments, "--json", stdin=json.dumps(script)))["job"]
    assert run("simulate", "-", "--wait", "--poll", "0.1", stdin=json.dumps(script)).startswith(
        "id\tscript\tstate\t"
    )
    assert (
        json.loads(run("jobs", "show", "-", "--json", stdin=json.dumps(new)))["jobs"][0]["job_id"] == new["job_id"]
    )


def test_a_script_at_an_address_is_read_by_the_service(run: Any) -> None:
    with HttpServer() as server:
        server.routes["GET /a.json"] = json_answer([{"timestamp_ms": 0, "start": {"prompt": "forbidden"}}])
        run("simulate", f"{server.url}/a.json", "--wait", "--poll", "0.1", status=1)


def test_a_job_that_fails_is_an_error(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text("- something forbidden\n")
    assert main(["simulate", "bad.yaml", "--wait", "--poll", "0.1"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "failed: Script 0: a prompt was refused by moderation" in printed.err.splitlines()[-1]
    job_id = run("jobs", "list", "--status", "failed", "--limit", "1", "--ids").strip()
    assert main(["jobs", "wait", job_id]) == 1
    assert "moderation" in capsys.readouterr().err


def test_what_is_not_there_is_an_error_and_the_rest_is_done(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("simulate", "a.csv", "--hold", "0.2", "--wait", "--poll", "0.1")
    known = made.splitlines()[1].split("\t")[0]
    assert main(["recordings", "download", "nothing", known, "--json"]) == 7
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said["errors"][0]["stream_id"] == "nothing"
    assert said["errors"][0]["error"]["code"] == "not_found"
    assert [recording["stream_id"] for recording in said["recordings"]] == [known]
    for words in (("jobs", "show"), ("jobs", "wait"), ("jobs", "cancel"), ("recordings", "show")):
        run(*words, "nothing", status=7)


def test_jobs_that_wait_are_cancelled(
    idle: Emulator, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ODYSSEY_API_URL", idle.api_url)
    first, second, third = (run("simulate", "a.csv").strip() for _ in range(3))
    assert run("jobs", "cancel", first) == f"{first}: cancelled\n"
    run("jobs", "cancel", first, status=6)
    run("jobs", "wait", first, status=1)
    assert main(["jobs", "wait", second, third, "--within", "0", "--cancel-on-timeout"]) == 5
    assert "Timed out waiting for simulations" in capsys.readouterr().err
    jobs = json.loads(run("jobs", "list", "--json"))["jobs"]
    assert [job["status"] for job in jobs] == ["cancelled"] * 3


def test_ctrl_c_ends_the_wait_and_the_job_goes_on(
    idle: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ODYSSEY_API_URL", idle.api_url)
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())

    def interrupt() -> None:
        try:
            eventually(lambda: ": pending\n" in err.getvalue())
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    assert main(["simulate", "a.csv", "--wait"]) == 130
    interrupting.join()
    first, again, last = err.getvalue().splitlines()
    job_id = first.split(":")[0]
    assert again == f"the job continues; to wait for it again: odyssey-proto jobs wait {job_id}"
    assert last == "odyssey-proto: interrupted"
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["jobs", "list", "--active", "--ids"]) == 0
    assert job_id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("jobs", "list"), "\tcompleted\t"),
        (("jobs", "wait"), "\tcompleted\t"),
        (("jobs", "cancel"), ": cancelled\n"),
        (("recordings", "show"), "  video "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_with_an_emulator_of_its_own_nothing_else_is_needed(
    arguments: tuple[str, ...], printed: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_API_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("ODYSSEY_API_KEY")
    assert printed in run(*arguments, "--emulator")
