"""Data that an emulator keeps across restarts, and the removal of unfinished work."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
import pytest

from odyssey_proto import OdysseyConfigError
from odyssey_proto.emulator._recordings.storage import RUNS, Storage
from odyssey_proto.emulator._server import Emulator
from tests.support.plain_rest import PlainRest, get, script, until

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (512, 32)
"""Size of pictures that take a fiftieth of the CPU."""
MADE = {"size": (1280, 704), "started_at": 1.0}
REQUEST = {"created_at": 1.0, "length_s": 5.0, "request": "{}"}
TOGETHER = pytest.mark.xdist_group("storage")  # one folder for all


def moved(url: str, emulator: Emulator) -> str:
    """Return ``url`` at the port where ``emulator`` listens."""
    parts = urlsplit(url)
    return f"{emulator.api_url}{parts.path}?{parts.query}"


# Restarts


@attrs.frozen
class Left:
    """The folder that an emulator left, and what the emulator had said about its content."""

    folder: Path
    api_key: str
    job: dict[str, Any]
    listed: dict[str, Any]
    content: bytes


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("left")
    with Emulator(data_dir=folder, size=SMALL) as emulator:
        rest = PlainRest(emulator)
        job = rest.completed(script=script(length_ms=1000))
        content = get(job["streams"][0]["video_url"]).content
        return Left(folder, emulator.api_key, job, rest.get("/stream-recordings"), content)


@TOGETHER
def test_recordings_jobs_and_addresses_survive_a_restart(left: Left) -> None:
    job = left.job
    with Emulator(data_dir=left.folder) as again:
        rest = PlainRest(again)
        assert again.api_key == left.api_key
        assert rest.get("/stream-recordings") == left.listed
        assert get(moved(job["streams"][0]["video_url"], again)).content == left.content
        found = rest.job(job["job_id"])
        assert {name: found[name] for name in found if name != "streams"} == {
            name: job[name] for name in job if name != "streams"
        }


def test_a_job_that_waits_is_done_after_a_restart(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path, simulation_workers=0) as emulator:
        job_id = PlainRest(emulator).simulate(script=script(), output_video=False)
    with Emulator(data_dir=tmp_path) as again:
        job = PlainRest(again).done(job_id)
        assert (job["status"], job["retry_count"]) == ("completed", 0)


def test_a_job_that_was_cut_off_is_requeued_after_a_restart(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path) as emulator:
        rest = PlainRest(emulator)
        job_id = rest.simulate(script=script(length_ms=500_000))
        (lost,) = until(lambda: rest.job(job_id)["streams"])
    with Emulator(data_dir=tmp_path, simulation_workers=0) as again:
        rest = PlainRest(again)
        job = rest.job(job_id)
        assert (job["status"], job["retry_count"], job["streams"]) == ("pending", 1, [])
        assert rest.refusal("GET", f"/recordings/{lost['stream_id']}")[0] == 404
        assert list((tmp_path / "streams").iterdir()) == []


@TOGETHER
def test_used_hours_survive_a_restart(left: Left) -> None:
    with Emulator(data_dir=left.folder, monthly_hours=1 / 3600) as again:
        body = {"portrait": True, "script": script()}
        assert PlainRest(again).refusal("POST", "/simulation-jobs", json=body)[0] == 429


def test_a_killed_command_leaves_a_folder_that_the_next_one_takes_over(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "odyssey_proto.emulator", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())

        class Told:
            api_url, api_key = told["api_url"], told["api_key"]

        rest = PlainRest(Told)  # type: ignore[arg-type]  # has the two attributes that are used
        job_id = rest.simulate(script=script(length_ms=500_000))
        until(lambda: rest.job(job_id)["streams"])
        process.send_signal(signal.SIGKILL)
    with Emulator(data_dir=tmp_path, simulation_workers=0) as again:
        assert again.api_key == told["api_key"]
        assert PlainRest(again).job(job_id)["retry_count"] == 1


def test_two_emulators_cannot_share_a_folder(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path), pytest.raises(OdysseyConfigError, match="does another emulator use it"):
        Emulator(data_dir=tmp_path).start()


def test_a_temporary_folder_goes_with_the_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Emulator(size=SMALL) as emulator:
        PlainRest(emulator).completed(script=script())
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "setting",
    [
        {"data_dir": 3},
        {"data_dir": ""},
        {"record": "yes"},
        {"url_ttl_s": 0},
        {"simulation_workers": -1},
        {"concurrent_simulations": 1.5},
        {"max_simulation_s": None},
    ],
)
def test_a_setting_that_cannot_work_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(OdysseyConfigError, match=next(iter(setting))):
        Emulator(**setting)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OdysseyConfigError, match="File exists"):
        Emulator(data_dir=tmp_path / "file").start()


def test_a_state_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite3").write_text("This is a letter and not a database. " * 50)
    with pytest.raises(OdysseyConfigError, match="not a database"):
        Emulator(data_dir=tmp_path).start()


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    Storage(tmp_path).close()
    database = sqlite3.connect(tmp_path / "state.sqlite3")
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(OdysseyConfigError, match="version 9"):
        Storage(tmp_path)


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    Storage(tmp_path / "deep" / "new").close()
    assert (tmp_path / "deep" / "new").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_what_is_written_is_for_its_owner_only_in_any_folder(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    before = os.umask(mask)
    try:
        with Emulator(data_dir=folder, size=SMALL) as emulator:
            rest = PlainRest(emulator)
            rest.completed(script=script())
            modes = {path.relative_to(folder): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    finally:
        os.umask(before)
    names = {path.name for path in modes}
    assert {"state.sqlite3", "state.sqlite3-wal", "video.mp4", "events.jsonl", "thumbnail.jpg"} <= names
    wanted = {path: 0o700 if (folder / path).is_dir() else 0o600 for path in modes}
    assert modes == wanted
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777, "the folder itself belongs to the user"


def test_state_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    Storage(tmp_path).close()
    (tmp_path / "streams").chmod(0o755)
    (tmp_path / "state.sqlite3").chmod(0o644)
    Storage(tmp_path).close()
    assert stat.S_IMODE((tmp_path / "streams").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state.sqlite3").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["state.sqlite3", "state.sqlite3-wal", "state.sqlite3-journal", "streams"])
@pytest.mark.parametrize("dangles", [True, False])
def test_a_link_in_the_place_of_state_is_refused(tmp_path: Path, name: str, dangles: bool) -> None:
    folder, target = tmp_path / "state", tmp_path / "target"
    folder.mkdir()
    if not dangles:
        target.mkdir() if name == "streams" else target.touch(0o644)
    (folder / name).symlink_to(target)
    with pytest.raises(OdysseyConfigError, match=f"{name} is a link"):
        Emulator(data_dir=folder).start()
    assert target.exists() is not dangles
    assert dangles or stat.S_IMODE(target.stat().st_mode) & 0o044, "it was left as it was"


def test_a_second_name_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "state.sqlite3").hardlink_to(tmp_path / "target")
    with pytest.raises(OdysseyConfigError, match="another name"):
        Storage(tmp_path)


def test_a_pipe_in_the_place_of_state_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "state.sqlite3")
    with pytest.raises(OdysseyConfigError, match="neither a file nor a folder"):
        Storage(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to give a file away")
@pytest.mark.parametrize("name", ["state.sqlite3", "streams"])
def test_what_somebody_else_has_put_in_the_place_of_state_is_refused(tmp_path: Path, name: str) -> None:
    Storage(tmp_path).close()
    os.chown(tmp_path / name, 65534, -1)
    with pytest.raises(OdysseyConfigError, match=f"{name} belongs to somebody else"):
        Storage(tmp_path)


def test_a_folder_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    Storage(tmp_path / "link").close()
    assert (tmp_path / "real" / "state.sqlite3").is_file()


# Storages


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    secret = storage.secret("url")
    assert storage.secret("api_key", "ody_one") == "ody_one"
    storage.close()
    again = Storage(tmp_path)
    assert (again.secret("url"), again.secret("api_key", "ody_two")) == (secret, "ody_one")
    again.close()


def test_a_live_stream_that_was_cut_off_has_no_recording(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.begin_recording("kept", "one", **MADE)
    storage.finish_recording("kept", ended_at=2.0, duration_s=1.0, frames=20)
    storage.begin_recording("lost", "one", **MADE)
    storage.close()
    (tmp_path / "streams" / "of no one").mkdir()
    again = Storage(tmp_path)
    assert [found.stream_id for found in again.recordings("one", limit=9, offset=0)[0]] == ["kept"]
    assert [folder.name for folder in (tmp_path / "streams").iterdir()] == ["kept"]
    again.close()


@pytest.fixture
def storage() -> Any:
    made = Storage()
    yield made
    made.close()


def test_jobs_are_taken_in_their_order(storage: Storage) -> None:
    for name in ("first", "second"):
        storage.add_job(name, "one", **REQUEST)
    taken = [storage.take_job(now=2.0, region="here") for _ in range(3)]
    assert [found and found[0].job_id for found in taken] == ["first", "second", None]


def test_a_job_that_is_done_changes_no_more(storage: Storage) -> None:
    storage.add_job("job", "one", **REQUEST)
    assert storage.change_job("job", status="completed")
    assert not storage.change_job("job", status="failed")
    assert storage.active_jobs("one") == 0


def test_a_job_is_requeued_only_so_often(storage: Storage) -> None:
    storage.add_job("job", "one", **REQUEST)
    statuses = []
    for _ in range(RUNS):
        assert storage.take_job(now=2.0, region=None) is not None
        storage.requeue_job("job", now=3.0, why="it died")
        job = storage.job("job")
        assert job is not None
        statuses.append(job.status)
    assert statuses == ["pending"] * (RUNS - 1) + ["failed"]


def test_what_waits_before_a_job_is_known(storage: Storage) -> None:
    jobs = [storage.add_job(name, "one", **REQUEST) for name in ("a", "b", "c")]
    storage.change_job("a", status="cancelled")
    assert [storage.seconds_before(job) for job in jobs] == [0, 0, 5]
