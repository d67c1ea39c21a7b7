"""Live cassettes: a session is recorded, and replayed to our client in full, cut off, and with other requests."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import signal
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import requests

from odyssey_proto import (
    BroadcastReady,
    CassetteError,
    ConnectionStatus,
    Odyssey,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyStreamError,
    SessionStats,
)
from odyssey_proto._base.secrets import forms
from odyssey_proto._model import cassette
from odyssey_proto.emulator import Emulator, Fault, SeenStream
from odyssey_proto.emulator._stream.camera import PictureTrack
from tests.support.cassettes import NOON, START, film, messages_in, records_in
from tests.support.live import lose, number_of, take
from tests.support.processes import PATIENCE_S, eventually, script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto import Session
    from tests.conftest import Background, MakeClient, MakeEmulator

FRAMES = 15


@attrs.frozen
class Recorded:
    """A cassette of one stream, and facts about the recorded session."""

    path: Path
    codec: str
    numbers: list[int]
    stream: SeenStream
    secrets: set[str]


def _record(codec: Any, folder: Path) -> Recorded:
    path = folder / f"{codec}.cast"
    with (
        Emulator(codec=codec, record=False, size=(512, 64)) as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url) as client,
        client.connect(timeout=PATIENCE_S) as session,
    ):
        numbers = film(session, path, frames=FRAMES, portrait=False)
        return Recorded(path, codec, numbers, emulator.sessions[0].streams[0], {*_secrets(emulator)})


@pytest.fixture(scope="module")
def of_h264(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return _record("h264", tmp_path_factory.mktemp("cassettes"))


@pytest.fixture(scope="module")
def of_vp8(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return _record("vp8", tmp_path_factory.mktemp("cassettes"))


@pytest.fixture
def path(of_h264: Recorded) -> Path:
    return of_h264.path


@pytest.fixture(params=["of_h264", "of_vp8"])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    found: Recorded = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def pictures_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replay report the end of a stream later: on a busy machine, the report overtakes the last pictures."""
    monkeypatch.setattr("odyssey_proto.emulator._replay.streamer._SETTLED_AFTER_S", 2.0)


def _secrets(emulator: Emulator) -> Iterator[str]:
    for seen in emulator.requests:
        for body in (seen.body, seen.answer):
            data = json.loads(body) if body else {}
            yield from (data[name] for name in ("access_token", "session_token", "api_key") if name in data)
    for message in emulator.messages:
        for line in str(message.json().get("sdp", "")).splitlines():
            if line.startswith(("a=ice-pwd:", "a=fingerprint:")):
                yield line.partition(":")[2]


def watch(session: Session, count: int) -> tuple[list[int], str]:
    """Repeat the recorded calls with other prompts; return the numbers of the pictures and the applied prompt."""
    pictures = session.frames(queue_size=1000, timeout=PATIENCE_S)
    session.start_stream("Another prompt", portrait=False, timeout=PATIENCE_S)
    numbers = [number_of(frame) for frame in take(pictures, count)]
    applied = session.interact("Another change", timeout=PATIENCE_S)
    return numbers + [number_of(frame) for frame in take(pictures, count)], applied


def test_a_cassette_has_no_secret_and_what_went_over_the_wire(recorded: Recorded) -> None:
    path, stream, secrets = recorded.path, recorded.stream, recorded.secrets
    written = path.read_bytes()
    assert len(secrets) >= 5
    assert [secret for secret in secrets if any(form.encode() in written for form in forms(secret))] == []
    records = records_in(path)
    assert records[0][0]["made_by"].startswith("odyssey-proto/")
    assert (records[-1][0]["kind"], records[-1][0]["dropped"]) == ("end", 0)
    assert [head["at_ms"] for head, _ in records] == sorted(head["at_ms"] for head, _ in records)
    sent = messages_in(path, "client", "clientToStreamer")
    assert [message["type"] for message in sent] == [
        "interactive_stream_start",
        "update",
        "interactive_stream_end",
    ]
    assert (sent[0]["prompt"], sent[1]["prompt"]) == (START, NOON)
    started, acknowledged, _ = messages_in(path, "service", "streamerToClient")
    assert (started["stream_id"], started["applied_prompt"]) == (stream.stream_id, stream.applied_prompt)
    assert acknowledged["type"] == "update_acknowledged"
    assert "a=rtpmap" in messages_in(path, "service", "signaling")[0]["sdp"]
    calls = [(head["method"], head["path"]) for head, _ in records if head["kind"] == "call"]
    assert ("POST", "/sessions/request") in calls
    frames = [head for head, _ in records if head["kind"] == "frame"]
    assert {head["codec"] for head in frames} == {recorded.codec}
    assert frames[0]["key"]


@pytest.mark.parametrize(("name", "pace"), [("of_h264", 1), ("of_h264", math.inf), ("of_vp8", math.inf)])
def test_a_cassette_is_replayed_picture_by_picture(
    request: pytest.FixtureRequest,
    name: str,
    pace: float,
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    tmp_path: Path,
) -> None:
    recorded: Recorded = request.getfixturevalue(name)
    path = recorded.path
    emulator = make_emulator(replay=path, pace=pace)
    with (
        make_client(emulator).connect(timeout=PATIENCE_S) as session,
        session.capture(tmp_path / "again") as again,
    ):
        seen, applied = watch(session, FRAMES)
        assert seen == recorded.numbers
        assert session.stream_id == recorded.stream.stream_id
        assert applied == messages_in(path, "service", "streamerToClient")[1]["prompt"]
        stats: SessionStats = session.stats()
        assert (stats.codec or "").lower() == recorded.codec
        session.end_stream(timeout=PATIENCE_S)
        with pytest.raises(OdysseyStreamError, match="no further stream"):
            session.start_stream("A third")
        again.close()
    assert emulator.prompts == ("Another prompt", "Another change", "A third")
    # The recorded pictures are sent unchanged, unless the loss of a packet required another keyframe.
    first = [record for record in records_in(path) if record[0]["kind"] == "frame"][: FRAMES * 2]
    second = [record for record in records_in(tmp_path / "again") if record[0]["kind"] == "frame"][: FRAMES * 2]
    is_original = [again == payload for (_, payload), (_, again) in zip(first, second, strict=True)]
    left_at = [place for place, (was, now) in enumerate(itertools.pairwise(is_original), 1) if was and not now]
    assert is_original[0]
    assert len(left_at) <= stats.keyframes_requested
    assert all(second[place][0]["key"] for place in left_at)


def test_a_client_that_takes_another_codec_gets_the_same_pictures(
    recorded: Recorded, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    other: Any = "vp8" if recorded.codec == "h264" else "h264"
    emulator = make_emulator(replay=recorded.path, pace=math.inf)
    with make_client(emulator, codec=other).connect(timeout=PATIENCE_S) as session:
        assert watch(session, FRAMES)[0] == recorded.numbers


def test_a_client_may_ask_otherwise(path: Path, make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    emulator = make_emulator(replay=path, pace=math.inf)
    with make_client(emulator).connect(timeout=PATIENCE_S) as session:
        session.start_stream()
        with pytest.raises(OdysseyStreamError):
            session.start_stream()
        session.end_stream(timeout=PATIENCE_S)  # earlier than recorded, and without the recorded update
        assert session.stream_id is None
        session.end_stream()
    (seen,) = emulator.sessions
    assert [(stream.interactions, stream.ended) for stream in seen.streams] == [((), "requested")]
    # Each session gets the tape from its beginning.
    with make_client(emulator).connect(timeout=PATIENCE_S) as session:
        session.start_stream()
        session.interact("Now")
        with pytest.raises(OdysseyStreamError, match="no further update"):
            session.interact("And now")


@pytest.mark.usefixtures("pictures_arrive")
def test_what_a_client_does_not_ask_is_left_out(
    path: Path, make_emulator: MakeEmulator, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odyssey_proto.emulator._replay.streamer._ASKS_WITHIN_S", 0.0)
    emulator = make_emulator(replay=path, pace=math.inf)
    with make_client(emulator).connect(timeout=PATIENCE_S) as session:
        pictures = session.frames(queue_size=1000)
        session.start_stream()
        assert len([*pictures]) > FRAMES  # up to the end of the tape, which ends the stream
        assert session.stream_id is None
        assert session.is_connected


def test_a_cassette_that_was_cut_off_is_replayed_up_to_there(
    path: Path, tmp_path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    cut = tmp_path / "cut.cast"
    cut.write_bytes(path.read_bytes()[:-20])  # in the middle of the last record, which marks the end
    with make_client(make_emulator(replay=cut, pace=math.inf)).connect(timeout=PATIENCE_S) as session:
        assert len(watch(session, FRAMES)[0]) == 2 * FRAMES


def test_the_last_picture_before_a_cut_is_shown(
    path: Path, tmp_path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    cut = tmp_path / "cut.cast"
    kept = bytearray(cassette.BEGINNING)
    pictures = 0
    for head, payload in records_in(path):
        pictures += head["kind"] == "frame"
        kept += cassette.encode(head, payload)
        if pictures == 5:
            break
    cut.write_bytes(kept)

    def shown() -> int:
        with make_client(make_emulator(replay=cut)).connect(timeout=PATIENCE_S) as session:
            frames = session.frames(queue_size=100, timeout=PATIENCE_S)
            session.start_stream("A cat", portrait=False, timeout=PATIENCE_S)
            return sum(1 for _ in frames)

    # A busy machine may decode the last picture too late, but not each of five times.
    assert any(shown() == pictures for _ in range(5))


def test_a_client_that_lost_its_connection_goes_on_where_the_tape_is(
    path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(replay=path)
    with make_client(emulator).connect(timeout=PATIENCE_S) as session:
        pictures = session.frames(queue_size=1000, timeout=PATIENCE_S)
        session.start_stream()
        before = [number_of(frame) for frame in take(pictures, FRAMES)]
        emulator.faults.add(Fault(step="media", action="delay", seconds=1, times=None))  # few pictures are left
        lose(emulator, session)
        emulator.faults.clear()
        again = session.frames(timeout=PATIENCE_S)  # of the new connection; the old one's are ignored by now
        assert number_of(next(again)) > before[-1]
        assert emulator.sessions[0].connections >= 2  # a busy machine may lose the second connection, too


def test_a_keyframe_that_the_tape_does_not_have_is_made(
    of_h264: Recorded, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(replay=of_h264.path, pace=math.inf)
    with make_client(emulator).connect(timeout=PATIENCE_S) as session:
        pictures = session.frames(queue_size=1000, timeout=PATIENCE_S)
        session.start_stream()
        numbers = [number_of(frame) for frame in take(pictures, FRAMES)]
        link = session._driver.link()
        assert link is not None
        link.ask_for_keyframe()
        session.interact("Go on", timeout=PATIENCE_S)
        numbers += [number_of(frame) for frame in take(pictures, FRAMES)]
        assert numbers == of_h264.numbers
        assert session.stats().keyframes_requested >= 1  # more if no picture came for 1 s, on a slow machine


def test_faults_befall_a_replay_too(path: Path, make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    emulator = make_emulator(replay=path, pace=math.inf)
    emulator.faults.add(Fault(step="stream start", action="stream_error", reason="moderation"))
    with (
        make_client(emulator).connect(timeout=PATIENCE_S) as session,
        pytest.raises(OdysseyStreamError, match="moderation"),
    ):
        session.start_stream()


@pytest.mark.usefixtures("signaling_comes_first")
def test_the_end_of_a_session_by_the_service_is_replayed(
    tmp_path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    path = tmp_path / "limit.cast"
    first = make_emulator()
    with make_client(first).connect(timeout=PATIENCE_S) as session, session.capture(path) as capture:
        pictures = session.frames(timeout=PATIENCE_S)
        session.start_stream("A ship", broadcast=True)
        session.wait_for_broadcast(timeout=PATIENCE_S)
        next(pictures)
        first.faults.add(Fault(step="stream update", action="error", reason="duration_limit_reached"))
        with pytest.raises(OdysseyStreamError):
            session.interact("Night", timeout=PATIENCE_S)
        with pytest.raises(OdysseyConnectionError) as then:
            session.wait(timeout=PATIENCE_S)
        eventually(lambda: not capture.is_capturing)
    second = make_emulator(replay=path)
    client = make_client(second)
    with client.connect(timeout=PATIENCE_S) as session:
        happening = session.events(timeout=PATIENCE_S)
        session.start_stream("A ship", broadcast=True)
        info = next(event.info for event in happening if isinstance(event, BroadcastReady))
        assert info.webrtc_url is not None
        assert info.webrtc_url.startswith(second.api_url)
        with pytest.raises(OdysseyStreamError):
            session.interact("Night", timeout=PATIENCE_S)
        with pytest.raises(OdysseyConnectionError) as now:
            session.wait(timeout=PATIENCE_S)
    assert (now.value.code, str(now.value)) == (then.value.code, str(then.value))
    assert session.status is ConnectionStatus.FAILED
    assert second.sessions[0].ended == "duration_limit_reached"


def of_a_broadcast(path: Path, changed: Path) -> Path:
    """Write a copy of a cassette in which the stream is also a broadcast, with an id that fits into no URL."""
    with changed.open("wb") as file:
        file.write(cassette.BEGINNING)
        for head, payload in records_in(path):
            said = json.loads(payload) if head["kind"] == "message" else {}
            if said.get("type") == "interactive_stream_start":
                payload = json.dumps({**said, "broadcast": True}).encode()
            elif said.get("type") == "stream_started":
                payload = json.dumps({**said, "stream_id": "../a?b"}).encode()
            file.write(cassette.encode(head, payload))
            if said.get("type") == "stream_started":
                file.write(cassette.encode(head, b'{"type": "broadcast_ready"}'))
                longest = {"type": "update_acknowledged", "prompt": "longer than any client takes" * 20_000}
                file.write(cassette.encode(head, json.dumps(longest).encode()))
    return changed


def test_the_broadcast_of_a_replay_ends_even_if_its_client_leaves_first(
    path: Path,
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    in_background: Background,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def wait(_: PictureTrack) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(PictureTrack, "drain", wait)
    monkeypatch.setattr("odyssey_proto.emulator._session.streamer._SENT_WITHIN_S", PATIENCE_S)
    emulator = make_emulator(replay=of_a_broadcast(path, tmp_path / "broadcast.cast"))
    session = make_client(emulator).connect(timeout=PATIENCE_S)
    session.start_stream(broadcast=True, timeout=PATIENCE_S)
    info = session.wait_for_broadcast(timeout=PATIENCE_S)
    ending = in_background(session.end_stream, timeout=PATIENCE_S)
    eventually(lambda: emulator.sessions[0].streams[0].ended)
    session.disconnect()
    assert ending.exception(PATIENCE_S) is not None
    whep = f"{info.webrtc_url}/whep?token={info.spectator_token}"
    # A call without an offer is refused with another status while the broadcast lasts.
    eventually(lambda: requests.post(whep, timeout=PATIENCE_S).status_code == 404)


def test_each_replay_of_a_broadcast_has_an_address_and_files_of_its_own(
    path: Path,
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    emulator = make_emulator(replay=of_a_broadcast(path, tmp_path / "broadcast.cast"))
    client = make_client(emulator)
    addresses = set()
    for _ in range(2):
        with client.connect(timeout=PATIENCE_S) as session:
            pictures = session.frames(timeout=PATIENCE_S)
            assert session.start_stream("A ship", broadcast=True, timeout=PATIENCE_S) == "../a?b"
            info = session.wait_for_broadcast(timeout=PATIENCE_S)
            assert info.hls_url is not None
            addresses.add(info.hls_url)
            next(pictures)
            requests.get(info.hls_url, timeout=PATIENCE_S)
            session.end_stream(timeout=PATIENCE_S)
    assert len(addresses) == 2
    assert len([*tmp_path.glob("odyssey-hls-*")]) == 2
    emulator.stop()
    assert not [*tmp_path.glob("odyssey-hls-*")]


def test_calls_are_answered_as_they_were(
    tmp_path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    path = tmp_path / "calls.cast"
    first = make_emulator(record=True)
    first.faults.add(Fault(step="POST /sessions/request", action="answer", status=503))
    client = make_client(first)
    with client.connect(timeout=PATIENCE_S) as session, session.capture(path):
        stream = session.start_stream("A ship")
        session.end_stream()
        then = client.get_recording(stream)
        listed = client.list_stream_recordings(limit=5)
    second = make_emulator(replay=path)
    client = make_client(second)
    with client.connect(timeout=PATIENCE_S) as session:
        assert session.start_stream("A ship") == stream
        now = client.get_recording(stream)
        assert (now.stream_id, now.frame_count) == (then.stream_id, then.frame_count)
        assert client.list_stream_recordings(limit=5) == listed
        assert client.list_stream_recordings(limit=6).recordings == []  # the cassette has no such call
    requested = [seen.status for seen in second.requests if seen.path == "/sessions/request"]
    assert requested == [503, 200]


@pytest.mark.usefixtures("pictures_arrive")
def test_a_program_that_is_killed_leaves_a_cassette(
    tmp_path: Path, emulator: Emulator, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    path = tmp_path / "killed.cast"
    code = f"""
        session = client.connect(timeout=30)
        capture = session.capture({str(path)!r})
        session.start_stream("A cat", portrait=False)
        for frame in session.frames():
            if capture.frames > 20:
                break
        say("filmed")
        time.sleep(100)
    """
    with script(code, emulator.api_url) as program:
        assert program.said() == ["filmed"]
        program.signal(signal.SIGKILL)
        program.ended()
    assert records_in(path)[-1][0]["kind"] != "end"
    with make_client(make_emulator(replay=path, pace=math.inf)).connect(timeout=PATIENCE_S) as session:
        pictures = session.frames(queue_size=1000)
        session.start_stream(timeout=PATIENCE_S)
        assert len([*pictures]) > 20


@pytest.mark.usefixtures("pictures_arrive")
def test_a_capture_begun_in_mid_stream_begins_with_a_keyframe(
    session: Session, tmp_path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    pictures = session.frames(queue_size=1000, timeout=PATIENCE_S)
    session.start_stream("A cat", portrait=False)
    take(pictures, 5)
    path = tmp_path / "middle.cast"
    with session.capture(path) as capture:
        eventually(lambda: capture.frames > 10)
    session.disconnect()
    with pytest.raises(OdysseyStreamError):
        session.capture(path)
    with make_client(make_emulator(replay=path, pace=math.inf)).connect(timeout=PATIENCE_S) as replayed:
        frames = replayed.frames(queue_size=1000)
        replayed.start_stream()
        assert len([*frames]) > 10


def test_what_cannot_be_replayed_is_refused_at_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.cast"
    wrong.write_text("nonsense")
    with pytest.raises(CassetteError, match="not a cassette"):
        Emulator(replay=wrong).start()
    with pytest.raises(OdysseyError, match="cannot be read"):
        Emulator(replay=tmp_path / "none").start()


def test_what_cannot_be_written_is_refused_at_once(tmp_path: Path, session: Session) -> None:
    with pytest.raises(OSError, match="No such file"):
        session.capture(tmp_path / "none" / "a.cast")
    with pytest.raises(OSError, match="No space left"):
        session.capture("/dev/full")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="Illegal seek"):
        session.capture(tmp_path / "fifo")
    (tmp_path / "b.cast").symlink_to(tmp_path / "a.cast")
    with session.capture(tmp_path / "a.cast"):
        with pytest.raises(OdysseyConfigError, match=r"Another capture is writing b\.cast"):
            session.capture(tmp_path / "b.cast")
        session.capture(tmp_path / "c.cast").close()
    session.capture(tmp_path / "a.cast").close()


def test_a_service_without_images_is_replayed_without(
    tmp_path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    path = tmp_path / "a.cast"
    with make_client(make_emulator(image_to_video=False)).connect(timeout=PATIENCE_S) as session:
        session.capture(path).close()
    with make_client(make_emulator(replay=path)).connect(timeout=PATIENCE_S) as session:
        assert session.capabilities is not None
        assert not session.capabilities.image_to_video
