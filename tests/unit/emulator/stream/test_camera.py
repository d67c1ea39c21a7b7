"""The track between a camera and an encoder."""

from __future__ import annotations

import asyncio

import pytest
from aiortc.mediastreams import MediaStreamError

from odyssey_proto.emulator._stream.camera import PictureTrack
from tests.support.pictures import decoded


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_track_is_drained_when_the_encoder_asks_for_the_next_picture() -> None:
    async def run() -> None:
        track = PictureTrack()
        track.show(decoded(), 0.0)
        await track.recv()
        draining = asyncio.ensure_future(track.drain())
        await turns()
        assert not draining.done()  # the picture is being encoded, or sent
        asking = asyncio.ensure_future(track.recv())
        await draining
        assert not asking.done()
        picture = decoded()
        track.show(picture, 1.0)
        assert await asking is picture

    asyncio.run(run())


def test_draining_drops_a_picture_that_the_encoder_has_not_taken() -> None:
    async def run() -> None:
        track = PictureTrack()
        asking = asyncio.ensure_future(track.recv())
        await turns()
        track.show(decoded(), 0.0)
        await track.drain()
        assert track.has_room
        await turns()
        assert not asking.done()
        track.stop()
        with pytest.raises(MediaStreamError):
            await asking

    asyncio.run(run())


def test_draining_ends_with_the_track() -> None:
    async def run() -> None:
        track = PictureTrack()
        track.show(decoded(), 0.0)
        await track.recv()
        draining = asyncio.ensure_future(track.drain())
        await turns()
        track.stop()
        await draining

    asyncio.run(run())
