"""Stores that answer oddly: login pages in between, `Retry-After`, packed objects, ranges and signatures."""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import MalformedMessageError, Odyssey, OdysseyConnectionError
from tests.support.processes import eventually
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer
from tests.support.stores import Store

if TYPE_CHECKING:
    from pathlib import Path

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 400
EVENTS = b'{"type": "start"}\n{"type": "end"}\n' * 500
HTML = b"<!DOCTYPE html><html><title>Sign in to the network</title></html>"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'
NO_FILES = [
    pytest.param(HTML, id="html"),
    pytest.param(b"\xef\xbb\xbf\n  " + HTML, id="html after a mark and blanks"),
    pytest.param("\ufeff<html>é</html>".encode("utf-16-le"), id="html in UTF-16"),
    pytest.param("<html>é</html>".encode("latin-1"), id="html in Latin-1"),
    pytest.param(XML, id="xml"),
    pytest.param(b'{"error": "denied"}', id="json"),
    pytest.param(b"Access denied", id="text"),
    pytest.param(b"", id="nothing"),
]


def download(store: HttpServer, folder: Path, *artifacts: Any, **options: Any) -> dict[str, bytes]:
    with Odyssey("ody_key", api_url=store.url) as client:
        paths = client.download_recording("s-1", folder, artifacts or ("video",), **options)
    return {artifact: path.read_bytes() for artifact, path in paths.items()}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- something else than the file


@pytest.mark.parametrize("body", NO_FILES)
@pytest.mark.parametrize("artifact", ["video", "thumbnail", "preview"])
def test_what_is_no_file_is_never_saved_as_one(tmp_path: Path, artifact: str, body: bytes) -> None:
    with Store({artifact: b""}) as store:
        store.routes[f"GET /files/{artifact}"] = answer(body, Content_Type="video/mp4", ETag='"v"')
        with pytest.raises(MalformedMessageError, match=f"in place of the {artifact}") as caught:
            download(store, tmp_path, artifact)
        assert store.signature == 2, "another address is tried"
    assert caught.value.code == "wrong_content"
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("body", [HTML, XML])
def test_a_page_is_no_event_log_but_an_empty_log_is_one(tmp_path: Path, body: bytes) -> None:
    with Store({"events": b""}) as store:
        store.routes["GET /files/events"] = answer(body)
        with pytest.raises(MalformedMessageError, match="HTML or XML in place of the events"):
            download(store, tmp_path, "events")
        store.routes["GET /files/events"] = answer(b"")
        assert download(store, tmp_path, "events") == {"events": b""}


def test_after_a_login_page_the_download_goes_on_with_another_address(tmp_path: Path) -> None:
    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = [answer(HTML), store._file]
        assert download(store, tmp_path) == {"video": VIDEO}


@pytest.mark.parametrize("body", NO_FILES)
def test_a_login_page_in_the_middle_costs_nothing_that_is_there(tmp_path: Path, body: bytes) -> None:
    with Store({"video": VIDEO}, cuts=(70_000,)) as store:
        store.routes["GET /files/video"] = [store._file, answer(body, ETag='"page"'), store._file]
        assert download(store, tmp_path) == {"video": VIDEO}
    assert [(first, sent) for _, first, sent in store.served] == [(0, 70_000), (70_000, len(VIDEO) - 70_000)]


@pytest.mark.parametrize("body", NO_FILES)
def test_a_page_that_was_saved_as_a_video_is_not_found_whole_by_a_later_download(
    tmp_path: Path, body: bytes
) -> None:
    (tmp_path / "s-1.mp4").write_bytes(body)
    with Store({"video": VIDEO}) as store:
        assert download(store, tmp_path) == {"video": VIDEO}


def test_a_part_that_is_a_page_is_not_continued(tmp_path: Path) -> None:
    with Store({"video": VIDEO}) as store:
        (tmp_path / "s-1.mp4.part").write_bytes(HTML)
        note = {"validator": store.tag("video"), "size": len(VIDEO)}
        (tmp_path / "s-1.mp4.part.json").write_text(json.dumps(note))
        assert download(store, tmp_path) == {"video": VIDEO}
    assert names_in(tmp_path) == ["s-1.mp4"]


def test_an_error_that_is_no_login_page_is_not_asked_for_a_second_time(tmp_path: Path) -> None:
    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = answer(status="204 No Content")
        with pytest.raises(OdysseyConnectionError, match="204"):
            download(store, tmp_path)
        assert len(store.received("GET /files/video")) == 1


# --- Retry-After


class Busy:
    """A reply that refuses a file until the time that it demanded has passed."""

    def __init__(self, store: Store, status: str, demanded_s: int) -> None:
        self._store = store
        self._status = status
        self._demanded_s = demanded_s
        self._began: float | None = None

    def __call__(self, connection: Connection, request: Request) -> None:
        now = time.monotonic()
        self._began = self._began or now
        if now - self._began < self._demanded_s:
            connection.send(answer(XML, self._status, Retry_After=str(self._demanded_s), Connection="close"))
        else:
            self._store._file(connection, request)


@pytest.mark.parametrize("status", ["503 Slow Down", "429 Too Many Requests"])
def test_a_store_that_says_when_is_asked_again_then_and_not_before(tmp_path: Path, status: str) -> None:
    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = Busy(store, status, 1)
        assert download(store, tmp_path) == {"video": VIDEO}
        assert len(store.received("GET /files/video")) == 2


def test_a_store_that_says_when_in_the_middle_is_waited_for_too(tmp_path: Path) -> None:
    with Store({"video": VIDEO}, cuts=(70_000,)) as store:
        busy = Busy(store, "503 Slow Down", 1)
        store.routes["GET /files/video"] = [store._file, busy]
        assert download(store, tmp_path) == {"video": VIDEO}
        assert len(store.received("GET /files/video")) == 3
    assert [first for _, first, _ in store.served] == [0, 70_000]


@pytest.mark.parametrize(("demanded", "timeout"), [("61", None), ("20", 10.0)])
def test_a_store_that_demands_too_long_a_wait_is_reported_at_once(
    tmp_path: Path, demanded: str, timeout: float | None
) -> None:
    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = answer(XML, "503 Slow Down", Retry_After=demanded)
        with pytest.raises(OdysseyConnectionError) as caught:
            download(store, tmp_path, timeout=timeout)
        assert len(store.received("GET /files/video")) == 1
    assert (caught.value.status, caught.value.retry_after) == (503, float(demanded))


# --- objects stored packed


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


def in_two_members(data: bytes) -> bytes:
    return gzip.compress(data[:100]) + gzip.compress(data[100:]) + b"\0" * 20


@pytest.mark.parametrize(
    ("pack", "label"),
    [
        (gzip.compress, "gzip"),
        (gzip.compress, "x-gzip"),
        (gzip.compress, "aws-chunked, gzip"),
        (in_two_members, "gzip"),
        (deflated, "deflate"),
        (lambda data: gzip.compress(gzip.compress(data)), "gzip, gzip"),
        (lambda data: data, "gzip"),
        (lambda data: data, "deflate"),
        (lambda data: data, "UTF-8"),
    ],
)
def test_what_is_stored_packed_is_unpacked(tmp_path: Path, pack: Any, label: str) -> None:
    files = {"video": VIDEO, "events": EVENTS}
    with Store(files) as store:
        for artifact, content in files.items():
            store.routes[f"GET /files/{artifact}"] = answer(pack(content), Content_Encoding=label, ETag='"v"')
        assert download(store, tmp_path, *files) == files


def test_a_compressed_file_that_is_cut_is_downloaded_from_the_start(tmp_path: Path) -> None:
    packed = gzip.compress(VIDEO, 1)

    def cut(connection: Connection, _: Request) -> None:
        connection.send(answer(packed[:-50], length=len(packed), Content_Encoding="gzip", ETag='"v"'))

    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = [cut, answer(packed, Content_Encoding="gzip", ETag='"v"')]
        assert download(store, tmp_path) == {"video": VIDEO}
        assert ["range" in asked.headers for asked in store.received("GET /files/video")] == [False, False]


@pytest.mark.parametrize(
    ("length", "more", "problem"), [(-400, b"", "cut short"), (40, b"damaged" * 20, "not valid gzip")]
)
def test_a_packed_file_that_is_damaged_is_an_error(tmp_path: Path, length: int, more: bytes, problem: str) -> None:
    body = gzip.compress(VIDEO)[:length] + more
    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = answer(body, Content_Encoding="gzip")
        with pytest.raises(MalformedMessageError, match=problem):
            download(store, tmp_path)
    assert "s-1.mp4" not in names_in(tmp_path)


# --- one of several


def test_events_that_fail_do_not_end_the_download_of_the_video(tmp_path: Path) -> None:
    with Store({"video": VIDEO, "events": EVENTS}) as store:
        store.routes["GET /files/events"] = answer(status="404 Not Found")

        seen = 0

        def note(artifact: str, done: int, _: int | None) -> None:
            nonlocal seen
            seen = done

        def events_have_failed() -> bool:
            names = {thread.name for thread in threading.enumerate()}
            return bool(store.received("GET /files/events")) and "odyssey-download-events" not in names

        def send_up_to(connection: Connection, place: int) -> None:
            connection.send(VIDEO[seen:place])
            eventually(lambda: seen == place)  # the caller's thread goes on after the failure

        def in_thirds(connection: Connection, _: Request) -> None:
            eventually(events_have_failed)
            connection.send(answer(length=len(VIDEO)))
            for sent in (len(VIDEO) // 3, 2 * len(VIDEO) // 3, len(VIDEO)):
                send_up_to(connection, sent)

        store.routes["GET /files/video"] = in_thirds
        with pytest.raises(OdysseyConnectionError, match=r"404.*incomplete: events; complete: video"):
            download(store, tmp_path, "events", "video", on_progress=note)
    assert (tmp_path / "s-1.mp4").read_bytes() == VIDEO


# --- ranges


RANGES = [
    "bytes {first}-{last}/{size}",
    "bytes {first}-{last}/*",
    "bytes={first}-{last}/{size}",
    "Bytes: {first}-{last}/{size}",
    "BYTES  {first} - {last} / {size} ",
    "{first}-{last}/{size}",
    "bytes {first}-/{size}",
]


@pytest.mark.parametrize(
    ("form", "knows_size"), [*((form, knows) for form in RANGES for knows in (True, False)), (None, True)]
)
def test_a_download_goes_on_whatever_form_the_range_has(
    tmp_path: Path, form: str | None, knows_size: bool
) -> None:
    first = 70_000

    def begin(connection: Connection, _: Request) -> None:
        if knows_size:
            connection.send(answer(VIDEO[:first], length=len(VIDEO), ETag='"v"'))
        else:
            head = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "v"\r\n\r\n'
            connection.send(head + b"%x\r\n%b\r\n" % (first, VIDEO[:first]))

    def go_on(connection: Connection, request: Request) -> None:
        assert (request.headers["range"], request.headers["if-range"]) == (f"bytes={first}-", '"v"')
        size = len(VIDEO)
        known = {} if form is None else {"Content_Range": form.format(first=first, last=size - 1, size=size)}
        connection.send(answer(VIDEO[first:], "206 Partial Content", **known))

    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = [begin, go_on]
        assert download(store, tmp_path) == {"video": VIDEO}
        assert len(store.received("GET /files/video")) == 2


@pytest.mark.parametrize("form", ["bytes 0-9/{size}", "bytes 70000-9/7", "pages 1-2/3", "bytes */{size}"])
def test_a_part_from_another_place_is_not_taken(tmp_path: Path, form: str) -> None:
    with Store({"video": VIDEO}, cuts=(70_000,)) as store:
        odd = answer(VIDEO[:10], "206 Partial Content", Content_Range=form.format(size=len(VIDEO)))
        store.routes["GET /files/video"] = [store._file, odd, store._file]
        assert download(store, tmp_path) == {"video": VIDEO}
    assert [first for _, first, _ in store.served] == [0, 0]


OTHER = b"\0\0\0\x18ftypqt  " + bytes(reversed(VIDEO[12:]))
"""Another video of the same length."""


def test_a_part_of_another_version_is_not_mixed_with_what_is_there(tmp_path: Path) -> None:
    def ignores_if_range(connection: Connection, request: Request) -> None:
        store.files["video"] = OTHER
        known = {"Content_Range": f"bytes 70000-{len(OTHER) - 1}/{len(OTHER)}", "ETag": store.tag("video")}
        connection.send(answer(OTHER[70_000:], "206 Partial Content", **known))

    with Store({"video": VIDEO}, cuts=(70_000,)) as store:
        store.routes["GET /files/video"] = [store._file, ignores_if_range, store._file]
        assert download(store, tmp_path) == {"video": OTHER}


def test_a_part_of_another_date_is_not_mixed_with_what_is_there(tmp_path: Path) -> None:
    days = iter(("Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"))

    def begin(connection: Connection, _: Request) -> None:
        connection.send(answer(VIDEO[:70_000], length=len(VIDEO), Last_Modified=next(days)))

    def ignores_if_range(connection: Connection, _: Request) -> None:
        known = {"Content_Range": f"bytes 70000-{len(OTHER) - 1}/{len(OTHER)}", "Last_Modified": next(days)}
        connection.send(answer(OTHER[70_000:], "206 Partial Content", **known))

    with Store({"video": OTHER}) as store:
        store.routes["GET /files/video"] = [begin, ignores_if_range, store._file]
        assert download(store, tmp_path) == {"video": OTHER}


@pytest.mark.parametrize("label", ["gzip", "br"])
def test_a_part_that_is_sent_packed_is_not_added_to_what_is_there(tmp_path: Path, label: str) -> None:
    body = gzip.compress(VIDEO[70_000:])
    span = f"bytes 70000-{len(VIDEO) - 1}/{len(VIDEO)}"
    packed = answer(body, "206 Partial Content", Content_Range=span, Content_Encoding=label)
    with Store({"video": VIDEO}, cuts=(70_000,)) as store:
        store.routes["GET /files/video"] = [store._file, packed, store._file]
        assert download(store, tmp_path) == {"video": VIDEO}
        assert len(store.received("GET /files/video")) == 3


def test_a_part_that_is_longer_than_it_says_is_not_kept(tmp_path: Path) -> None:
    span = f"bytes 70000-{len(VIDEO) - 1}/{len(VIDEO)}"
    longer = answer(VIDEO[70_000:] + b"more", "206 Partial Content", Content_Range=span)
    with Store({"video": VIDEO}, cuts=(70_000,)) as store:
        store.routes["GET /files/video"] = [store._file, longer, store._file]
        assert download(store, tmp_path) == {"video": VIDEO}
        assert len(store.received("GET /files/video")) == 3


@pytest.mark.parametrize("status", ["412 Precondition Failed", "304 Not Modified"])
def test_a_store_that_refuses_to_continue_is_asked_for_all_of_it(tmp_path: Path, status: str) -> None:
    with Store({"video": VIDEO}, cuts=(70_000,)) as store:
        store.routes["GET /files/video"] = [store._file, answer(status=status), store._file]
        assert download(store, tmp_path) == {"video": VIDEO}
        assert "range" not in store.received("GET /files/video")[2].headers


def test_a_store_that_calls_the_whole_file_a_part_is_believed(tmp_path: Path) -> None:
    span = f"bytes 0-{len(VIDEO) - 1}/{len(VIDEO)}"
    with Store({"video": VIDEO}) as store:
        store.routes["GET /files/video"] = answer(VIDEO, "206 Partial Content", Content_Range=span)
        assert download(store, tmp_path) == {"video": VIDEO}


def test_a_file_of_unknown_length_that_is_whole_is_not_fetched_again(tmp_path: Path) -> None:
    with Store({"video": VIDEO}) as store:
        (tmp_path / "s-1.mp4.part").write_bytes(VIDEO)
        note = {"validator": store.tag("video"), "size": None}
        (tmp_path / "s-1.mp4.part.json").write_text(json.dumps(note))
        assert download(store, tmp_path) == {"video": VIDEO}
    assert store.served == []


# --- addresses


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("/f/a%2fb%7e.mp4?X-Sig=ab%2fcd%3d%3d&k=%7Ex", None),
        ("/f/%e4%bd%a0.mp4?sig=1", None),
        ("/f/a/../b.mp4?sig=1", None),
        ("/f//double//b.mp4?sig=1", None),
        ('/f/a.mp4?sig=a+b&r=[1]|{2}^"<>', None),
        ("/f/100%.mp4?sig=50%", None),
        ("/f/it's(1)*!.mp4?sig=it's", None),
        ("/f/a b.mp4?sig=x y", "/f/a%20b.mp4?sig=x%20y"),
        ("/f/übung.mp4?sig=ü", "/f/%C3%BCbung.mp4?sig=%C3%BC"),
        ("/f/a.mp4?sig=1#top", "/f/a.mp4?sig=1"),
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
def test_a_signed_address_travels_byte_by_byte_as_it_was_given(
    tmp_path: Path, given: str, sent: str | None, redirected: bool
) -> None:
    sent = sent or given

    def move(connection: Connection, _: Request) -> None:
        head = f"HTTP/1.1 302 Found\r\nLocation: {given}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        connection.send(head.encode())

    with Store({}) as store:
        address = "/old" if redirected else given
        store.routes["GET /recordings/s-1"] = json_answer({"stream_id": "s-1", "video_url": store.url + address})
        store.routes["GET /old"] = move
        store.routes[f"GET {sent.partition('?')[0]}"] = answer(VIDEO)
        assert download(store, tmp_path) == {"video": VIDEO}
        assert store.requests[-1].target == sent


def test_a_proxy_gets_the_signed_address_byte_by_byte_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://files.example/f/a%2fb%7e.mp4?sig=%2f~|"
    with Store({}) as store:
        monkeypatch.setenv("http_proxy", store.url)
        store.routes["GET /recordings/s-1"] = json_answer({"stream_id": "s-1", "video_url": address})
        store.routes[f"GET {address.partition('?')[0]}"] = answer(VIDEO)
        assert download(store, tmp_path) == {"video": VIDEO}
        assert store.requests[-1].target == address
