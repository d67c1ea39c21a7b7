"""The asynchronous SDK against the emulator: what its users call, and what the core decides for it.

Its user agent is one of ours, so the witness of these tests compares all that it sends with the spec.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyNotFoundError,
    OdysseyStreamError,
    core,
)
from odyssey_proto.emulator import Fault
from tests.sdk.python.odyssey_async import Odyssey, Session
from tests.support.plain_client import scenario

if TYPE_CHECKING:
    from odyssey_proto.emulator import Emulator

PNG = base64.b64encode(b"\x89PNG, but not really").decode()


def client(emulator: Emulator) -> Odyssey:
    return Odyssey(emulator.api_key, emulator.api_url)


async def some(session: Session, count: int) -> list[Any]:
    frames = session.frames()
    return [await anext(frames) for _ in range(count)]


@pytest.mark.full_size
@scenario
async def test_a_stream_from_connect_to_disconnect(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        stream_id = await session.start("A cat", portrait=False)
        assert session.core.stream_id == stream_id
        assert {(frame.width, frame.height) for frame in await some(session, 5)} == {(1280, 704)}
        assert (await session.interact("Night")).startswith("Night")
        await session.end()
        async for _ in session.frames():  # those that were waiting
            pass
        await session.disconnect()
        assert session.core.status == "disconnected"
        assert session.core.session is core.SessionState.DISCONNECTED


@scenario
async def test_two_streams_follow_each_other(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        ids = set()
        for portrait in (True, False):
            ids.add(await session.start("A cat", portrait=portrait))
            await some(session, 1)
            await session.end()
        assert len(ids) == 2
        await session.disconnect()


@scenario
async def test_frames_end_with_the_stream(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        assert [frame async for frame in session.frames()] == []
        await session.start("A cat")
        watching_it = asyncio.create_task(last_of(session))
        await session.end()
        await watching_it
        await session.disconnect()


async def last_of(session: Session) -> None:
    async for _ in session.frames():
        pass


@scenario
async def test_overlapping_calls_get_their_own_answers(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        await session.start("A cat")
        answers = await asyncio.gather(*map(session.interact, ("Night", "Day", "Rain")))
        assert [answer.partition(".")[0] for answer in answers] == ["Night", "Day", "Rain"]
        await session.disconnect()


@scenario
async def test_a_refused_prompt_fails_its_call_and_the_stream_goes_on(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        await session.start("A cat")
        emulator.faults.add(Fault(step="stream update", action="stream_error", reason="moderation", message="No"))
        with pytest.raises(OdysseyStreamError, match="No"):
            await session.interact("Something forbidden")
        assert (await session.interact("Night")).startswith("Night")
        await session.disconnect()


@scenario
async def test_a_call_that_was_given_up_does_not_take_the_next_answer(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        await session.start("A cat")
        emulator.faults.add(Fault(step="stream update", action="delay", seconds=1.0))
        with pytest.raises(TimeoutError):
            await session.interact("Night", timeout_s=0.2)
        assert (await session.interact("Day")).startswith("Day")
        await session.disconnect()


@scenario
async def test_an_image_reaches_the_streamer(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        with pytest.raises(OdysseyStreamError, match="The image cannot be read"):
            await session.start("A cat", image=f"data:image/png;base64,{PNG}")
        await session.disconnect()


@scenario
async def test_an_image_is_refused_before_it_is_sent_if_the_streamer_takes_none(
    make_emulator: Any,
) -> None:
    emulator = make_emulator(image_to_video=False)
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        with pytest.raises(OdysseyStreamError, match="cannot start from an image"):
            await session.start("A cat", image=f"data:image/png;base64,{PNG}")
        await session.disconnect()


@scenario
async def test_it_waits_for_a_streamer(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /sessions/request", action="answer", status=503, times=2))
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        await session.disconnect()


@scenario
async def test_failures_of_a_connect_are_typed(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="answer", status=401))
    async with client(emulator) as odyssey:
        with pytest.raises(OdysseyAuthError):
            await odyssey.connect()
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        with pytest.raises(ConcurrentLimitReachedError):
            await odyssey.connect()
        await session.disconnect()
        again = await odyssey.connect()  # the goodbye has freed the place at once
        await again.disconnect()


@scenario
async def test_a_connect_that_takes_too_long_leaves_nothing_behind(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="signaling offer", action="silence"))
    async with client(emulator) as odyssey:
        with pytest.raises(TimeoutError):
            await odyssey.connect(timeout_s=1.5)
        session = await odyssey.connect()
        await session.disconnect()


@scenario
async def test_a_lost_connection_is_rejoined_and_the_stream_goes_on(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        session = await odyssey.connect()
        stream_id = await session.start("A cat")
        await some(session, 3)
        emulator.faults.add(Fault(step="stream update", action="drop"))
        with pytest.raises(OdysseyStreamError):
            await session.interact("Night")
        assert (await session.interact("Day")).startswith("Day")  # it waits for the new connection
        assert session.core.stream_id == stream_id
        assert len(await some(session, 12)) == 12
        await session.disconnect()


@scenario
async def test_jobs(emulator: Emulator) -> None:
    async with client(emulator) as odyssey:
        entry = wire.ScriptEntry(timestamp_ms=0, start=wire.StartAction(prompt="A cat"))
        request = wire.SimulationRequest(portrait=True, script=[entry])
        job = await odyssey.simulate(request)
        assert (await odyssey.simulation(job.job_id)).job_id == job.job_id
        with pytest.raises(OdysseyNotFoundError):
            await odyssey.simulation("job_none/../x")


@scenario
async def test_a_service_that_does_not_answer_is_a_typed_error() -> None:
    async with Odyssey("ody_0123456789abcdef", "http://127.0.0.1:9") as odyssey:
        with pytest.raises(OdysseyConnectionError):
            await odyssey.simulation("job_none")
