"""The client against recorded answers of every call and every documented failure, without a network.

Results are compared with the content of the cassette, so that one recorded from the service passes as well.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import odyssey_models as wire
import pytest
from vcr.errors import CannotOverwriteExistingCassetteException

from odyssey_proto import Odyssey, OdysseyError, OdysseyUsageError, iter_events
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._model import codec
from odyssey_proto._net.http_exchange import HttpRequest
from tests.support.apis import give_time
from tools.cassettes.plays import CUT_AT, SCRIPT
from tools.cassettes.scenes import SCENES, USAGE
from tools.cassettes.scrub import SERVICE
from tools.cassettes.stage import Stage
from tools.cassettes.tape import FOLDER, Tape, playing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "ody_of_nobody"
FAILING = [name for name, scene in SCENES.items() if scene.raises is not None]

CAUGHT: dict[str, OdysseyError] = {}
"""The errors of scenes that were played."""

pytestmark = [
    pytest.mark.usefixtures("offline"),
    pytest.mark.xdist_group("played cassettes"),  # each failure is played once
]


class Play(Protocol):
    """Plays a scene from its cassette, and returns its results."""

    def __call__(self, name: str) -> Any: ...


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    give_time(monkeypatch)  # so that every recorded call is made

    def play(name: str) -> Any:
        scene, tape = SCENES[name], Tape.read(FOLDER / f"{name}.yaml")
        with (
            playing(FOLDER / f"{name}.yaml") as cassette,
            Stage(SERVICE, scene.api_key or KEY, tmp_path, tape.given) as stage,
        ):
            try:
                return scene.play(stage)
            finally:
                left = len(cassette) - cassette.play_count
                assert left == 0, f"{left} of the recorded requests were not made"

    return play


def given(name: str) -> Any:
    return Tape.read(FOLDER / f"{name}.yaml").given


def interactions(name: str) -> list[Any]:
    return Tape.read(FOLDER / f"{name}.yaml").interactions


def told(name: str, path: str) -> Any:
    """Return the content of the last answer from ``path`` on a cassette."""
    found = [each for each in interactions(name) if urlsplit(each["request"]["uri"]).path.endswith(path)]
    return json.loads(found[-1]["response"]["body"]["string"])


def caught(play: Play, name: str) -> Any:
    """Return the error with which a scene ends; each scene is played once."""
    if name not in CAUGHT:
        with pytest.raises(OdysseyError) as failure:
            play(name)
        CAUGHT[name] = failure.value.with_traceback(None)
    return CAUGHT[name]


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_has_its_class_its_status_and_its_code(name: str, play: Play) -> None:
    scene, error = SCENES[name], caught(play, name)
    assert (type(error), error.status, error.code) == (scene.raises, scene.status, scene.code)


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_is_one_line_without_the_key(name: str, play: Play) -> None:
    text = str(caught(play, name))
    assert 10 < len(text) < 400
    assert text.isprintable()
    assert (SCENES[name].api_key or KEY) not in text


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_has_the_id_of_its_request(name: str, play: Play) -> None:
    (expected,) = interactions(name)[-1]["response"]["headers"].get("X-Request-Id", [None])
    assert caught(play, name).request_id == expected


# Usage errors


@pytest.mark.parametrize("place", ["plain", "by_code", "in_detail"])
@pytest.mark.parametrize("code", USAGE)
def test_a_usage_error_passes_on_what_the_service_reported(code: str, place: str, play: Play) -> None:
    kind, details = USAGE[code]
    error = caught(play, f"session_request_{code.lower()}_{place}")
    assert type(error) is kind
    assert error.details == details
    assert (error.action, error.action_url) == ("Do something about it", "https://example.org/usage")
    assert error.message.partition("; ")[0] == f"A limit was met: {code}"
    assert ("is freed about 40 s after" in error.message) == (code == "CONCURRENT_LIMIT_REACHED")


def test_an_unknown_limit_is_a_plain_usage_error(play: Play) -> None:
    error = caught(play, "session_request_unknown_limit")
    assert type(error) is OdysseyUsageError
    assert error.details == {"limit": 7}


def test_a_second_session_is_refused_with_the_limit(play: Play) -> None:
    assert caught(play, "session_request_second_session").details == {"active_count": 1, "limit": 1}


def test_too_many_requests_are_reported_with_the_time_to_wait(play: Play) -> None:
    error = caught(play, "session_request_too_often")
    assert error.retry_after == error.details["retry_after_seconds"] == 20
    assert error.recoverable


@pytest.mark.parametrize(("name", "recoverable"), [("no_streamers", True), ("forbidden", False)])
def test_an_error_says_whether_waiting_may_help(name: str, recoverable: bool, play: Play) -> None:
    assert caught(play, f"session_request_{name}").recoverable is recoverable


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("token_invalid_key", "Invalid API key: check api_key or ODYSSEY_API_KEY"),
        ("token_malformed_key", "Invalid API key format: "),
        ("token_suspended_account", "API key access denied: "),
        ("session_request_no_streamers", "No streamers available"),
        ("simulate_refused", "A prompt was refused by moderation"),
    ],
)
def test_a_failure_says_what_is_known(name: str, text: str, play: Play) -> None:
    assert text in str(caught(play, name))


def test_a_job_that_is_done_cannot_be_taken_back_for_the_reason_that_the_service_gives(play: Play) -> None:
    reason = told("cancel_done", given("cancel_done")["job_id"])["detail"]
    assert reason in str(caught(play, "cancel_done"))


def test_an_unknown_session_is_named(play: Play) -> None:
    assert caught(play, "session_token_unknown").session_id == "ffffffff-ffff-4fff-8fff-ffffffffffff"


# Tokens and sessions


def test_a_token_is_exchanged_for_the_key(play: Play) -> None:
    assert str(play("token")) == "REDACTED"


def test_a_token_that_is_refused_in_use_is_renewed(play: Play) -> None:
    assert play("token_renewed") == wire.StreamRecordingsList(recordings=[], total=0, limit=50, offset=0)
    requests = [each["request"]["uri"].removeprefix(SERVICE) for each in interactions("token_renewed")]
    assert requests == ["/auth/token", "/stream-recordings"] * 2


def test_a_session_is_minted(play: Play) -> None:
    credentials, _ = play("session")
    session, token = told("session", "/sessions/request"), told("session", "/sessions/token")
    assert credentials.session_id == session["session_id"]
    assert credentials.signaling_url == session["signalling_url"]
    assert credentials.capabilities.to_dict() == session["capabilities"]
    assert (credentials.session_token, credentials.expires_in) == (token["session_token"], token["expires_in"])
    assert not credentials.is_expired


def test_its_ice_servers_are_asked_for(play: Play) -> None:
    _, servers = play("session")
    assert [server.urls for server in servers] == [
        each["urls"] for each in told("session", "/config")["iceServers"]
    ]


def test_all_regions_are_pinged_before_a_session_is_requested(play: Play) -> None:
    play("session")
    regions = told("session", "/regions")["regions"]
    made = [each["request"] for each in interactions("session")]
    asked = next(number for number, each in enumerate(made) if each["uri"].endswith("/sessions/request"))
    assert {each["ping_url"] for each in regions} <= {each["uri"] for each in made[:asked]}
    assert set(json.loads(made[asked]["body"])["region_latencies"]) == {each["id"] for each in regions}


def test_without_regions_a_session_is_requested_all_the_same(play: Play) -> None:
    assert play("session_without_regions").session_id


def test_turn_servers_come_with_what_opens_them(play: Play) -> None:
    session, (stun, turn) = play("session_with_turn")
    assert session == wire.SessionResponse(
        session_id="00000000-0000-4000-8000-000000000001",
        signalling_url="wss://api.odyssey.ml/signaling",
        capabilities=wire.StreamerCapabilities(image_to_video=True),
        streamer_id="streamer-1",
        model="odyssey-emulator",
    )
    assert (stun.username, stun.credential) == (None, None)
    assert turn.urls == ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349"]
    assert (turn.username, turn.credential) == ("REDACTED", "REDACTED")


def test_telemetry_is_taken_without_a_token(play: Play) -> None:
    play("telemetry")
    assert [each["request"]["headers"].get("Authorization") for each in interactions("telemetry")] == [None] * 2


# Recordings


@pytest.mark.parametrize("name", ["recording", "recording_asked_again"])
def test_a_recording_has_an_address_for_each_artifact(name: str, play: Play) -> None:
    recording = play(name)
    assert isinstance(recording, wire.Recording)
    assert recording.stream_id == given(name)["stream_id"]
    assert codec.to_dict(recording) == told(name, recording.stream_id)
    for artifact in ("video", "events", "thumbnail", "preview"):
        assert getattr(recording, f"{artifact}_url").startswith("https://")


@pytest.mark.parametrize("name", ["recordings", "recordings_page"])
def test_recordings_are_listed(name: str, play: Play) -> None:
    page = play(name)
    assert isinstance(page, wire.StreamRecordingsList)
    assert codec.to_dict(page) == told(name, "/stream-recordings")
    assert page.recordings


def test_the_newest_recordings_come_first(play: Play) -> None:
    assert given("recordings")["stream_id"] in [each.stream_id for each in play("recordings").recordings[:2]]


def test_a_page_of_recordings_is_the_one_that_was_asked_for(play: Play) -> None:
    page = play("recordings_page")
    assert (len(page.recordings), page.limit, page.offset) == (1, 1, 1)


def test_pages_of_recordings_follow_each_other(play: Play) -> None:
    assert len({each.stream_id for each in play("recordings_all")}) == 2


# Files


@pytest.mark.parametrize("name", ["download", "download_with_a_fresh_address"])
def test_a_file_is_fetched_from_its_signed_address(name: str, play: Play) -> None:
    fetched = play(name)
    assert fetched.decode() == interactions(name)[-1]["response"]["body"]["string"]
    assert all("type" in event for event in iter_events(fetched.splitlines()))


def test_an_expired_address_is_requested_again(play: Play) -> None:
    play("download_with_a_fresh_address")
    statuses = [each["response"]["status"]["code"] for each in interactions("download_with_a_fresh_address")]
    assert statuses == [200, 200, 403, 200, 200]


def test_no_token_goes_to_a_signed_address(play: Play) -> None:
    play("download")
    url = told("download", given("download")["stream_id"])["events_url"]
    (fetched,) = [each["request"] for each in interactions("download") if each["request"]["uri"] == url]
    assert "Authorization" not in fetched["headers"]


def test_a_download_goes_on_where_it_was_cut(play: Play) -> None:
    whole, resumed = play("download_after_a_cut")
    assert resumed == whole
    last = interactions("download_after_a_cut")[-1]
    assert last["request"]["headers"]["Range"] == [f"bytes={CUT_AT}-"]
    assert last["response"]["status"]["code"] == 206
    assert last["response"]["body"]["string"].encode() == whole[CUT_AT:]


def test_a_part_of_a_video_is_fetched(play: Play) -> None:
    beginning = play("download_beginning_of_video")
    assert (len(beginning), beginning[4:8]) == (32, b"ftyp")


def test_a_range_beyond_the_end_is_reported_as_such(play: Play) -> None:
    assert play("download_beyond_the_end") == 416


# Simulations


def test_a_job_is_made_looked_at_and_taken_back(play: Play) -> None:
    made, found, active, taken_back, cancelled = play("simulation_taken_back")
    assert isinstance(made, wire.SimulationJobDetail)
    assert made.status in ("pending", "dispatched")
    assert found.job_id == made.job_id
    assert [job.job_id for job in active.jobs] == [made.job_id]
    assert isinstance(taken_back, wire.SimulationJobInfo)
    assert (taken_back.job_id, taken_back.status) == (made.job_id, "cancelled")
    assert [job.job_id for job in cancelled.jobs] == [made.job_id]


@pytest.mark.parametrize("name", ["simulate_several_scripts", "simulate_script_url"])
def test_a_job_can_be_made_of_other_sources(name: str, play: Play) -> None:
    job = play(name)
    assert (job.status, job.streams) == ("pending", [])


def test_a_completed_job_has_a_stream_for_each_script(play: Play) -> None:
    job = play("simulation")
    assert job.job_id == given("simulation")["job_id"]
    assert job.status is wire.SimulationJobStatus.COMPLETED
    assert [stream.script_index for stream in job.streams] == [0, 1]
    assert job.streams[0].stream_id == given("simulation")["stream_id"]
    assert job.streams[0].video_url.startswith("https://")
    assert job.created_at <= job.dispatched_at <= job.started_at <= job.completed_at


def test_jobs_are_listed(play: Play) -> None:
    page = play("simulations")
    assert isinstance(page, wire.SimulationJobsList)
    assert given("simulations")["job_id"] in [job.job_id for job in page.jobs]
    assert (page.total, page.limit, page.offset) == tuple(
        told("simulations", "/simulation-jobs")[name] for name in ("total", "limit", "offset")
    )


def test_pages_of_jobs_follow_each_other(play: Play) -> None:
    assert [job.job_id for job in play("simulations_all")] == [given("simulations_all")["job_id"]]


# How they are played


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("simulation_unknown", lambda client: client.cancel_simulation("ffffffff-ffff-4fff-8fff-ffffffffffff")),
        ("recording_unknown", lambda client: client.get_recording("another")),
        ("recordings_page", lambda client: client.list_stream_recordings(limit=2, offset=1)),
        ("recordings", lambda client: client.list_stream_recordings(limit=50)),
        ("simulate_refused", lambda client: client.simulate(script=SCRIPT[:1], portrait=False)),
    ],
    ids=["method", "path", "query", "no query", "body"],
)
def test_a_request_that_is_not_on_the_cassette_raises(name: str, call: Callable[[Odyssey], object]) -> None:
    with (
        playing(FOLDER / f"{name}.yaml"),
        Odyssey(KEY, api_url=SERVICE) as client,
        pytest.raises(CannotOverwriteExistingCassetteException),
    ):
        call(client)


def get(url: str, headers: dict[str, str]) -> HttpRequest:
    identity = {"Accept-Encoding": "identity"}
    return HttpRequest(operation="download", method="GET", url=url, headers=identity | headers)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-32"}, {"Range": "bytes=0-31", "If-Range": '"1"'}])
def test_another_range_is_not_on_the_cassette(headers: dict[str, str], tmp_path: Path) -> None:
    name = "download_beginning_of_video"
    with playing(FOLDER / f"{name}.yaml"), Stage(SERVICE, KEY, tmp_path, given(name)) as stage:
        url = stage.client().get_recording(given(name)["stream_id"]).video_url
        assert url is not None
        http = stage.api().http
        with http.call(Deadline(10, MonotonicClock())) as call:
            response, _ = http.send(get(url, {"Range": "bytes=0-31"}), call)
            assert response.status_code == 206
        with (
            http.call(Deadline(10, MonotonicClock())) as call,
            pytest.raises(CannotOverwriteExistingCassetteException),
        ):
            http.send(get(url, headers), call)


def test_another_host_is_not_on_the_cassette() -> None:
    with (
        playing(FOLDER / "token.yaml"),
        Odyssey(KEY, api_url="https://api.example.org") as client,
        pytest.raises(CannotOverwriteExistingCassetteException),
    ):
        client.list_stream_recordings()


def test_the_network_is_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        with pytest.raises(Exception, match=r"socket\.connect") as connecting:
            client.connect(server.getsockname())
        with pytest.raises(Exception, match=r"socket\.getaddrinfo"):
            socket.getaddrinfo("api.odyssey.ml", 443)
    assert type(connecting.value).__name__ == "NetworkIsOffError"


def test_without_a_cassette_the_client_meets_the_network_that_is_off() -> None:
    with (
        Odyssey(KEY, api_url="http://127.0.0.1:9") as client,
        pytest.raises(Exception, match=r"^socket\."),
    ):
        client.list_stream_recordings()
