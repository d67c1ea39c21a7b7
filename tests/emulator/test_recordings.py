"""Recordings of live streams and the addresses of their artifacts, checked with requests and PyAV."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import av
import pytest
import requests
from PIL import Image

from odyssey_proto._video import stamp
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator
from tests.support.clocks import HandClock
from tests.support.plain_client import PATIENCE_S, PlainClient, authorise, connect
from tests.support.plain_rest import PlainRest, events_of, frames_of, get, script, until
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("recordings")  # one library for most

SMALL = (512, 64)
"""Size of pictures that take a twentieth of the CPU, and still have room for their stamp."""
ARTIFACTS = ("video_url", "events_url", "thumbnail_url", "preview_url")


async def stream(emulator: Emulator, *, portrait: bool = False, end: bool = True, pictures: int = 12) -> str:
    """Stream briefly, with one interaction, and return the stream's id."""
    async with connect(authorise(emulator.api_url, emulator.api_key)) as client:
        client.start("A cat", portrait=portrait)
        started = await client.message("stream_started")
        for _ in range(pictures):
            await client.frame()
        client.send(type="update", prompt="It rains")
        await client.message("update_acknowledged")
        if end:
            client.send(type="interactive_stream_end")
            await client.message("stream_ended")
    return str(started["stream_id"])


def recording_of(emulator: Emulator, stream_id: str) -> dict[str, Any]:
    """Return a recording once it is written, which on a busy machine may be long after the end of its stream."""
    rest = PlainRest(emulator)
    found: dict[str, Any] = until(lambda: (told := rest.get(f"/recordings/{stream_id}"))["video_url"] and told)
    return found


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(size=SMALL) as running:
        yield running


# Live streams


@pytest.mark.parametrize(("portrait", "size"), [(False, (1280, 704)), (True, (704, 1280))])
def test_a_live_stream_becomes_a_recording(portrait: bool, size: tuple[int, int]) -> None:
    with Emulator() as emulator:
        stream_id = asyncio.run(stream(emulator, portrait=portrait))
        recording = recording_of(emulator, stream_id)
        frames = frames_of(recording["video_url"])
        preview = frames_of(recording["preview_url"])
        still = Image.open(io.BytesIO(get(recording["thumbnail_url"]).content))
    assert recording["stream_id"] == stream_id
    assert recording["frame_count"] == len(frames) >= 12
    assert {(frame.shape[1], frame.shape[0]) for frame in frames} == {size}
    numbers = [found.frame_number for found in map(stamp.read, frames) if found]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert recording["duration_seconds"] > 0
    assert preview[0].shape == (size[1] // 4, size[0] // 4, 3)
    assert (still.format, still.size) == ("JPEG", (size[0] // 2, size[1] // 2))


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_a_recording_of_either_codec_is_h264_and_begins_with_the_first_picture(codec: str) -> None:
    with Emulator(codec=codec, size=(640, 360)) as emulator:
        recording = recording_of(emulator, asyncio.run(stream(emulator)))
        content = get(recording["video_url"]).content
        preview = frames_of(recording["preview_url"])
    with av.open(io.BytesIO(content)) as container:
        assert container.streams.video[0].codec.name == "h264"
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) == recording["frame_count"] >= 12
    assert [found.frame_number for found in map(stamp.read, frames) if found][:5] == [0, 1, 2, 3, 4]
    assert preview[0].shape == (90, 160, 3)


async def number(client: PlainClient) -> int:
    """Wait for the next picture, and return the number in its stamp."""
    found = stamp.read(await client.frame())
    assert found is not None
    return found.frame_number


async def two_streams(emulator: Emulator) -> list[str]:
    """Stream twice over the one connection of a session, and return the ids."""
    ids = []
    async with connect(authorise(emulator.api_url, emulator.api_key)) as client:
        for _ in range(2):
            client.start("A cat")
            ids.append(str((await client.message("stream_started"))["stream_id"]))
            while await number(client) >= 5:  # late pictures of the first stream
                pass
            while await number(client) < 5:
                pass
            client.send(type="interactive_stream_end")
            await client.message("stream_ended")
            client.forget_frames()
    return ids


def test_the_second_stream_of_a_session_is_recorded_from_its_beginning(emulator: Emulator) -> None:
    for stream_id in asyncio.run(two_streams(emulator)):
        frames = frames_of(recording_of(emulator, stream_id)["video_url"])
        numbers = [found.frame_number for found in map(stamp.read, frames) if found]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= 5


def test_the_log_of_a_live_stream_contains_its_prompts_and_its_end(emulator: Emulator) -> None:
    stream_id = asyncio.run(stream(emulator))
    events = events_of(recording_of(emulator, stream_id)["events_url"])
    assert [(event["type"], event.get("prompt"), event.get("reason")) for event in events] == [
        ("start", "A cat", None),
        ("interact", "It rains", None),
        ("end", None, "requested"),
    ]
    times = [event["timestamp_ms"] for event in events]
    assert times == sorted(times)


def test_a_stream_that_runs_has_no_addresses_and_no_end(emulator: Emulator) -> None:
    async def look() -> tuple[Any, Any]:
        async with connect(authorise(emulator.api_url, emulator.api_key)) as client:
            client.start("A cat")
            started = await client.message("stream_started")
            rest = PlainRest(emulator)
            return rest.get(f"/recordings/{started['stream_id']}"), rest.get("/stream-recordings")

    recording, listed = asyncio.run(look())
    assert [recording[name] for name in (*ARTIFACTS, "frame_count", "duration_seconds")] == [None] * 6
    assert [(info["ended_at"], info["width"], info["height"]) for info in listed["recordings"]] == [(None, *SMALL)]


def test_a_stream_that_its_session_took_along_is_recorded_too(emulator: Emulator) -> None:
    stream_id = asyncio.run(stream(emulator, end=False))
    rest = PlainRest(emulator)
    recording = until(lambda: (found := rest.get(f"/recordings/{stream_id}"))["video_url"] and found)
    assert events_of(recording["events_url"])[-1]["reason"] == "session_ended"


def test_nothing_is_recorded_when_recording_is_off() -> None:
    with Emulator(record=False, size=SMALL) as emulator:
        stream_id = asyncio.run(stream(emulator, pictures=2))
        rest = PlainRest(emulator)
        assert rest.refusal("GET", f"/recordings/{stream_id}")[0] == 404
        assert rest.get("/stream-recordings")["total"] == 0


def test_nothing_is_left_when_an_emulator_stops_in_the_middle_of_a_stream(emulator: Emulator) -> None:
    async def leave() -> None:
        async with connect(authorise(emulator.api_url, emulator.api_key), goodbye=False) as client:
            client.start("A cat")
            await client.frame()
            await asyncio.to_thread(emulator.stop)

    asyncio.run(leave())
    eventually(lambda: not [found for found in threading.enumerate() if found.name.startswith("odyssey-emulator")])


# Lists


@pytest.fixture(scope="module")
def library() -> Iterator[tuple[Emulator, PlainRest, dict[str, Any]]]:
    """An emulator with five empty recordings and one with pictures, its account, and the one with pictures."""
    with Emulator(size=SMALL) as emulator:
        rest = PlainRest(emulator)
        rest.completed(scripts=[script(length_ms=at) for at in range(100, 600, 100)], output_video=False)
        made = rest.completed(script=script(length_ms=7000))["streams"][0]
        yield emulator, rest, made


Library = tuple[Emulator, PlainRest, dict[str, Any]]


def test_recordings_are_listed_newest_first(library: Library) -> None:
    listed = library[1].get("/stream-recordings")
    assert [info["duration_seconds"] for info in listed["recordings"]] == [7.0, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert (listed["total"], listed["limit"], listed["offset"]) == (6, 50, 0)
    assert listed["recordings"][0]["stream_id"] == library[2]["stream_id"]


def test_the_preview_is_short(library: Library) -> None:
    assert library[2]["duration_seconds"] == 7
    assert len(frames_of(library[2]["preview_url"])) == 50


def test_recordings_come_in_pages(library: Library) -> None:
    pages = [library[1].get("/stream-recordings", limit=4, offset=offset) for offset in (0, 4, 8, 10**30)]
    assert [len(page["recordings"]) for page in pages] == [4, 2, 0, 0]
    ids = [info["stream_id"] for page in pages for info in page["recordings"]]
    assert len(set(ids)) == 6


@pytest.mark.parametrize("path", ["/stream-recordings", "/simulation-jobs"])
@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"limit": 0}, "greater_than_equal"),
        ({"limit": 101}, "less_than_equal"),
        ({"limit": "many"}, "int_parsing"),
        ({"limit": ""}, "int_parsing"),
        ({"limit": "9" * 5000}, "int_parsing"),
        ({"offset": -1}, "greater_than_equal"),
        ({"offset": 1.5}, "int_parsing"),
    ],
)
def test_a_page_out_of_bounds_is_refused(library: Library, path: str, query: dict[str, Any], kind: str) -> None:
    status, (issue,) = library[1].refusal("GET", path, params=query)
    assert (status, issue["loc"], issue["type"]) == (422, ["query", *query], kind)


def test_the_recordings_of_another_account_do_not_exist(library: Library) -> None:
    stranger = PlainRest(library[0], "ody_stranger")
    assert stranger.refusal("GET", f"/recordings/{library[2]['stream_id']}") == (404, "Recording not found")
    assert stranger.get("/stream-recordings")["total"] == 0


@pytest.mark.parametrize("stream_id", ["stream-0", "%00", "..%2F..%2Fstate.sqlite3", "%F0%9F%90%88"])
def test_a_recording_that_is_none_is_not_found(library: Library, stream_id: str) -> None:
    assert library[1].refusal("GET", f"/recordings/{stream_id}")[0] == 404


@pytest.mark.parametrize("path", ["/recordings/a", "/stream-recordings", "/simulation-jobs", "/simulation-jobs/a"])
def test_without_a_token_nothing_is_returned(library: Library, path: str) -> None:
    assert requests.get(library[0].api_url + path, timeout=PATIENCE_S).status_code == 401


# Addresses


def test_an_address_opens_without_a_header(library: Library) -> None:
    answer = get(library[2]["video_url"])
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_a_head_request_returns_the_headers_of_a_get(library: Library) -> None:
    found = requests.head(library[2]["video_url"], timeout=PATIENCE_S)
    whole = get(library[2]["video_url"])
    assert found.status_code == 200
    assert [found.headers[name] for name in ("Content-Length", "ETag", "Last-Modified", "Content-Type")] == [
        whole.headers[name] for name in ("Content-Length", "ETag", "Last-Modified", "Content-Type")
    ]


def test_an_address_expires() -> None:
    clock = HandClock()
    with Emulator(clock=clock, url_ttl_s=60, size=SMALL) as emulator:
        made = recording_of(emulator, asyncio.run(stream(emulator, pictures=1)))
        clock.time += 58
        assert get(made["events_url"]).status_code == 200
        clock.time += 3
        answer = get(made["events_url"])
        assert answer.status_code == 403
        assert answer.headers["Content-Type"].startswith("application/xml")
        assert "<Code>AccessDenied</Code><Message>Request has expired</Message><Expires>" in answer.text
        again = PlainRest(emulator).get(f"/recordings/{made['stream_id']}")
        assert get(again["events_url"]).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("Expires=", "Expires=9"),
        lambda url: url.replace("Expires=", "Expires=0"),
        lambda url: url.replace("Expires=", "Expires=x"),
        lambda url: url.partition("?")[0],
        lambda url: url.replace("video.mp4", "preview.mp4"),
        lambda url: url.replace("video.mp4", "..%2F..%2Fstate.sqlite3"),
        lambda url: url.replace("Signature=", "Signature=%F0%9F%90%88"),
    ],
)
def test_an_address_that_was_changed_opens_nothing(library: Library, change: Any) -> None:
    answer = get(change(library[2]["video_url"]))
    assert answer.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in answer.text


def test_a_token_beside_the_signature_is_refused(library: Library) -> None:
    answer = get(library[2]["video_url"], Authorization="Bearer abc")
    assert answer.status_code == 400
    assert "Only one auth mechanism" in answer.text


def test_ids_cannot_be_guessed(library: Library) -> None:
    ids = [info["stream_id"] for info in library[1].get("/stream-recordings")["recordings"]]
    assert len({stream_id[:15] for stream_id in ids}) == len(ids)
    assert min(map(len, ids)) > 36


def test_a_page_of_another_origin_may_read_parts(library: Library) -> None:
    url, page = library[2]["video_url"], "http://localhost:5173"
    preflight = requests.options(
        url,
        headers={
            "Origin": page,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range,if-range",
        },
        timeout=PATIENCE_S,
    )
    assert preflight.status_code == 200
    assert {"Range", "If-Range"} <= {*preflight.headers["Access-Control-Allow-Headers"].split(", ")}
    answer = get(url, Range="bytes=0-0", Origin=page)
    assert answer.headers["Access-Control-Allow-Origin"] == page
    assert {"Content-Range", "ETag"} <= {*answer.headers["Access-Control-Expose-Headers"].split(", ")}


# Parts


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=5-5", 5, 6),
        ("bytes=10-99999999999", 10, None),
    ],
)
def test_a_part_is_the_bytes_that_were_asked_for(
    library: Library, asked: str, start: int, stop: int | None
) -> None:
    whole = get(library[2]["video_url"]).content
    answer = get(library[2]["video_url"], Range=asked)
    part = whole[start:stop]
    first = start % len(whole)
    assert answer.status_code == 206
    assert answer.content == part
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=0-1,4-5", "lines=1-2", "bytes=a-b"])
def test_a_range_that_makes_no_sense_is_passed_over(library: Library, asked: str) -> None:
    answer = get(library[2]["events_url"], Range=asked)
    assert answer.status_code == 200
    assert answer.content == get(library[2]["events_url"]).content


@pytest.mark.parametrize("asked", ["bytes=9999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(library: Library, asked: str) -> None:
    answer = get(library[2]["events_url"], Range=asked)
    size = len(get(library[2]["events_url"]).content)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert "<Code>InvalidRange</Code>" in answer.text


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_a_part_of_the_same_file_is_given_on_condition(library: Library, validator: str) -> None:
    url = library[2]["events_url"]
    same = {"If-Range": get(url).headers[validator]}
    assert get(url, Range="bytes=3-", **same).status_code == 206


@pytest.mark.parametrize("other", ['"another"', "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense"])
def test_the_whole_is_given_when_the_file_is_another(library: Library, other: str) -> None:
    url = library[2]["events_url"]
    answer = get(url, Range="bytes=3-", **{"If-Range": other})
    assert (answer.status_code, answer.content) == (200, get(url).content)


# Downloads that go wrong


@pytest.fixture
def faulty(library: Library) -> Iterator[Library]:
    yield library
    library[0].faults.clear()


def read_into(arrived: bytearray, answer: requests.Response) -> None:
    for chunk in answer.iter_content(100):
        arrived += chunk


@pytest.mark.parametrize("action", ["truncate", "reset"])
def test_a_download_is_cut_after_so_many_bytes_and_goes_on_by_range(faulty: Library, action: str) -> None:
    emulator, _, made = faulty
    whole = get(made["video_url"]).content
    emulator.faults.add(Fault(step="artifact", action=action, after_bytes=1000))
    arrived = bytearray()
    with requests.get(made["video_url"], stream=True, timeout=PATIENCE_S) as answer:
        assert int(answer.headers["Content-Length"]) == len(whole)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            read_into(arrived, answer)
    assert arrived == whole[: len(arrived)]
    assert len(arrived) == 1000 or (action == "reset" and len(arrived) < 1000)
    assert arrived + get(made["video_url"], Range=f"bytes={len(arrived)}-").content == whole


def test_a_download_hangs_after_so_many_bytes(faulty: Library) -> None:
    emulator, _, made = faulty
    emulator.faults.add(Fault(step="artifact", action="hang", after_bytes=500))
    url = urlsplit(made["video_url"])
    with contextlib.closing(http.client.HTTPConnection(url.netloc, timeout=PATIENCE_S)) as connection:
        connection.request("GET", f"{url.path}?{url.query}")
        answer = connection.getresponse()
        assert len(answer.read(500)) == 500
        connection.sock.settimeout(0.3)  # only now: the bytes that must come have all the time that they need
        with pytest.raises(TimeoutError):
            answer.read(1)


def test_a_download_drips_and_is_whole_in_the_end(faulty: Library) -> None:
    emulator, _, made = faulty
    whole = get(made["events_url"]).content
    emulator.faults.add(Fault(step="artifact", action="drip", after_bytes=len(whole) - 5, seconds=0.001))
    assert get(made["events_url"]).content == whole


def test_a_download_fails_as_often_as_the_fault_says(faulty: Library) -> None:
    emulator, _, made = faulty
    emulator.faults.add(Fault(step="artifact", action="answer", status=503, body="<Error/>", times=2))
    emulator.faults.add(Fault(step="artifact", action="delay", seconds=0.01))
    assert [get(made["events_url"]).status_code for _ in range(3)] == [503, 503, 200]


@pytest.mark.parametrize(
    ("method", "path", "step"),
    [
        ("GET", "/recordings/a", "GET /recordings/{stream_id}"),
        ("GET", "/stream-recordings", "GET /stream-recordings"),
        ("POST", "/simulation-jobs", "POST /simulation-jobs"),
        ("GET", "/simulation-jobs", "GET /simulation-jobs"),
        ("GET", "/simulation-jobs/a", "GET /simulation-jobs/{job_id}"),
        ("DELETE", "/simulation-jobs/a", "DELETE /simulation-jobs/{job_id}"),
    ],
)
def test_each_call_can_be_made_to_fail(faulty: Library, method: str, path: str, step: str) -> None:
    faulty[0].faults.add(Fault(step=step, action="answer", status=502))
    assert faulty[1].refusal(method, path) == (502, "Injected fault")
