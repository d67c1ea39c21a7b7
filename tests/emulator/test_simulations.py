"""Simulation jobs, created, polled and cancelled with requests; PyAV checks their artifacts."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from odyssey_proto._video import stamp
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator
from tests.support.plain_rest import PlainRest, events_of, frames_of, get, script, until
from tests.support.worlds import GATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = script(length_ms=500_000)
"""A job too long for any machine to film during a test."""
SMALL = (640, 512)
"""Size of pictures that take a third of the CPU, and have room for their stamp in portrait, too."""

pytestmark = pytest.mark.xdist_group("simulations")  # one emulator for most


def _processes() -> set[int]:
    return {
        int(child)
        for task in Path("/proc/self/task").iterdir()
        for child in _text(task / "children").split()
        if "odyssey_proto.emulator._jobs.worker" in _text(Path(f"/proc/{child}/cmdline"))
    }


def _text(file: Path) -> str:
    """Return the content of ``file``, or nothing if its thread or process has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return file.read_text()
    return ""


@pytest.fixture
def workers() -> Callable[[], list[int]]:
    """Return a function that lists the worker processes that a test's emulators have started."""
    others = _processes()
    return lambda: sorted(_processes() - others)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(size=SMALL) as running:
        yield running


@pytest.fixture(scope="module")
def rest(emulator: Emulator) -> PlainRest:
    return PlainRest(emulator)


@pytest.fixture
def idle() -> Iterator[PlainRest]:
    """An account of an emulator without workers."""
    with Emulator(simulation_workers=0) as running:
        yield PlainRest(running)


# The life of a job


def test_a_new_job_waits(idle: PlainRest) -> None:
    answer = idle.call("POST", "/simulation-jobs", json={"portrait": True, "script": script()})
    job = answer.json()
    assert answer.status_code == 200
    assert (job["status"], job["priority"], job["streams"], job["retry_count"]) == ("pending", "normal", [], 0)
    assert [job[name] for name in ("dispatched_at", "started_at", "completed_at", "assigned_region")] == [None] * 4


def test_a_job_is_completed_with_a_stream_and_all_its_times(rest: PlainRest) -> None:
    job = rest.completed(script=script(length_ms=1000))
    times = [job[name] for name in ("created_at", "dispatched_at", "started_at", "completed_at")]
    assert times == sorted(times)
    assert (job["assigned_region"], job["estimated_wait_minutes"], job["error_message"]) == ("us-west", None, None)
    (made,) = job["streams"]
    assert (made["frame_count"], made["duration_seconds"], made["script_index"]) == (20, 1.0, 0)
    still = Image.open(io.BytesIO(get(made["thumbnail_url"]).content))
    assert (still.format, still.size) == ("JPEG", (320, 256))
    assert len(frames_of(made["preview_url"])) == 10


def test_every_picture_is_in_the_video_in_its_order(rest: PlainRest) -> None:
    (made,) = rest.completed(script=script(length_ms=1000), portrait=True)["streams"]
    frames = frames_of(made["video_url"])
    assert {frame.shape for frame in frames} == {(640, 512, 3)}
    stamps = [stamp.read(frame) for frame in frames]
    assert stamps == [stamp.Stamp(number, number * 50) for number in range(20)]


def test_an_interaction_changes_the_picture_at_its_time(rest: PlainRest) -> None:
    (made,) = rest.completed(script=script("A sunny day", (500, "A dark night"), length_ms=1000))["streams"]
    light = [frame[100:].mean() for frame in frames_of(made["video_url"])]
    assert min(light[:10]) > max(light[10:])


def test_the_log_is_the_script_with_the_prompts_as_they_were_applied(rest: PlainRest) -> None:
    (made,) = rest.completed(script=script("A cat", (100, "It sleeps"), (500, "It rains")))["streams"]
    events = events_of(made["events_url"])
    assert [(event["timestamp_ms"], event["type"], event.get("prompt")) for event in events] == [
        (0, "start", "A cat"),
        (100, "interact", "It sleeps"),
        (500, "interact", "It rains"),
        (500, "end", None),
    ]
    assert events[0]["applied_prompt"].startswith("A cat. ")


def test_prompts_can_be_taken_as_they_are(rest: PlainRest) -> None:
    (made,) = rest.completed(script=script(), output_video=False, bypass_vlm_expansion=True)["streams"]
    assert events_of(made["events_url"])[0]["applied_prompt"] == "A cat"


def test_the_same_script_gives_the_same_video(rest: PlainRest) -> None:
    first, second = (rest.completed(script=script())["streams"][0] for _ in range(2))
    assert get(first["video_url"]).content == get(second["video_url"]).content


def test_a_job_without_a_video_keeps_the_log_only(rest: PlainRest) -> None:
    (made,) = rest.completed(script=script(), output_video=False)["streams"]
    assert [made[name] for name in ("video_url", "thumbnail_url", "preview_url")] == [None] * 3
    assert (made["events_url"] is not None, made["frame_count"], made["duration_seconds"]) == (True, 0, 0.5)


def test_each_script_of_a_batch_makes_its_streams(rest: PlainRest) -> None:
    twice = [
        *script("A fox"),
        {"timestamp_ms": 700, "start": {"prompt": "An owl"}},
        {"timestamp_ms": 900, "end": {}},
    ]
    job = rest.completed(scripts=[script("A cat"), twice, script("A dog")], output_video=False)
    made = [(found["script_index"], found["duration_seconds"]) for found in job["streams"]]
    assert made == [(0, 0.5), (1, 0.5), (1, 0.2), (2, 0.5)]
    prompts = [events_of(found["events_url"])[0]["prompt"] for found in job["streams"]]
    assert prompts == ["A cat", "A fox", "An owl", "A dog"]


def test_a_script_without_an_end_goes_on_for_a_while(rest: PlainRest) -> None:
    (made,) = rest.completed(script=script()[:1], output_video=False)["streams"]
    assert made["duration_seconds"] == 3


def test_a_stream_of_a_job_is_a_recording(rest: PlainRest) -> None:
    (made,) = rest.completed(script=script(), output_video=False)["streams"]
    recording = rest.get(f"/recordings/{made['stream_id']}")
    assert recording["duration_seconds"] == 0.5
    assert events_of(recording["events_url"]) == events_of(made["events_url"])
    assert rest.get("/stream-recordings", limit=1)["recordings"][0]["stream_id"] == made["stream_id"]


def test_a_stream_that_is_being_filmed_has_no_addresses() -> None:
    with Emulator() as emulator:
        rest = PlainRest(emulator)
        job_id = rest.simulate(script=LONG)
        (made,) = until(lambda: rest.job(job_id)["streams"])
        assert [made[name] for name in ("video_url", "events_url", "frame_count")] == [None] * 3
        assert rest.get(f"/recordings/{made['stream_id']}")["video_url"] is None


def test_a_stream_may_start_from_an_image(rest: PlainRest) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (250, 20, 20)).save(buffer, "PNG")
    image = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    (made,) = rest.completed(script=script("A cat", image=image))["streams"]
    red, green, blue = frames_of(made["video_url"])[0][100:400].mean(axis=(0, 1))
    assert red > 150 > max(green, blue)


# Valid and invalid requests

ENTRY = {"timestamp_ms": 0, "start": {"prompt": "A cat"}}


@pytest.mark.parametrize(
    ("body", "issues"),
    [
        ({}, [(["body", "portrait"], "missing"), (["body"], "value_error")]),
        ([], [(["body"], "model_attributes_type")]),
        ({"portrait": True}, [(["body"], "value_error")]),
        ({"portrait": True, "script": [ENTRY], "script_url": "http://a"}, [(["body"], "value_error")]),
        ({"portrait": "yes", "script": [ENTRY]}, [(["body", "portrait"], "bool_type")]),
        ({"portrait": True, "output_video": 1, "script": [ENTRY]}, [(["body", "output_video"], "bool_type")]),
        ({"portrait": True, "script": None}, [(["body", "script"], "list_type")]),
        ({"portrait": True, "script": []}, [(["body", "script"], "too_short")]),
        ({"portrait": True, "script": [3]}, [(["body", "script", 0], "model_attributes_type")]),
        ({"portrait": True, "scripts": [ENTRY]}, [(["body", "scripts", 0], "list_type")]),
        ({"portrait": True, "scripts": []}, [(["body", "scripts"], "too_short")]),
        ({"portrait": True, "script": [{}]}, [(["body", "script", 0, "timestamp_ms"], "missing")]),
        (
            {"portrait": True, "scripts": [[ENTRY, {"timestamp_ms": -1}]]},
            [(["body", "scripts", 0, 1, "timestamp_ms"], "greater_than_equal")],
        ),
        (
            {"portrait": True, "script": [{"timestamp_ms": True}, {"timestamp_ms": "0"}]},
            [
                (["body", "script", 0, "timestamp_ms"], "float_type"),
                (["body", "script", 1, "timestamp_ms"], "float_type"),
            ],
        ),
        (
            {"portrait": True, "script": [{"timestamp_ms": 0, "start": {}, "interact": {"prompt": 3}, "end": 1}]},
            [
                (["body", "script", 0, "start", "prompt"], "missing"),
                (["body", "script", 0, "interact", "prompt"], "string_type"),
                (["body", "script", 0, "end"], "model_attributes_type"),
            ],
        ),
        (
            {"portrait": True, "script": [{"timestamp_ms": 0, "start": {"prompt": "", "image": "cat.jpg"}}]},
            [(["body", "script", 0, "start", "image"], "string_pattern_mismatch")],
        ),
        ({"portrait": True, "script_url": ""}, [(["body", "script_url"], "string_too_short")]),
        ({"portrait": True, "script_url": 3}, [(["body", "script_url"], "string_type")]),
    ],
)
def test_a_request_of_another_shape_is_refused_with_every_place(
    idle: PlainRest, body: Any, issues: list[Any]
) -> None:
    status, detail = idle.refusal("POST", "/simulation-jobs", json=body)
    assert (status, [(issue["loc"], issue["type"]) for issue in detail]) == (422, issues)
    assert idle.get("/simulation-jobs")["total"] == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "missing"),
        (b"{", "json_invalid"),
        (b"\xff", "json_invalid"),
        (b'{"portrait": NaN}', "json_invalid"),
        (b"[" * 100_000, "json_invalid"),
    ],
)
def test_a_body_that_is_no_json_is_refused(idle: PlainRest, body: bytes, kind: str) -> None:
    status, (issue,) = idle.refusal("POST", "/simulation-jobs", data=body)
    assert (status, issue["type"]) == (422, kind)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([{"timestamp_ms": 0}], "starts no stream"),
        ([{"timestamp_ms": 0, "end": {}}], "entry 0: end without a stream"),
        ([{"timestamp_ms": 0, "interact": {"prompt": "A cat"}}], "entry 0: interact without a stream"),
        ([ENTRY, ENTRY], "entry 1: a stream is already running"),
        (
            [{"timestamp_ms": 9, "start": {"prompt": "A cat"}}, {"timestamp_ms": 8, "end": {}}],
            "goes back from 9 to 8",
        ),
        ([ENTRY, {"timestamp_ms": 10**30, "end": {}}], "longer than 600 s"),
        ([{"timestamp_ms": 0, "start": {"prompt": "Something forbidden"}}], "moderation"),
        (script(image="data:image/png;base64,AAAA"), "Script 0: the image cannot be read"),
        (script(image="data:"), "Script 0: the image cannot be read"),
        (script("\ud800"), "surrogates not allowed"),
    ],
)
def test_a_script_that_makes_no_sense_fails_its_job(rest: PlainRest, entries: list[Any], why: str) -> None:
    job = rest.done(rest.simulate(script=entries))
    assert job["status"] == "failed"
    assert why in job["error_message"]
    assert job["completed_at"] is not None


def test_what_was_filmed_before_a_failure_is_kept(rest: PlainRest) -> None:
    job = rest.done(rest.simulate(scripts=[script(), script(image="data:,no")], output_video=False))
    assert (job["status"], [made["script_index"] for made in job["streams"]]) == ("failed", [0])


# Scripts behind an address


@contextlib.contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/script.json"
        finally:
            server.shutdown()
            thread.join()


def test_a_script_is_fetched_from_its_address(rest: PlainRest) -> None:
    with serving(200, json.dumps(script("An owl")).encode()) as url:
        (made,) = rest.completed(script_url=url, output_video=False)["streams"]
    assert events_of(made["events_url"])[0]["prompt"] == "An owl"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"", "answered with status 404"),
        (302, b"", "answered with status 302"),
        (200, b"<html>", "is not JSON"),
        (200, b"{}", "is not a script: script: Input should be a valid list"),
        (200, b'[{"timestamp_ms": 0, "start": {}}]', "is not a script: script.0.start.prompt: Field required"),
    ],
)
def test_an_address_without_a_script_fails_the_job(rest: PlainRest, status: int, body: bytes, why: str) -> None:
    with serving(status, body) as url:
        job = rest.done(rest.simulate(script_url=url))
    assert job["status"] == "failed"
    assert why in job["error_message"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/script.json",
        "http://10.0.0.1/script.json",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "nonsense",
        "http://[::1",
    ],
)
def test_only_this_machine_is_asked_for_a_script(rest: PlainRest, url: str) -> None:
    job = rest.done(rest.simulate(script_url=url))
    assert job["status"] == "failed"
    assert "asks no other host" in job["error_message"]


def test_an_address_where_nobody_listens_fails_the_job(rest: PlainRest) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        job = rest.done(rest.simulate(script_url=f"http://127.0.0.1:{bound.getsockname()[1]}/script.json"))
    assert (job["status"], job["error_message"][:33]) == ("failed", "script_url could not be fetched: ")


# Lists and permissions


def test_jobs_are_listed_newest_first_in_pages(idle: PlainRest) -> None:
    ids = [idle.simulate(script=script()) for _ in range(23)]
    first, second = idle.get("/simulation-jobs"), idle.get("/simulation-jobs", offset=20)
    assert [job["job_id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert (first["total"], first["limit"], second["offset"]) == (23, 20, 20)


def test_jobs_are_listed_by_status_and_activity(idle: PlainRest) -> None:
    waiting, cancelled = (idle.simulate(script=script()) for _ in range(2))
    idle.call("DELETE", f"/simulation-jobs/{cancelled}")

    def found(**query: Any) -> list[str]:
        return [job["job_id"] for job in idle.get("/simulation-jobs", **query)["jobs"]]

    assert found(status="cancelled") == [cancelled]
    assert found(active="true") == found(status="pending", active="True") == [waiting]
    assert found(active="false") == [cancelled]
    assert found(status="cancelled", active=True) == found(status="unheard of") == []


def test_activity_is_yes_or_no(idle: PlainRest) -> None:
    status, (issue,) = idle.refusal("GET", "/simulation-jobs?active=perhaps")
    assert (status, issue["loc"], issue["type"]) == (422, ["query", "active"], "bool_parsing")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_job_of_another_account_is_forbidden_and_an_unknown_one_not_found(
    emulator: Emulator, rest: PlainRest, method: str
) -> None:
    job_id = rest.simulate(script=script(), output_video=False)
    stranger = PlainRest(emulator, "ody_stranger")
    assert stranger.refusal(method, f"/simulation-jobs/{job_id}")[0] == 403
    assert stranger.refusal(method, "/simulation-jobs/job-0") == (404, "Simulation job not found")
    assert stranger.get("/simulation-jobs")["total"] == 0


# Cancelling


def test_a_job_that_waits_is_cancelled(idle: PlainRest) -> None:
    job_id = idle.simulate(script=script())
    answer = idle.call("DELETE", f"/simulation-jobs/{job_id}")
    assert (answer.status_code, answer.json()["job_id"], answer.json()["status"]) == (200, job_id, "cancelled")
    assert answer.json()["completed_at"] == idle.job(job_id)["completed_at"] is not None
    assert idle.refusal("DELETE", f"/simulation-jobs/{job_id}")[0] == 400


def test_a_job_that_was_cancelled_is_not_worked_on() -> None:
    with Emulator() as emulator:
        rest = PlainRest(emulator)
        rest.in_status(rest.simulate(script=LONG), "processing")
        waiting = rest.simulate(script=script())
        assert rest.job(waiting)["estimated_wait_minutes"] > 0
        assert rest.call("DELETE", f"/simulation-jobs/{waiting}").json()["status"] == "cancelled"
        assert rest.job(waiting)["started_at"] is None


def test_a_job_that_is_processed_or_done_cannot_be_cancelled(rest: PlainRest) -> None:
    done = rest.completed(script=script(), output_video=False)["job_id"]
    with Emulator() as emulator:
        busy = PlainRest(emulator)
        processing = busy.simulate(script=LONG)
        busy.in_status(processing, "processing")
        for account, job_id, status in ((rest, done, "completed"), (busy, processing, "processing")):
            assert account.refusal("DELETE", f"/simulation-jobs/{job_id}") == (
                400,
                f"Cannot cancel a simulation job whose status is '{status}'",
            )


# Limits


def test_so_many_jobs_and_no_more_may_wait_or_run() -> None:
    with Emulator(simulation_workers=0, concurrent_simulations=2) as emulator:
        rest = PlainRest(emulator)
        first, _ = (rest.simulate(script=script()) for _ in range(2))
        status, detail = rest.refusal("POST", "/simulation-jobs", json={"portrait": True, "script": script()})
        assert (status, detail["error"]) == (429, "CONCURRENT_LIMIT_REACHED")
        assert detail["details"] == {"active_count": 2, "limit": 2}
        rest.call("DELETE", f"/simulation-jobs/{first}")
        rest.simulate(script=script())


def test_simulated_time_counts_against_the_month() -> None:
    with Emulator(monthly_hours=2 / 3600) as emulator:
        rest = PlainRest(emulator)
        rest.completed(script=script(length_ms=1500), output_video=False)
        job = rest.done(rest.simulate(script=script(length_ms=1500), output_video=False))
        assert (job["status"], job["error_message"][:17]) == ("failed", "The job is longer")
        rest.completed(script=script(length_ms=500), output_video=False)
        status, detail = rest.refusal("POST", "/simulation-jobs", json={"portrait": True, "script": script()})
        assert (status, detail["error"]) == (429, "MONTHLY_LIMIT_REACHED")


def test_without_the_privilege_no_prompt_is_taken_as_it_is() -> None:
    with Emulator(simulation_workers=0, bypass_privilege=False) as emulator:
        body = {"portrait": True, "script": script(), "bypass_vlm_expansion": True}
        assert PlainRest(emulator).refusal("POST", "/simulation-jobs", json=body)[0] == 403


def test_without_the_capability_no_job_starts_from_an_image() -> None:
    with Emulator(image_to_video=False) as emulator:
        rest = PlainRest(emulator)
        job = rest.done(rest.simulate(script=script(image="data:image/png;base64,AAAA")))
        assert (job["status"], "cannot start from an image" in job["error_message"]) == ("failed", True)


# Workers


def test_several_workers_go_through_one_queue(workers: Callable[[], list[int]]) -> None:
    with Emulator(simulation_workers=2) as emulator:
        rest = PlainRest(emulator)
        ids = [rest.simulate(script=LONG) for _ in range(3)]
        until(lambda: [rest.job(job_id)["status"] for job_id in ids] == ["processing", "processing", "pending"])
        until(lambda: len(workers()) == 2)


def test_a_job_whose_worker_died_is_run_again(
    workers: Callable[[], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GATE, str(tmp_path / "gate"))
    with Emulator(size=SMALL, world="tests.support.worlds:Gated") as emulator:
        rest = PlainRest(emulator)
        job_id = rest.simulate(script=script(length_ms=1000))
        (lost,) = until(lambda: rest.job(job_id)["streams"])
        os.kill(workers()[0], signal.SIGKILL)
        (tmp_path / "gate").touch()  # no worker can finish before this
        job = rest.done(job_id)
        assert (job["status"], job["retry_count"], len(job["streams"])) == ("completed", 1, 1)
        assert rest.refusal("GET", f"/recordings/{lost['stream_id']}")[0] == 404


def test_a_job_that_kills_every_worker_fails(workers: Callable[[], list[int]]) -> None:
    with Emulator() as emulator:
        rest = PlainRest(emulator)
        job_id = rest.simulate(script=LONG)
        for attempt in range(3):
            until(lambda attempt=attempt: (job := rest.job(job_id))["retry_count"] == attempt and job["streams"])
            os.kill(workers()[0], signal.SIGKILL)
        job = rest.done(job_id)
        assert (job["status"], job["error_message"]) == ("failed", "The worker died")


def test_a_program_without_a_python_beside_it_fails_the_job_and_starts_no_process(
    workers: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sys.executable` of a packed program is the program itself, which would be started again and again."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)  # as PyInstaller does
    with Emulator(size=SMALL) as emulator:
        rest = PlainRest(emulator)
        job = rest.done(rest.simulate(script=script()))
        assert (job["status"], job["error_message"][:24]) == ("failed", "Simulations need Python,")
        assert workers() == []


def test_nothing_is_left_when_the_emulator_stops_in_the_middle_of_a_job(workers: Callable[[], list[int]]) -> None:
    threads = {*threading.enumerate()}
    descriptors = len([*Path("/proc/self/fd").iterdir()])
    emulator = Emulator()
    with emulator:
        rest = PlainRest(emulator)
        rest.in_status(rest.simulate(script=LONG), "processing")
        until(lambda: len(workers()) == 1)
    assert workers() == []
    until(lambda: {*threading.enumerate()} <= threads)
    assert len([*Path("/proc/self/fd").iterdir()]) <= descriptors


def test_asking_for_a_job_can_be_made_to_fail(emulator: Emulator, rest: PlainRest) -> None:
    job_id = rest.simulate(script=script(), output_video=False)
    emulator.faults.add(Fault(step="GET /simulation-jobs/{job_id}", action="answer", status=503, after=1))
    assert [rest.call("GET", f"/simulation-jobs/{job_id}").status_code for _ in range(3)] == [200, 503, 200]
