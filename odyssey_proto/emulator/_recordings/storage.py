"""The storage of an emulator: recordings, jobs, used hours and keys in SQLite, artifacts in files beside it.

    DIR/state.sqlite3
    DIR/streams/{stream_id}/video.mp4, events.jsonl, thumbnail.jpg, preview.mp4

Only the owner can read these files, even in a folder that others can read. Without a folder, the state is in
memory and the files are in a temporary folder, and `close` removes both. Any thread may call. Opening the folder
of an emulator that died cleans up unfinished work: the recording of a live stream is dropped, and a job starts
over (it runs `RUNS` times at most).
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..._base.errors import OdysseyConfigError
from .private_files import keep_private, private_file, private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ACTIVE", "RUNS", "Job", "Storage", "StreamRecord"]

ACTIVE: Final = ("pending", "dispatched", "processing")
"""Statuses of jobs that are not done."""
RUNS: Final = 3
"""How often a job is started before it fails because its workers died."""

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE usage (account TEXT, month TEXT, seconds REAL NOT NULL, PRIMARY KEY (account, month));
CREATE TABLE recordings (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stream_id TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, started_at REAL NOT NULL, ended_at REAL, duration_s REAL,
    frames INTEGER, job_id TEXT, script_index INTEGER NOT NULL DEFAULT 0);
CREATE INDEX recordings_of_account ON recordings (account, number);
CREATE INDEX recordings_of_job ON recordings (job_id);
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
    status TEXT NOT NULL, created_at REAL NOT NULL, dispatched_at REAL, started_at REAL, completed_at REAL,
    error_message TEXT, region TEXT, retry_count INTEGER NOT NULL DEFAULT 0, length_s REAL NOT NULL, request TEXT);
CREATE INDEX jobs_of_account ON jobs (account, status);
CREATE INDEX jobs_by_status ON jobs (status, number);
"""


@attrs.frozen(kw_only=True)
class StreamRecord:
    """One stream, running or recorded. Times are in s since 1970."""

    stream_id: str
    width: int
    height: int
    started_at: float
    ended_at: float | None
    duration_s: float | None
    frames: int | None
    script_index: int


@attrs.frozen(kw_only=True)
class Job:
    """One simulation job. Times are in s since 1970."""

    job_id: str
    account: str
    status: str
    created_at: float
    dispatched_at: float | None
    started_at: float | None
    completed_at: float | None
    error_message: str | None
    region: str | None
    retry_count: int
    number: int
    """Position in the order of creation."""


_STREAM_COLUMNS: Final = ", ".join(field.name for field in attrs.fields(StreamRecord))
_JOB_COLUMNS: Final = ", ".join(field.name for field in attrs.fields(Job))


class Storage:
    """The storage of one emulator.

    Raises:
        OdysseyConfigError: the folder cannot be used, or another emulator uses it.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._temporary = data_dir is None
        try:
            folder = (
                Path(tempfile.mkdtemp(prefix="odyssey-emulator-")) if data_dir is None else data_dir.absolute()
            )
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._streams = private_folder(folder / "streams")
            self._folder = folder
            if self._temporary:
                self._open(":memory:")
            else:
                database = private_file(folder / "state.sqlite3")
                for ending in ("-journal", "-shm", "-wal"):  # SQLite gives new ones the mode of the database
                    keep_private(folder / (database.name + ending))
                self._open(str(database))
        except (OSError, sqlite3.Error) as exc:
            why = exc.strerror if isinstance(exc, OSError) else f"{exc} (does another emulator use it?)"
            raise OdysseyConfigError(f"data_dir {str(data_dir)!r} cannot be used: {why}") from exc

    def _open(self, database: str) -> None:
        self._db = sqlite3.connect(database, timeout=0.2, isolation_level=None, check_same_thread=False)
        try:
            # Only one emulator per folder: the lock is held from here until `close`.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            with self._transaction():
                self._bring_up()
                self._clear_up()
        except BaseException:
            self._db.close()
            raise

    def _bring_up(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"its state has version {version}, not {_VERSION}")
        if version == 0:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """Close the database and remove temporary files."""
        with self._lock:
            self._db.close()
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    def secret(self, name: str, make: str | None = None) -> str:
        """Return the secret called ``name``. The first call sets it to ``make``, or to 32 random bytes in hex."""
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO secrets VALUES (?, ?)",
                (name, secrets.token_hex(32) if make is None else make),
            )
            value: str = self._db.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()[0]
        return value

    # Used hours (`odyssey_proto.emulator._accounts.service.Ledger`)

    def get(self, used: tuple[str, str], default: float, /) -> float:
        """Return how many s of video an account has used in a month; ``default`` if none is noted."""
        found = self._one("SELECT seconds FROM usage WHERE account = ? AND month = ?", *used)
        return default if found is None else float(found["seconds"])

    def __setitem__(self, used: tuple[str, str], seconds: float, /) -> None:
        self._run("INSERT OR REPLACE INTO usage VALUES (?, ?, ?)", *used, seconds)

    # Recordings

    def folder_of(self, stream_id: str) -> Path:
        """Return the folder of a stream's artifacts; the id must be one passed to `begin_recording`."""
        return self._streams / stream_id

    def begin_recording(
        self,
        stream_id: str,
        account: str,
        *,
        size: tuple[int, int],
        started_at: float,
        job_id: str | None = None,
        script_index: int = 0,
    ) -> Path:
        """Add a stream that has started, and return the folder for its artifacts."""
        folder = private_folder(self.folder_of(stream_id))
        self._run(
            "INSERT INTO recordings (stream_id, account, width, height, started_at, job_id, script_index)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(stream_id, account, *size, started_at, job_id, script_index),
        )
        return folder

    def finish_recording(self, stream_id: str, *, ended_at: float, duration_s: float, frames: int) -> None:
        """Mark a stream as finished, with all artifacts written."""
        self._run(
            "UPDATE recordings SET ended_at = ?, duration_s = ?, frames = ? WHERE stream_id = ?",
            *(ended_at, duration_s, frames, stream_id),
        )

    def drop_recording(self, stream_id: str) -> None:
        """Delete a stream and its artifacts."""
        self._run("DELETE FROM recordings WHERE stream_id = ?", stream_id)
        shutil.rmtree(self.folder_of(stream_id), ignore_errors=True)

    def recording(self, account: str, stream_id: str) -> StreamRecord | None:
        """Return a stream of ``account``; None if the account has no such stream."""
        found = self._one(
            f"SELECT {_STREAM_COLUMNS} FROM recordings WHERE stream_id = ? AND account = ?",  # noqa: S608  # column names
            *(stream_id, account),
        )
        return None if found is None else StreamRecord(**found)

    def recordings(self, account: str, *, limit: int, offset: int) -> tuple[list[StreamRecord], int]:
        """Return one page of the streams of ``account``, newest first, and their total number."""
        (total,) = self._row("SELECT count(*) FROM recordings WHERE account = ?", account)
        rows = self._all(
            f"SELECT {_STREAM_COLUMNS} FROM recordings WHERE account = ? ORDER BY number DESC LIMIT ? OFFSET ?",  # noqa: S608  # column names
            *(account, limit, offset),
        )
        return [StreamRecord(**row) for row in rows], total

    def recordings_of_job(self, job_id: str) -> list[StreamRecord]:
        """Return the streams that a job has made so far, in order."""
        rows = self._all(
            f"SELECT {_STREAM_COLUMNS} FROM recordings WHERE job_id = ? ORDER BY number",  # noqa: S608  # column names
            job_id,
        )
        return [StreamRecord(**row) for row in rows]

    # Jobs

    def add_job(self, job_id: str, account: str, *, created_at: float, length_s: float, request: str) -> Job:
        """Queue a job; ``length_s`` is the length of its video, ``request`` the text that its worker needs."""
        self._run(
            "INSERT INTO jobs (job_id, account, status, created_at, length_s, request)"
            " VALUES (?, ?, 'pending', ?, ?, ?)",
            *(job_id, account, created_at, length_s, request),
        )
        job = self.job(job_id)
        assert job is not None
        return job

    def job(self, job_id: str) -> Job | None:
        """Return a job of any account; None if there is no such job."""
        found = self._one(f"SELECT {_JOB_COLUMNS} FROM jobs WHERE job_id = ?", job_id)  # noqa: S608  # column names
        return None if found is None else Job(**found)

    def jobs(
        self, account: str, *, status: str | None, active: bool | None, limit: int, offset: int
    ) -> tuple[list[Job], int]:
        """Return one page of the jobs of ``account``, newest first, and their total number."""
        wanted, values = "account = ?", [account]
        if status is not None:
            wanted, values = wanted + " AND status = ?", [*values, status]
        if active is not None:
            wanted += f" AND status {'' if active else 'NOT '}IN {ACTIVE}"
        (total,) = self._row(f"SELECT count(*) FROM jobs WHERE {wanted}", *values)  # noqa: S608  # constants
        rows = self._all(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {wanted} ORDER BY number DESC LIMIT ? OFFSET ?",  # noqa: S608  # constants
            *(*values, limit, offset),
        )
        return [Job(**row) for row in rows], total

    def active_jobs(self, account: str) -> int:
        """Return the number of jobs of ``account`` that are not done."""
        found: int = self._row(f"SELECT count(*) FROM jobs WHERE account = ? AND status IN {ACTIVE}", account)[0]  # noqa: S608  # constants
        return found

    def seconds_before(self, job: Job) -> float:
        """Return the total length of video, in s, of the jobs before ``job`` that are not done."""
        (found,) = self._row(
            f"SELECT total(length_s) FROM jobs WHERE number < ? AND status IN {ACTIVE}",  # noqa: S608  # constants
            job.number,
        )
        return float(found)

    def take_job(self, *, now: float, region: str | None, but: Sequence[str] = ()) -> tuple[Job, str] | None:
        """Dispatch the oldest pending job not in ``but``. Return it with its request; None if there is none."""
        marks = ", ".join("?" for _ in but)
        with self._transaction():
            found = self._one(
                "SELECT job_id, request FROM jobs WHERE status = 'pending'"  # noqa: S608  # question marks
                f" AND job_id NOT IN ({marks}) ORDER BY number LIMIT 1",
                *but,
            )
            if found is None:
                return None
            self.change_job(found["job_id"], status="dispatched", dispatched_at=now, region=region)
            job = self.job(found["job_id"])
        assert job is not None
        return job, found["request"]

    def change_job(self, job_id: str, *, only_from: tuple[str, ...] = ACTIVE, **columns: Any) -> bool:
        """Set columns of a job if its status is one of ``only_from``; return whether it was.

        A job that is done loses its request, which can be large.
        """
        if columns.get("status", "pending") not in ACTIVE:
            columns["request"] = None
        names = ", ".join(f"{name} = ?" for name in columns)
        marks = ", ".join("?" for _ in only_from)
        cursor = self._run(
            f"UPDATE jobs SET {names} WHERE job_id = ? AND status IN ({marks})",  # noqa: S608  # column names
            *(*columns.values(), job_id, *only_from),
        )
        return cursor.rowcount > 0

    def requeue_job(self, job_id: str, *, now: float, why: str) -> None:
        """Requeue a job whose worker died, and delete its streams; fail it with ``why`` after `RUNS` runs."""
        for stream in self.recordings_of_job(job_id):
            self.drop_recording(stream.stream_id)
        with self._transaction():
            job = self.job(job_id)
            if job is None:
                return
            if job.retry_count + 1 < RUNS:
                self.change_job(
                    job_id,
                    status="pending",
                    dispatched_at=None,
                    started_at=None,
                    region=None,
                    retry_count=job.retry_count + 1,
                )
            else:
                self.change_job(job_id, status="failed", completed_at=now, error_message=why)

    def _clear_up(self) -> None:
        for row in self._all(
            "SELECT job_id, dispatched_at FROM jobs WHERE status IN ('dispatched', 'processing')"
        ):
            self.requeue_job(row["job_id"], now=row["dispatched_at"], why="The emulator stopped while the job ran")
        for row in self._all("SELECT stream_id FROM recordings WHERE ended_at IS NULL"):
            self.drop_recording(row["stream_id"])
        known = {row["stream_id"] for row in self._all("SELECT stream_id FROM recordings")}
        for folder in self._streams.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    # SQLite

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        with self._lock:
            return self._db.execute(statement, values)

    def _row(self, statement: str, *values: Any) -> Any:
        with self._lock:
            return self._db.execute(statement, values).fetchone()

    def _all(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with self._lock:
            cursor = self._db.execute(statement, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def _one(self, statement: str, *values: Any) -> dict[str, Any] | None:
        return next(iter(self._all(statement, *values)), None)
