"""Streams of the emulator, received by stock aiortc: video, prompts, limits."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from odyssey_proto._video import stamp
from odyssey_proto.emulator._session.signaling import SignalingLink
from odyssey_proto.emulator._stream.camera import PictureTrack
from odyssey_proto.emulator._stream.peer import StreamerPeer
from odyssey_proto.emulator._worlds.painting import Painting
from tests.support.plain_client import PlainClient, bearer, connect, credentials_of, request_session, scenario
from tests.support.processes import PATIENCE_S, eventually
from tests.support.worlds import Levels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator
    from tests.support.clocks import HandClock


async def stamps(client: PlainClient, count: int) -> list[stamp.Stamp]:
    found = []
    for _ in range(count):
        read = stamp.read(await client.frame())
        assert read is not None
        found.append(read)
    return found


async def picture_after(client: PlainClient, number: int) -> np.ndarray[Any, Any]:
    """Return a picture a little after the one numbered ``number``, when it is no longer blurred."""
    while True:
        frame = await client.frame()
        read = stamp.read(frame)
        if read is not None and read.frame_number > number + 8:
            return frame.astype(np.int16)


async def newest(client: PlainClient) -> int:
    """Return the number of a picture that was filmed after this call: earlier ones may still be on their way."""
    asked_ms = int(time.monotonic() * 1000)
    while True:
        (read,) = await stamps(client, 1)
        if (read.time_ms - asked_ms) % 2**32 < 2**31:
            return read.frame_number


def data_url(kind: str, size: tuple[int, int] = (40, 30)) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, (210, 40, 40)).save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


# Video


@pytest.mark.full_size
@pytest.mark.parametrize(
    ("codec", "portrait", "size"),
    [
        ("h264", False, None),
        ("vp8", True, None),
        ("both", False, (512, 64)),
        ("h264", True, (640, 512)),
        ("vp8", False, (512, 64)),
        ("both", True, (640, 512)),
    ],
)
def test_stamped_pictures_come_in_order(
    make_emulator: MakeEmulator, codec: str, portrait: bool, size: tuple[int, int] | None
) -> None:
    @scenario
    async def stream() -> None:
        emulator = make_emulator(codec=codec, **{"size": size} if size else {})
        async with connect(credentials_of(emulator)) as client:
            client.start("A cat", portrait=portrait)
            started = await client.message("stream_started")
            assert started["stream_id"]
            width, height = size or (1280, 704)
            assert (await client.frame()).shape == ((width, height, 3) if portrait else (height, width, 3))
            numbers = [read.frame_number for read in await stamps(client, 20)]
            assert numbers == list(range(numbers[0], numbers[0] + 20))

    stream()


@scenario
@pytest.mark.parametrize(("codec", "size"), [("h264", (512, 32)), ("vp8", (512, 32)), ("h264", (640, 360))])
async def test_pictures_may_be_small(make_emulator: MakeEmulator, codec: str, size: tuple[int, int]) -> None:
    async with connect(credentials_of(make_emulator(codec=codec, size=size))) as client:
        client.start("A cat", portrait=False)
        await client.message("stream_started")
        assert (await client.frame()).shape == (size[1], size[0], 3)
        numbers = [read.frame_number for read in await stamps(client, 10)]
        assert numbers == list(range(numbers[0], numbers[0] + 10))


@scenario
async def test_a_portrait_picture_too_narrow_for_the_stamp_has_none(make_emulator: MakeEmulator) -> None:
    async with connect(credentials_of(make_emulator(size=(640, 360)))) as client:
        client.start("A cat", portrait=True)
        await client.message("stream_started")
        assert (await client.frame()).shape == (640, 360, 3)


@scenario
async def test_a_new_picture_comes_every_fifty_milliseconds(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        found = await stamps(client, 60)
        seconds = ((found[-1].time_ms - found[0].time_ms) % 2**32) / 1000
        # Each picture has its own place in the beat. If the first is late, the next one comes at once.
        assert (found[-1].frame_number - found[0].frame_number - 2) / seconds <= 20.1


@scenario
async def test_timestamps_of_the_video_keep_a_beat_of_fifty_milliseconds(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        steps = np.diff([(await client.picture()).pts for _ in range(20)])
        # A busy machine may skip pictures, but each keeps its time.
        assert (abs(steps - 4500 * np.round(steps / 4500)) <= 1).all()
        assert (steps > 0).all()


@scenario
async def test_the_stamp_gives_the_latency_on_this_machine(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        (read,) = (await stamps(client, 5))[-1:]
        assert 0 <= stamp.latency_ms(read, time.monotonic()) < 10_000


@scenario
async def test_the_stamp_can_be_left_out(make_emulator: MakeEmulator) -> None:
    async with connect(credentials_of(make_emulator(stamp=False))) as client:
        client.start("noon in the desert")
        await client.message("stream_started")
        assert [stamp.read(await client.frame()) for _ in range(10)] == [None] * 10


@scenario
async def test_no_video_comes_before_a_stream(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        # In the time of this exchange, video would have arrived too.
        for _ in range(3):
            client.send(type="update", prompt="x")
            await client.message("interactive_stream_error")
        assert client.frames_waiting == 0


@scenario
async def test_same_seed_and_prompt_are_the_same_world(make_emulator: MakeEmulator) -> None:
    pictures = []
    for seed in (7, 7, 8):
        async with connect(credentials_of(make_emulator(seed=seed))) as client:
            client.start("A fox in the forest")
            await client.message("stream_started")
            # The first picture shows the same moment on any machine; a busy machine skips some of the others.
            pictures.append((await client.frame())[40:].astype(np.int16))
    same, different = (np.abs(pictures[0] - other).mean() for other in pictures[1:])
    assert same < different / 3


# Prompts


@scenario
async def test_the_applied_prompt_is_returned_as_it_was_rewritten(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start("A cat")
        started = await client.message("stream_started")
        assert started["applied_prompt"].startswith("A cat")
        assert len(started["applied_prompt"]) > len("A cat")
        client.send(type="update", prompt="It sleeps")
        updated = await client.message("update_acknowledged")
        assert updated["prompt"].startswith("It sleeps")


@scenario
async def test_a_bypassed_prompt_is_applied_as_it_is(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start("A cat", bypass_vlm_expansion=True)
        assert (await client.message("stream_started"))["applied_prompt"] == "A cat"
        client.send(type="update", prompt="It sleeps")
        assert (await client.message("update_acknowledged"))["prompt"] == "It sleeps"


@scenario
async def test_every_update_shows_in_the_picture(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start("A cat")
        await client.message("stream_started")
        before = await picture_after(client, -1)
        for prompt in ("It snows", "It snows", "at night"):
            client.send(type="update", prompt=prompt)
            await client.message("update_acknowledged")
            after = await picture_after(client, await newest(client))
            assert np.abs(after - before).mean() > 6
            before = after


@scenario
async def test_a_stream_whose_pictures_cannot_be_painted_ends_with_an_error(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError

    async with connect(credentials_of(emulator)) as client:
        monkeypatch.setattr(Painting, "picture", fail)
        client.start("A cat")
        await client.message("stream_started")
        error = await client.message("interactive_stream_error")
        assert (error["reason"], error["message"]) == ("internal_error", "The streamer failed")
        await client.message("stream_ended")
        monkeypatch.undo()
        client.start("A cat")
        await client.message("stream_started")
        assert (await client.frame()).size


@scenario
async def test_acknowledgements_come_in_the_order_of_the_requests(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start("A cat", bypass_vlm_expansion=True)
        prompts = [f"number {number}" for number in range(6)]
        for prompt in prompts:
            client.send(type="update", prompt=prompt)
        client.send(type="interactive_stream_end")
        await client.message("stream_started")
        assert [(await client.message("update_acknowledged"))["prompt"] for _ in prompts] == prompts
        await client.message("stream_ended")


@scenario
async def test_an_empty_prompt_starts_a_stream(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start("")
        assert (await client.message("stream_started"))["applied_prompt"]


# Ends


@pytest.mark.full_size
@scenario
async def test_video_stops_with_the_stream_and_comes_again_with_the_next(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        ids = []
        for portrait in (False, True, True):
            client.start("A cat", portrait=portrait)
            ids.append((await client.message("stream_started"))["stream_id"])
            while (await client.frame()).shape[0] != (1280 if portrait else 704):
                pass
            client.send(type="interactive_stream_end")
            await client.message("stream_ended")
            client.forget_frames()
        assert len(set(ids)) == 3


async def is_landscape(client: PlainClient) -> bool:
    height, width, _ = (await client.frame()).shape
    return bool(width > height)


@scenario
async def test_nothing_is_sent_after_the_end(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        await client.frame()
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")
        received = await client.packets_received()
        # The answer to another request follows all that was sent before it.
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")
        assert await client.packets_received() == received > 0
        client.start(portrait=True)
        await client.message("stream_started")
        while await is_landscape(client):  # pictures that were received before the end
            pass
        assert not any([await is_landscape(client) for _ in range(5)])


@scenario
async def test_an_end_without_a_stream_is_answered_too(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")


@pytest.fixture
def sent_slowly(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An event for which the last picture of every stream waits."""
    sent = threading.Event()
    drain = PictureTrack.drain

    async def wait(track: PictureTrack) -> None:
        await asyncio.to_thread(sent.wait, PATIENCE_S)
        await drain(track)

    monkeypatch.setattr(PictureTrack, "drain", wait)
    monkeypatch.setattr("odyssey_proto.emulator._session.streamer._SENT_WITHIN_S", PATIENCE_S)
    yield sent
    sent.set()


class Ending(Levels):
    """A world that notes its end."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def ends(emulator: Emulator) -> list[str]:
    """Return why streams have ended or are about to end."""
    return [stream.ended for session in emulator.sessions for stream in session.streams if stream.ended]


@pytest.mark.parametrize("leave", ["the client", "the emulator"])
def test_an_end_that_is_overtaken_is_completed(
    leave: str, make_emulator: MakeEmulator, sent_slowly: threading.Event
) -> None:
    world = Ending()

    @scenario
    async def leave_in_the_middle() -> None:
        emulator = make_emulator(world=lambda: world)
        async with connect(credentials_of(emulator)) as client:
            client.start()
            await client.message("stream_started")
            await client.frame()
            client.send(type="interactive_stream_end")
            await asyncio.to_thread(eventually, lambda: ends(emulator))
            assert not world.closed.is_set()
            if leave == "the emulator":
                await asyncio.to_thread(emulator.stop)
        if leave == "the client":
            assert not world.closed.is_set()
            sent_slowly.set()
        assert await asyncio.to_thread(world.closed.wait, PATIENCE_S)
        assert ends(emulator) == ["requested"]

    leave_in_the_middle()


@pytest.mark.parametrize("ends_first", [True, False], ids=["an end and a start", "a start"])
def test_what_comes_while_the_stream_is_cut_off_is_answered_after_the_reason(
    ends_first: bool, make_emulator: MakeEmulator, sent_slowly: threading.Event
) -> None:
    def has_heard_the_end(emulator: Emulator) -> bool:
        return any(seen.type == "interactive_stream_end" for seen in emulator.messages)

    @scenario
    async def ask_meanwhile() -> None:
        emulator = make_emulator(max_stream_s=0.5)
        async with connect(credentials_of(emulator)) as client:
            client.start()
            await client.message("stream_started")
            await asyncio.to_thread(eventually, lambda: ends(emulator))
            if ends_first:
                client.send(type="interactive_stream_end")
                await asyncio.to_thread(eventually, lambda: has_heard_the_end(emulator))
            client.start()
            await asyncio.to_thread(eventually, lambda: len(emulator.prompts) == 2)
            sent_slowly.set()
            assert (await client.message("interactive_stream_error"))["reason"] == "session_timeout"
            if ends_first:
                await client.message("stream_ended")
            await client.message("stream_started")

    ask_meanwhile()


def test_the_reason_of_the_end_is_said_before_the_peer_connection_ends(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    say, close = SignalingLink.fail, StreamerPeer.close

    async def fail(link: SignalingLink, reason: str) -> None:
        await say(link, reason)
        order.append("said")

    async def close_peer(peer: StreamerPeer) -> None:
        order.append("closed")
        await close(peer)

    monkeypatch.setattr(SignalingLink, "fail", fail)
    monkeypatch.setattr(StreamerPeer, "close", close_peer)

    @scenario
    async def stop() -> None:
        async with connect(credentials_of(emulator), goodbye=False) as client:
            await asyncio.to_thread(emulator.stop)
            assert await client.signaling.get() == {"type": "error", "reason": "streamer_disconnected"}

    stop()
    assert order == ["said", "closed"]


# Refusals


@pytest.mark.parametrize(
    ("settings", "start", "reason"),
    [
        ({"blocked_words": ["blood"]}, {"prompt": "so much BLOOD"}, "moderation"),
        ({"bypass_privilege": False}, {"bypass_vlm_expansion": True}, "bypass_not_allowed"),
        ({"image_to_video": False}, {"input_image_base64": data_url("PNG")}, "image_not_supported"),
        ({}, {"input_image_base64": "data:image/png;base64,aGVsbG8="}, "invalid_image"),
    ],
)
def test_a_start_is_refused_with_a_reason(
    make_emulator: MakeEmulator, settings: dict[str, Any], start: dict[str, Any], reason: str
) -> None:
    @scenario
    async def refused() -> None:
        async with connect(credentials_of(make_emulator(**settings))) as client:
            client.start(**start)
            error = await client.message("interactive_stream_error")
            assert error["reason"] == reason
            assert error["message"]
            client.start("A cat")
            await client.message("stream_started")

    refused()


@scenario
async def test_a_second_start_is_refused_and_the_first_stream_goes_on(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start()
        client.start()
        await client.message("stream_started")
        assert (await client.message("interactive_stream_error"))["reason"] == "stream_already_active"
        await stamps(client, 5)


@scenario
async def test_an_update_without_a_stream_is_refused(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.send(type="update", prompt="x")
        assert (await client.message("interactive_stream_error"))["reason"] == "no_active_stream"


@scenario
async def test_an_update_can_be_moderated_and_the_stream_goes_on(make_emulator: MakeEmulator) -> None:
    async with connect(credentials_of(make_emulator(blocked_words=["blood"]))) as client:
        client.start()
        await client.message("stream_started")
        client.send(type="update", prompt="blood")
        assert (await client.message("interactive_stream_error"))["reason"] == "moderation"
        client.send(type="update", prompt="flowers")
        await client.message("update_acknowledged")


@scenario
async def test_what_is_not_the_protocol_is_ignored_on_the_channel(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        channel = client.channels["clientToStreamer"]
        for rubbish in ("", "{", "[]", "{}", '{"type": "nothing"}', '{"type": "update"}', b"\xff\x00"):
            channel.send(rubbish)
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")


@pytest.mark.full_size
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_an_image_of_any_format_and_size_starts_a_stream(emulator: Emulator, kind: str) -> None:
    @scenario
    async def started() -> None:
        async with connect(credentials_of(emulator)) as client:
            client.start("", input_image_base64=data_url(kind))
            await client.message("stream_started")
            frame = await client.frame()
            assert frame[300:400, 600:700, 0].mean() > frame[300:400, 600:700, 2].mean() + 40

    started()


# Limits


@scenario
async def test_a_stream_ends_when_it_is_too_long(make_emulator: MakeEmulator, clock: HandClock) -> None:
    async with connect(credentials_of(make_emulator(clock=clock, max_stream_s=30))) as client:
        client.start()
        await client.message("stream_started")
        await client.frame()
        clock.time += 30
        assert (await client.message("interactive_stream_error"))["reason"] == "session_timeout"
        client.start()
        await client.message("stream_started")


@scenario
async def test_a_stream_ends_when_the_hours_are_used_up(make_emulator: MakeEmulator, clock: HandClock) -> None:
    emulator = make_emulator(clock=clock, monthly_hours=0.005)
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        await client.frame()
        clock.time += 18
        assert (await client.message("interactive_stream_error"))["reason"] == "quota_exceeded"
        client.start()
        assert (await client.message("interactive_stream_error"))["reason"] == "quota_exceeded"
    with pytest.raises(AssertionError, match="MONTHLY_LIMIT_REACHED"):
        await asyncio.to_thread(request_session, emulator.api_url, bearer(emulator.api_url, emulator.api_key))


# Coming back


@scenario
async def test_a_client_that_comes_back_finds_its_stream_running(emulator: Emulator) -> None:
    credentials = credentials_of(emulator)
    async with connect(credentials, goodbye=False) as client:
        client.start()
        await client.message("stream_started")
        last = (await stamps(client, 10))[-1].frame_number
    async with connect(credentials) as client:
        assert (await stamps(client, 1))[0].frame_number > last
        client.send(type="update", prompt="It sleeps")
        await client.message("update_acknowledged")
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")


@scenario
async def test_sessions_do_not_see_each_other(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(concurrent_sessions=2)
    async with connect(credentials_of(emulator)) as one, connect(credentials_of(emulator)) as other:
        one.start("night in the city")
        other.start("noon in the desert")
        first, second = await one.message("stream_started"), await other.message("stream_started")
        assert first["stream_id"] != second["stream_id"]
        pictures = [await picture_after(client, 5) for client in (one, other)]
        assert np.abs(pictures[0] - pictures[1]).mean() > 40
