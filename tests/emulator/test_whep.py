"""Broadcasts of the emulator, watched over WHEP and HLS by other clients than ours."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.sdp import SessionDescription

from odyssey_proto._video import stamp
from odyssey_proto.emulator._broadcast import encoder
from tests.support.plain_client import PATIENCE_S, PlainClient, connect, credentials_of, scenario
from tests.support.plain_spectator import offer_to_watch, post_offer, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator


@contextlib.asynccontextmanager
async def broadcasting(emulator: Emulator, **start: Any) -> AsyncIterator[tuple[PlainClient, dict[str, Any]]]:
    """Start a broadcast; yield its client and the ``broadcast_ready`` message."""
    async with connect(credentials_of(emulator)) as client:
        client.send(
            type="interactive_stream_start", **{"prompt": "A cat", "portrait": False, "broadcast": True, **start}
        )
        await client.message("stream_started")
        yield client, await client.message("broadcast_ready")


async def status_of(url: str, method: str = "GET") -> int:
    async with aiohttp.ClientSession() as http, http.request(method, url) as answer:
        return answer.status


async def playlist_of(url: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/vnd.apple.mpegurl"
        return await answer.text()


@scenario
async def test_a_broadcast_is_announced_with_its_urls_and_its_token(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (_, ready):
        assert ready.keys() == {"type", "broadcast_url", "webrtc_url", "spectator_token"}
        assert ready["webrtc_url"].startswith(emulator.api_url)
        assert ready["broadcast_url"].startswith(emulator.api_url)


@scenario
async def test_a_stream_that_is_not_a_broadcast_is_not_announced(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")


@pytest.mark.full_size
@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
def test_a_spectator_sees_the_stream_from_a_keyframe_on(emulator: Emulator, codec: str) -> None:
    @scenario
    async def run() -> None:
        async with broadcasting(emulator) as (client, ready), watch(ready, codec=codec) as spectator:
            shape = (await spectator.frame()).shape
            assert shape == (704, 1280, 3)
            seen = [await spectator.number() for _ in range(10)]
            assert seen == sorted(set(seen))
            client.forget_frames()
            shown = stamp.read(await client.frame())
            assert shown is not None
            while await spectator.number() < shown.frame_number:
                pass

    run()


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_the_codec_is_the_one_that_the_emulator_was_given(make_emulator: MakeEmulator, codec: str) -> None:
    @scenario
    async def run() -> None:
        async with broadcasting(make_emulator(codec=codec)) as (_, ready), watch(ready) as spectator:
            await spectator.frame()
            video = SessionDescription.parse(spectator.peer.remoteDescription.sdp).media[0]
            assert video.rtp.codecs[0].name.lower() == codec

    run()


@pytest.mark.full_size
@scenario
async def test_a_portrait_stream_is_portrait_for_spectators(emulator: Emulator) -> None:
    async with broadcasting(emulator, portrait=True) as (_, ready), watch(ready) as spectator:
        assert (await spectator.frame()).shape == (1280, 704, 3)


def test_many_spectators_share_one_encoder(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    really_open = encoder.Encoder._open

    def count(encoder: encoder.Encoder, picture: Any) -> Any:
        opened.append(encoder._name)
        return really_open(encoder, picture)

    monkeypatch.setattr(encoder.Encoder, "_open", count)

    @scenario
    async def run() -> None:
        async with broadcasting(emulator) as (_, ready), contextlib.AsyncExitStack() as watching:
            spectators = [await watching.enter_async_context(watch(ready)) for _ in range(3)]
            shown = max([await spectator.number() for spectator in spectators])
            for spectator in spectators:  # the earlier spectators have older pictures waiting
                while await spectator.number() < shown:
                    pass
            numbers = [{await spectator.number() for _ in range(20)} for spectator in spectators]
            assert set.intersection(*numbers)

    run()
    assert opened == ["libx264"]


@scenario
async def test_one_who_comes_late_gets_a_keyframe_at_once(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "_KEYFRAME_EVERY_S", 10_000)  # later keyframes only for those who need one
    async with broadcasting(emulator) as (_, ready), watch(ready) as first:
        for _ in range(10):
            await first.frame()
        before = await first.number()
        async with watch(ready) as second:
            assert await second.number() > before


@scenario
async def test_the_end_of_the_stream_is_that_of_watching(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (client, ready), watch(ready, goodbye=False) as spectator:
        await spectator.frame()
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")
        await asyncio.wait_for(spectator.ended.wait(), PATIENCE_S)
        assert await status_of(spectator.resource, "DELETE") == 404


@scenario
async def test_the_end_of_the_session_is_that_of_watching(emulator: Emulator) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with broadcasting(emulator) as (_, ready):
            spectator = await stack.enter_async_context(watch(ready, goodbye=False))
            await spectator.frame()
        await asyncio.wait_for(spectator.ended.wait(), PATIENCE_S)


@scenario
async def test_the_stream_goes_on_when_its_spectators_leave(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (client, ready):
        async with watch(ready) as spectator:
            await spectator.frame()
        async with watch(ready, goodbye=False) as spectator:
            await spectator.frame()
        client.forget_frames()
        await client.frame()
        async with watch(ready) as spectator:
            await spectator.frame()


@scenario
async def test_spectators_watch_on_while_the_streams_own_client_is_gone(emulator: Emulator) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with connect(credentials_of(emulator), goodbye=False) as client:
            client.send(type="interactive_stream_start", prompt="A cat", portrait=False, broadcast=True)
            await client.message("stream_started")
            ready = await client.message("broadcast_ready")
            spectator = await stack.enter_async_context(watch(ready))
            await spectator.frame()
        seen = await spectator.number()
        while await spectator.number() < seen + 60:
            pass


@scenario
async def test_a_spectator_leaves_once(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (_, ready), watch(ready, goodbye=False) as spectator:
        await spectator.frame()
        assert await status_of(spectator.resource, "DELETE") == 200
        await asyncio.wait_for(spectator.ended.wait(), PATIENCE_S)
        assert await status_of(spectator.resource, "DELETE") == 404


# --- refusals


async def refusal(ready: dict[str, Any], offer: str | None = None, **change: str) -> tuple[int, str]:
    """Post an offer that is refused; return status and detail."""
    content_type = change.pop("content_type", "application/sdp")
    told = ready | change
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        offer = await offer_to_watch(peer) if offer is None else offer
        async with aiohttp.ClientSession() as http:
            answer = await post_offer(http, told["webrtc_url"], told["spectator_token"], offer, content_type)
            async with answer:
                return answer.status, (await answer.json())["detail"]
    finally:
        await peer.close()


NO_CODEC = """v=0
o=- 0 0 IN IP4 0.0.0.0
s=-
t=0 0
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:0
a=recvonly
a=rtcp-mux
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 {0}
a=setup:actpass
a=rtpmap:96 AV1/90000
""".replace("\n", "\r\n").format(":".join(["00"] * 32))


REFUSED: Final[dict[str, tuple[str | None, dict[str, str], int]]] = {
    "another token": (None, {"spectator_token": "wrong"}, 401),
    "an empty token": (None, {"spectator_token": ""}, 401),
    "a token in other letters": (None, {"spectator_token": "\udc80é".encode("utf-8", "ignore").decode()}, 401),
    "another type": (None, {"content_type": "text/plain"}, 415),
    "nothing": ("", {}, 400),
    "a version alone": ("v=0", {}, 400),
    "a line of a video": ("m=video 9", {}, 400),
    "three videos": ("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 3, {}, 400),
    "another codec": (NO_CODEC, {}, 406),
    "too much": ("v=0\r\n" * 100_000, {}, 413),
}
"""The offer (None: a valid one), the other changes, and the status of the answer."""


@scenario
async def test_offers_are_refused(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (_, ready):
        found = {name: (await refusal(ready, offer, **change))[0] for name, (offer, change, _) in REFUSED.items()}
    assert found == {name: status for name, (*_, status) in REFUSED.items()}


@scenario
async def test_a_stream_that_is_not_there_is_not_found(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (client, ready):
        elsewhere = ready["webrtc_url"] + "x"
        assert (await refusal(ready, webrtc_url=elsewhere))[0] == 404
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")
        assert await refusal(ready) == (404, "Stream not found")


@scenario
async def test_a_page_of_another_origin_may_ask_and_sees_the_location(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (_, ready), aiohttp.ClientSession() as http:
        page = {"Origin": "http://localhost:5173"}
        preflight = {**page, "Access-Control-Request-Method": "POST"}
        async with http.options(ready["webrtc_url"] + "/whep", headers=preflight) as answer:
            assert answer.status == 200
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
        async with http.post(ready["webrtc_url"] + "/whep", data="", headers=page) as answer:
            assert answer.status == 401
            assert "Location" in answer.headers["Access-Control-Expose-Headers"]


# --- HLS


@scenario
async def test_hls_shows_the_same_stream(emulator: Emulator) -> None:
    def read(url: str) -> list[int]:
        with av.open(url) as container:
            frames = container.decode(video=0)
            found = [stamp.read(next(frames).to_ndarray(format="rgb24")) for _ in range(30)]
        return [one.frame_number for one in found if one is not None]

    async with broadcasting(emulator) as (_, ready):
        numbers = await asyncio.to_thread(read, ready["broadcast_url"])
    assert len(numbers) == 30
    assert numbers == sorted(set(numbers))


@scenario
async def test_the_playlist_of_a_live_stream_moves_on_and_ends_with_it(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (client, ready):
        playlist = await playlist_of(ready["broadcast_url"])
        assert "#EXT-X-ENDLIST" not in playlist
        first = re.findall(r"^[0-9]+\.ts$", playlist, re.MULTILINE)
        async with asyncio.timeout(PATIENCE_S):
            while first[0] in (playlist := await playlist_of(ready["broadcast_url"])):
                for _ in range(10):
                    await client.frame()
        assert await status_of(ready["broadcast_url"].replace("index.m3u8", first[0])) in (200, 404)
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")
        async with asyncio.timeout(PATIENCE_S):  # a busy machine may write the end a little later
            while not (playlist := await playlist_of(ready["broadcast_url"])).rstrip().endswith("#EXT-X-ENDLIST"):
                await asyncio.sleep(0.01)
        last = re.findall(r"^[0-9]+\.ts$", playlist, re.MULTILINE)[-1]
        assert await status_of(ready["broadcast_url"].replace("index.m3u8", last)) == 200


@scenario
async def test_hls_has_no_other_files(emulator: Emulator) -> None:
    names = ("other.m3u8", "..%2f..%2fetc%2fpasswd", "999.ts", "index.m3u8.tmp", "0.ts")
    async with broadcasting(emulator) as (_, ready):
        found = {name: await status_of(ready["broadcast_url"].replace("index.m3u8", name)) for name in names}
    assert found == dict.fromkeys(names, 404)


@scenario
async def test_hls_that_nobody_asked_for_in_time_is_not_found(emulator: Emulator) -> None:
    async with broadcasting(emulator) as (client, ready):
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")
        assert await status_of(ready["broadcast_url"]) == 404


def test_the_files_of_hls_go_with_the_emulator(
    make_emulator: MakeEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    @scenario
    async def run() -> None:
        with make_emulator() as emulator:
            async with broadcasting(emulator) as (_, ready):
                await playlist_of(ready["broadcast_url"])
                assert any(tmp_path.glob("odyssey-hls-*/*.ts"))

    run()
    assert not any(tmp_path.glob("odyssey-hls-*"))


@scenario
async def test_the_ice_servers_are_served_at_the_origin(emulator: Emulator) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{emulator.api_url}/config") as answer:
        assert (await answer.json())["iceServers"][0]["urls"].startswith("stun:127.0.0.1:")
