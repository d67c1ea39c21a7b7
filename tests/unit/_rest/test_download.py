"""Downloads of recordings, from a raw-socket store whose connections break, addresses expire and files change."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from odyssey_proto import Odyssey, OdysseyConfigError, OdysseyConnectionError, OdysseyError
from odyssey_proto._net.signed_file import Fetched
from odyssey_proto._rest import part_file
from odyssey_proto._rest.artifact_file import _Place
from odyssey_proto._rest.part_file import Version
from tests.support.leaks import nothing_left
from tests.support.servers import Connection, Request, answer, json_answer
from tests.support.stores import Store
from tests.support.systems import NEEDS_FORK

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "video": random.Random(1).randbytes(3_000_000),
    "events": b'{"type": "start"}\n{"type": "end"}\n',
    "thumbnail": b"\xff\xd8\xff thumbnail",
    "preview": random.Random(2).randbytes(400_000),
}
NAMES = {
    "video": "s-1.mp4",
    "events": "s-1_events.jsonl",
    "thumbnail": "s-1_thumb.jpg",
    "preview": "s-1_preview.mp4",
}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


@contextlib.contextmanager
def client_of(store: Store) -> Iterator[Odyssey]:
    with Odyssey("ody_key", api_url=store.url) as client:
        yield client


def download(store: Store, folder: Path | str, **options: Any) -> dict[str, Path]:
    with client_of(store) as client:
        return client.download_recording(store.stream_id, folder, **options)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_files_arrive_under_their_names_and_nothing_else_stays(tmp_path: Path) -> None:
    with Store(FILES) as store:
        paths = download(store, tmp_path / "new" / "folder")
    assert {artifact: path.name for artifact, path in paths.items()} == NAMES
    assert {artifact: path.read_bytes() for artifact, path in paths.items()} == FILES
    assert names_in(tmp_path / "new" / "folder") == sorted(NAMES.values())


def test_no_token_goes_to_the_store(tmp_path: Path) -> None:
    with Store(FILES) as store:
        download(store, tmp_path)
        asked = [request for request in store.requests if request.path.startswith("/files/")]
    assert [
        request for request in asked if "authorization" in request.headers or "cookie" in request.headers
    ] == []
    assert {request.headers["accept-encoding"] for request in asked} == {"identity"}


def test_what_the_recording_does_not_have_is_left_out(tmp_path: Path) -> None:
    with Store({"events": FILES["events"]}) as store:
        assert list(download(store, tmp_path)) == ["events"]


def test_only_what_is_wanted_is_fetched(tmp_path: Path) -> None:
    with Store(FILES) as store:
        assert list(download(store, str(tmp_path), artifacts=["thumbnail", "thumbnail"])) == ["thumbnail"]
    assert names_in(tmp_path) == ["s-1_thumb.jpg"]


def test_progress_is_reported_on_the_callers_thread_and_ends_complete(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    with Store(FILES) as store:
        download(store, tmp_path, on_progress=lambda *news: told.append(news))
    assert {news[0]: news for news in told} == {name: (name, len(data), len(data)) for name, data in FILES.items()}
    done = [news[1] for news in told if news[0] == "video"]
    assert done == sorted(done)


def test_after_cuts_the_rest_is_fetched_and_no_byte_twice(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}, cuts=(1, 700_001, 1_500_000)) as store:
        path = download(store, tmp_path)["video"]
    assert path.read_bytes() == FILES["video"]
    assert [(first, sent) for _, first, sent in store.served] == [
        (0, 1),
        (1, 700_001),
        (700_002, 1_500_000),
        (2_200_002, 799_998),
    ]


def test_a_later_client_goes_on_where_an_earlier_one_was_interrupted(tmp_path: Path) -> None:
    def interrupt(artifact: str, done: int, total: int | None) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    with Store({"video": FILES["video"]}, cuts=(2_000_000,)) as store:

        def send_and_stay(connection: Connection, request: Request) -> None:
            store._file(connection, request)
            connection.hang()  # so that the rest cannot come before the interrupt

        store.routes["GET /files/video"] = [send_and_stay, store._file]
        with pytest.raises(KeyboardInterrupt):
            download(store, tmp_path, on_progress=interrupt)
        assert names_in(tmp_path) == ["s-1.mp4.part", "s-1.mp4.part.json"]
        have = (tmp_path / "s-1.mp4.part").stat().st_size
        path = download(store, tmp_path)["video"]
    assert path.read_bytes() == FILES["video"]
    assert store.served[-1][1] == have
    assert names_in(tmp_path) == ["s-1.mp4"]


PIECE = 256 * 1024  # the most bytes that are read from a connection at once

# A program that reports its progress, from a number of bytes on, until it is killed.
TO_BE_KILLED = """
import sys
from odyssey_proto import Odyssey
def tell(artifact, done, total):
    if done >= int(sys.argv[3]):
        print(done, flush=True)
with Odyssey("ody_key", api_url=sys.argv[1]) as client:
    client.download_recording("s-1", sys.argv[2], on_progress=tell)
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_fifty_megabytes_cut_three_times_only_the_last_piece_is_fetched_twice(
    tmp_path: Path, seed: int
) -> None:
    size, chance = 50_000_000, random.Random(seed)
    content = chance.randbytes(size)
    first, second, third = sorted(chance.sample(range(1_000_000, 49_000_000), 3))
    with Store({"video": content}, cuts=(first, second - first, third - second)) as store:

        def send_and_stay(connection: Connection, request: Request) -> None:
            store._file(connection, request)
            connection.hang()  # so that the process is killed in the middle of a connection

        store.routes["GET /files/video"] = [store._file, store._file, send_and_stay, store._file]
        # The connection breaks twice; the third time, the process is killed.
        with subprocess.Popen(
            [sys.executable, "-c", TO_BE_KILLED, store.url, str(tmp_path), str(third - PIECE)],
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.kill()
        assert process.returncode == -9
        have = (tmp_path / "s-1.mp4.part").stat().st_size
        path = download(store, tmp_path)["video"]
    assert path.read_bytes() == content
    served = sorted((begin, begin + sent) for _, begin, sent in store.served)
    assert served[:2] == [(0, first), (first, second)]
    assert (served[2][0], served[3]) == (second, (have, size))
    assert len(served) == 4
    assert sum(end - begin for begin, end in served) - size <= PIECE


MEMORY = """
import pathlib, re, resource, sys
from odyssey_proto import Odyssey
def peak():
    status = pathlib.Path("/proc/self/status")
    if not status.exists():  # macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) * 1024  # not the parent's too
with Odyssey("ody_key", api_url=sys.argv[1]) as client:
    client.download_recording("s-1", sys.argv[2], ["events"])  # what every download needs is there then
    before = peak()
    client.download_recording("s-1", sys.argv[2], ["video"])
    print(peak() - before)
"""


def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    block, blocks = random.Random(5).randbytes(1_000_000), 300

    def send_all(connection: Connection, request: Request) -> None:
        connection.send(answer(length=blocks * len(block), ETag='"large"'))
        for _ in range(blocks):
            connection.send(block)

    with Store({"video": b"", "events": FILES["events"]}) as store:
        store.routes["GET /files/video"] = send_all
        grown = subprocess.check_output([sys.executable, "-c", MEMORY, store.url, str(tmp_path)])
    assert (tmp_path / "s-1.mp4").stat().st_size == 300_000_000
    assert int(grown) < 20_000_000


def test_an_expired_address_is_replaced_and_what_is_there_is_kept(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}, cuts=(1_000_000,)) as store:
        file = store._file

        def expire_after_the_first(connection: Connection, request: Request) -> None:
            file(connection, request)
            store.expired.add(1)

        store.routes["GET /files/video"] = expire_after_the_first
        path = download(store, tmp_path)["video"]
    assert path.read_bytes() == FILES["video"]
    assert store.signature == 2
    assert [first for _, first, _ in store.served] == [0, 1_000_000]


def test_an_address_that_is_always_refused_ends_in_an_error(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}) as store:
        store.expired.update(range(100))
        with pytest.raises(OdysseyConnectionError) as caught:
            download(store, tmp_path)
        assert store.signature == 2
    assert caught.value.status == 403
    assert "signature" not in str(caught.value)


def test_a_file_that_has_changed_is_downloaded_from_the_start(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}, cuts=(1_000_000,)) as store:
        first = store._file

        def change(connection: Connection, request: Request) -> None:
            first(connection, request)
            store.files["video"] = FILES["video"][::-1]

        store.routes["GET /files/video"] = [change, first]
        path = download(store, tmp_path)["video"]
    assert path.read_bytes() == FILES["video"][::-1]


def test_without_ranges_or_a_version_a_cut_download_starts_over(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}, cuts=(1_000_000,)) as store:
        store.etag = False
        assert download(store, tmp_path)["video"].read_bytes() == FILES["video"]
    assert [first for _, first, _ in store.served] == [0, 0]


def test_a_store_without_ranges_sends_all_of_it_again(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}, cuts=(1_000_000,)) as store:
        store.ranges = False
        assert download(store, tmp_path)["video"].read_bytes() == FILES["video"]


@pytest.mark.parametrize(
    ("part", "note"),
    [
        (b"x" * 500, None),
        (b"x" * 500, "no json"),
        (b"x" * 500, "[]"),
        (b"x" * 500, '{"validator": null, "size": 3000000}'),
        (b"x" * 500, '{"validator": "\\"another\\"", "size": 3000000}'),
        (b"x" * 500, '{"validator": "\\"a\\"\\r\\nX-Evil: 1", "size": 3000000}'),
        (b"x" * 4_000_000, "its own"),
        (b"x" * 500, '{"validator": 7, "size": "many"}'),
    ],
)
def test_what_lies_there_and_does_not_fit_is_not_used(tmp_path: Path, part: bytes, note: str | None) -> None:
    with Store({"video": FILES["video"]}) as store:
        (tmp_path / "s-1.mp4.part").write_bytes(part)
        if note == "its own":
            note = json.dumps({"validator": store.tag("video"), "size": len(FILES["video"])})
        if note is not None:
            (tmp_path / "s-1.mp4.part.json").write_text(note)
        assert download(store, tmp_path)["video"].read_bytes() == FILES["video"]
    assert names_in(tmp_path) == ["s-1.mp4"]


def test_a_part_that_is_whole_only_gets_its_name(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}) as store:
        (tmp_path / "s-1.mp4.part").write_bytes(FILES["video"])
        note = {"validator": store.tag("video"), "size": len(FILES["video"])}
        (tmp_path / "s-1.mp4.part.json").write_text(json.dumps(note))
        assert download(store, tmp_path)["video"].read_bytes() == FILES["video"]
    assert store.served == []


def test_an_existing_file_is_kept_and_downloaded_again_only_without_resume(tmp_path: Path) -> None:
    (tmp_path / "s-1_thumb.jpg").write_bytes(b"\xff\xd8\xff mine")
    with Store({"thumbnail": FILES["thumbnail"]}) as store:
        path = download(store, tmp_path)["thumbnail"]
        assert path.read_bytes() == b"\xff\xd8\xff mine"
        assert download(store, tmp_path, resume=False)["thumbnail"].read_bytes() == FILES["thumbnail"]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    with Store({"events": b""}) as store:
        assert download(store, tmp_path)["events"].read_bytes() == b""


def test_a_link_where_the_part_should_be_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "s-1.mp4.part").symlink_to(outside)
    with (
        Store({"video": FILES["video"]}) as store,
        pytest.raises(OdysseyConfigError, match=r"s-1\.mp4\.part is not a plain file"),
    ):
        download(store, folder)
    assert outside.read_bytes() == b"precious"


@NEEDS_FORK
def test_a_second_download_of_the_same_file_is_refused(tmp_path: Path) -> None:
    import fcntl

    with Store({"video": FILES["video"]}) as store, (tmp_path / "s-1.mp4.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OdysseyConfigError, match="Another download is writing"):
            download(store, tmp_path)


# --- a system like Windows


@attrs.define
class _System:
    """The state of the system: how many more renamings a scanner blocks, and the offsets that were locked."""

    scans: int = 0
    locked: list[int] = attrs.field(factory=list)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> _System:
    """A system where open files cannot be renamed, and that has `msvcrt` instead of `fcntl`."""
    fcntl = pytest.importorskip("fcntl")
    system = _System()

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (3, 1)
        system.locked.append(os.lseek(descriptor, 0, os.SEEK_CUR))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    rename = Path.replace

    def is_open(source: Path) -> bool:
        known = source.stat()
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # another thread has closed it meanwhile
                if os.path.samestat(entry.stat(), known):
                    return True
        return False

    def replace(source: Path, target: Path) -> Path:
        if system.scans or is_open(source):
            system.scans = max(0, system.scans - 1)
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        return rename(source, target)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=3))
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(part_file, "_RENAMES_OPEN_FILES", False)
    return system


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells which files are open")
class TestWhereOpenFilesKeepTheirNames:
    def test_a_file_gets_its_name_when_it_is_closed(self, windows: _System, tmp_path: Path) -> None:
        with Store({"video": FILES["video"]}, cuts=(700_001,)) as store:
            assert download(store, tmp_path)["video"].read_bytes() == FILES["video"]
        assert names_in(tmp_path) == [NAMES["video"]]

    def test_a_scanner_that_has_the_file_for_a_moment_is_waited_for(
        self, windows: _System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(part_file, "_RELEASED_WITHIN_S", 30.0)
        windows.scans = 3
        with Store({"video": FILES["video"]}) as store:
            assert download(store, tmp_path)["video"].read_bytes() == FILES["video"]
        assert windows.scans == 0

    def test_a_file_that_another_program_keeps_open_is_reported_and_nothing_is_lost(
        self, windows: _System, tmp_path: Path
    ) -> None:
        windows.scans = 10**6
        with Store({"events": FILES["events"]}) as store, pytest.raises(PermissionError):
            download(store, tmp_path)
        windows.scans = 0
        with Store({"events": FILES["events"]}) as store:
            assert download(store, tmp_path)["events"].read_bytes() == FILES["events"]

    def test_a_second_download_of_the_same_file_is_refused(self, windows: _System, tmp_path: Path) -> None:
        with Store({"video": FILES["video"]}) as store, (tmp_path / "s-1.mp4.part").open("wb") as other:
            part_file._lock_alone(other.fileno())
            with pytest.raises(OdysseyConfigError) as raised:
                download(store, tmp_path)
        assert raised.value.code == "busy"

    def test_what_is_locked_is_no_byte_of_the_file(self, windows: _System, tmp_path: Path) -> None:
        with Store({"video": FILES["video"]}) as store:
            download(store, tmp_path)
        assert windows.locked == [1 << 40]


@pytest.mark.parametrize("stream_id", ["CON", "nul", "aux.1", "Com1", "LPT9.x.y", "com0"])
def test_an_id_that_names_a_device_somewhere_is_refused(tmp_path: Path, stream_id: str) -> None:
    with Odyssey("ody_key") as client, pytest.raises(OdysseyConfigError, match="cannot name a file"):
        client.download_recording(stream_id, tmp_path)


def test_redirects_are_followed_without_the_token(tmp_path: Path) -> None:
    with Store({"events": FILES["events"]}) as store:
        moved = answer(status="302 Found", Location="/files/events?signature=1", Connection="close")
        store.routes["GET /recordings/s-1"] = json_answer({"stream_id": "s-1", "events_url": f"{store.url}/old"})
        store.routes["GET /old"] = moved
        assert download(store, tmp_path)["events"].read_bytes() == FILES["events"]


@pytest.mark.parametrize("target", ["/old", "ftp://x.example/", "file:///etc/passwd"])
def test_redirects_that_lead_nowhere_are_errors(tmp_path: Path, target: str) -> None:
    with Store({"events": b""}) as store:
        store.routes["GET /recordings/s-1"] = json_answer({"stream_id": "s-1", "events_url": f"{store.url}/old"})
        store.routes["GET /old"] = answer(status="302 Found", Location=target)
        with pytest.raises(OdysseyConnectionError, match="redirects"):
            download(store, tmp_path)


@pytest.mark.parametrize(
    "reply",
    [
        answer(status="404 Not Found"),
        answer(b"x", Content_Encoding="br"),
        answer(b"x", "206 Partial Content"),
        answer(status="416 Range Not Satisfiable"),
        b"SSH-2.0\r\n\r\n",
    ],
)
def test_answers_that_are_no_file_are_errors_and_leave_no_file(tmp_path: Path, reply: bytes) -> None:
    with Store({"events": b""}) as store:
        store.routes["GET /files/events"] = reply
        with pytest.raises(OdysseyConnectionError):
            download(store, tmp_path)
    assert "s-1_events.jsonl" not in names_in(tmp_path)


def test_a_failure_ends_no_other_download_and_is_reported_with_what_is_complete(tmp_path: Path) -> None:
    with Store(FILES) as store:
        store.routes["GET /files/events"] = answer(status="404 Not Found")
        with pytest.raises(OdysseyConnectionError, match="404") as caught:
            download(store, tmp_path)
    assert str(caught.value).endswith("; incomplete: events; complete: video, thumbnail, preview")
    assert (tmp_path / NAMES["video"]).read_bytes() == FILES["video"]
    assert (tmp_path / NAMES["preview"]).read_bytes() == FILES["preview"]


def test_an_unknown_recording_leaves_no_folder(tmp_path: Path) -> None:
    with Store(FILES) as store, client_of(store) as client:
        with pytest.raises(OdysseyError) as caught:
            client.download_recording("s-2", tmp_path / "new")
        assert (caught.value.status, caught.value.code) == (404, "not_found")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("stream_id", ["../x", "a/b", "..", ".hidden", "a\\b", "C:x", "é", "a" * 200])
def test_an_id_that_leads_elsewhere_is_refused(tmp_path: Path, stream_id: str) -> None:
    with Store(FILES) as store, client_of(store) as client:
        with pytest.raises(OdysseyConfigError):
            client.download_recording(stream_id, tmp_path)
        assert store.accepted == 0


def test_an_artifact_that_is_gone_with_its_expired_address_is_an_error(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}) as store:
        store.expired.add(1)
        there = store.routes["GET /recordings/s-1"]
        assert not isinstance(there, list)
        store.routes["GET /recordings/s-1"] = [there, json_answer({"stream_id": "s-1"})]
        with pytest.raises(OdysseyConnectionError, match="is gone") as caught:
            download(store, tmp_path)
    assert caught.value.code == "not_found"


def test_two_downloads_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    with Store({"video": FILES["video"]}) as store, client_of(store) as client:
        outcomes: list[object] = []

        def fetch() -> None:
            try:
                outcomes.append(client.download_recording("s-1", tmp_path))
            except OdysseyConfigError as exc:
                outcomes.append(exc.code)

        threads = [threading.Thread(target=fetch) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 8
        assert (tmp_path / "s-1.mp4").read_bytes() == FILES["video"]
    assert "s-1.mp4.part.json" not in names_in(tmp_path)


def test_a_label_with_a_hundred_thousand_blanks_is_looked_through_once() -> None:
    # A regular expression that divides them in every possible way would take an hour.
    version = Version(validator='"a"', size=10)
    for label in (f"bytes 1-{' ' * 100_000}x", f"bytes{' ' * 100_000}1", f"{'1' * 100_000}-{'1' * 100_000}x"):
        answered = Fetched(206, {"Content-Range": label}, iter([]), is_packed=False, url="https://store.example/")
        assert _Place.of(answered, version) == _Place(None, None)
