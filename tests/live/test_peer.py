"""The peer connection against a real aiortc streamer in this process, over UDP on the loopback address."""

import asyncio
import collections
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import aioice.ice
import pytest
from aioice import stun
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCPeerConnection,
    VideoStreamTrack,
)
from odyssey_models import IceCandidate, IceServer

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyStreamError
from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._net.webrtc import candidates, liveness, path_search
from odyssey_proto._net.webrtc.decoding import DecodingQueue
from odyssey_proto._net.webrtc.peer import Peer
from tests.support.leaks import assert_gone
from tests.support.peers import Heard, Streamer
from tests.support.processes import Process, eventually, loaded_python

if TYPE_CHECKING:
    from concurrent.futures import Future

GENEROUS = 30.0  # s; a hang fails, a slow machine does not


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    background = BackgroundLoop("odyssey-test")
    background.start()
    yield background
    assert background.stop(GENEROUS)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def peer(loop: BackgroundLoop, heard: Heard) -> Iterator[Peer]:
    peer = Peer(loop, heard, MonotonicClock(), loopback=True)
    yield peer
    peer.close().result(GENEROUS)


@pytest.fixture
def streamer() -> Iterator[Streamer]:
    streamer = Streamer()
    yield streamer
    streamer.close()


@pytest.fixture
def make_streamer() -> Iterator[Callable[..., Streamer]]:
    made: list[Streamer] = []

    def make(**how: Any) -> Streamer:
        made.append(Streamer(**how))
        return made[-1]

    yield make
    for streamer in made:
        streamer.close()


def connect(peer: Peer, streamer: Streamer, heard: Heard) -> None:
    streamer.accept(peer.answer(streamer.offer).result(GENEROUS))
    heard.wait("open")


def without_candidates(sdp: str) -> tuple[str, list[str]]:
    """Return the SDP as a trickling streamer sends it, and the candidates that it trickles."""
    found = re.findall(r"^a=(candidate:.*?)\r?$", sdp, re.MULTILINE)
    return re.sub(r"^a=(candidate:.*|end-of-candidates)\r\n", "", sdp, flags=re.MULTILINE), found


class TestAnswer:
    def test_a_streamer_is_connected_with_video_and_both_channels(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        streamer.greeting = ("hello",)
        connect(peer, streamer, heard)
        heard.wait("message", "hello")
        heard.wait("state", "connected")
        heard.wait_for_frames(2)
        assert heard.kinds()[0] == "track"
        assert "lost" not in heard.kinds()

    def test_the_answer_is_complete(self, peer: Peer, streamer: Streamer) -> None:
        answer = peer.answer(streamer.offer).result(GENEROUS)
        assert " 127.0.0.1 " in answer
        assert "a=end-of-candidates" in answer
        assert "a=recvonly" in answer

    def test_everything_but_frames_is_reported_on_the_loops_thread(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        connect(peer, streamer, heard)
        heard.wait_for_frames(2)
        assert heard.threads == {"odyssey-test"}
        assert heard.decoders == {"video-decoder"}

    def test_an_aiortc_of_another_shape_decodes_in_its_own_way(
        self, peer: Peer, streamer: Streamer, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("odyssey_proto._net.webrtc.decoding._QUEUE", "no such attribute")
        connect(peer, streamer, heard)
        heard.wait_for_frames(3)
        assert heard.decoders == {"odyssey-test"}
        arrivals = [arrival for _, arrival in heard.frames]
        assert arrivals == sorted(arrivals)

    def test_frames_come_as_decoded_with_their_arrival(self, peer: Peer, streamer: Streamer, heard: Heard) -> None:
        connect(peer, streamer, heard)
        heard.wait_for_frames(3)
        frames = list(heard.frames)
        assert {frame.format.name for frame, _ in frames} == {"yuv420p"}
        arrivals = [arrival for _, arrival in frames]
        assert arrivals == sorted(arrivals)
        assert [frame.pts for frame, _ in frames] == sorted(frame.pts or 0 for frame, _ in frames)

    @pytest.mark.parametrize(
        "tracks", [(AudioStreamTrack, VideoStreamTrack), (VideoStreamTrack, VideoStreamTrack)]
    )
    def test_other_tracks_are_drained_and_dropped(
        self,
        peer: Peer,
        heard: Heard,
        make_streamer: Callable[..., Streamer],
        loop: BackgroundLoop,
        tracks: tuple[type[MediaStreamTrack], ...],
    ) -> None:
        connect(peer, make_streamer(tracks=tracks), heard)
        heard.wait_for_frames(40)

        async def waiting() -> list[int]:
            assert peer.peer_connection is not None
            received = [receiver.track for receiver in peer.peer_connection.getReceivers()]
            return [cast("Any", track)._queue.qsize() for track in received]

        counts = loop.run(waiting(), GENEROUS)
        assert len(counts) == 2
        assert max(counts) < 20
        assert heard.kinds().count("track") == 1

    def test_a_message_size_that_the_offer_states_is_the_limit(self, peer: Peer, streamer: Streamer) -> None:
        assert peer.max_message_size == 16 * 1024
        offer = re.sub(r"max-message-size:\d+", "max-message-size:4711", streamer.offer)
        peer.answer(offer).result(GENEROUS)
        assert peer.max_message_size == 4711

    @pytest.mark.parametrize(("line", "size"), [("", 16 * 1024), ("a=max-message-size:0\r\n", 256 * 1024)])
    def test_a_message_size_that_the_offer_does_not_bound_is_ours(
        self, peer: Peer, streamer: Streamer, line: str, size: int
    ) -> None:
        offer = re.sub(r"a=max-message-size:\d+\r\n", line, streamer.offer)
        peer.answer(offer).result(GENEROUS)
        assert peer.max_message_size == size

    def test_ice_servers_that_cannot_be_used_are_noted_and_harm_nothing(
        self, peer: Peer, streamer: Streamer, heard: Heard, caplog: pytest.LogCaptureFixture
    ) -> None:
        servers = [IceServer(urls=["turn:192.0.2.1", "bogus", "stun:no.such.name.invalid"])]
        peer.prepare(servers)
        streamer.accept(peer.answer(streamer.offer, servers).result(GENEROUS))
        heard.wait("open")
        assert len(peer.notes) == 3
        for note in peer.notes:
            assert caplog.text.count(note) == 1

    def test_a_renegotiation_is_answered_on_the_same_connection(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        connect(peer, streamer, heard)
        before = peer.peer_connection

        async def offer_audio() -> str:
            streamer.pc.addTrack(AudioStreamTrack())
            return await streamer.new_offer()

        answer = peer.answer(streamer.run(offer_audio())).result(GENEROUS)
        streamer.accept(answer)
        assert "m=audio" in answer
        assert peer.peer_connection is before
        heard.wait_for_frames(len(heard.frames) + 5)

    def test_the_offer_of_another_connection_is_refused_and_this_one_goes_on(
        self, peer: Peer, streamer: Streamer, heard: Heard, make_streamer: Callable[..., Streamer]
    ) -> None:
        connect(peer, streamer, heard)
        with pytest.raises(OdysseyConnectionError) as caught:
            peer.answer(make_streamer().offer).result(GENEROUS)
        assert caught.value.code == "unexpected_offer"
        heard.wait_for_frames(len(heard.frames) + 5)

    def test_without_an_address_to_connect_from_it_fails_at_once(
        self, peer: Peer, streamer: Streamer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arrange = candidates.arrange_gathering
        # 203.0.113.1 is for documentation: no socket can be bound to it.
        monkeypatch.setattr(candidates, "arrange_gathering", lambda pc, **_: arrange(pc, only=("203.0.113.1",)))
        with pytest.raises(OdysseyConnectionError) as caught:
            peer.answer(streamer.offer).result(GENEROUS)
        assert caught.value.code == "no_candidates"

    @pytest.mark.parametrize(
        ("servers", "why", "recoverable"),
        [
            ([], "no TURN server is known", False),
            ([IceServer(urls="turn:192.0.2.1")], "has no user name or no password", False),
            (
                [IceServer(urls="turn:no.such.name.invalid", username="u", credential="c")],
                "no relay candidate from turn:no.such.name.invalid:3478: not found in the DNS",
                True,
            ),
        ],
    )
    def test_without_the_relay_that_is_wanted_it_fails_at_once_and_says_why(
        self,
        loop: BackgroundLoop,
        heard: Heard,
        streamer: Streamer,
        servers: list[IceServer],
        why: str,
        recoverable: bool,
    ) -> None:
        peer = Peer(loop, heard, MonotonicClock(), relay_only=True)
        with pytest.raises(OdysseyConnectionError, match=f"ice_policy='relay' needs a relay: .*{why}") as caught:
            peer.answer(streamer.offer, servers).result(GENEROUS)
        assert (caught.value.code, caught.value.recoverable) == ("no_relay", recoverable)
        peer.close().result(GENEROUS)

    def test_a_loop_that_does_not_run_fails_the_future(self, heard: Heard) -> None:
        peer = Peer(BackgroundLoop(), heard, MonotonicClock())
        with pytest.raises(OdysseyConnectionError, match="closed"):
            peer.answer("v=0").result(GENEROUS)
        peer.add_candidate(IceCandidate(candidate=""))
        peer.close().result(GENEROUS)


class TestMalformedOffers:
    @pytest.mark.parametrize(
        "offer",
        [
            "",
            "hello",
            "v=0",
            "v=x\r\n",
            "v=0\r\nm=video\r\n",
            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=fmtp:96 x\r\n",
            "\x00" * 9,
        ],
    )
    def test_no_sdp_is_malformed(self, peer: Peer, offer: str) -> None:
        with pytest.raises(MalformedMessageError, match="The streamer's offer") as caught:
            peer.answer(offer).result(GENEROUS)
        assert caught.value.problems

    @pytest.mark.parametrize("part", range(1, 40))
    def test_a_truncated_offer_is_answered_or_malformed_and_nothing_else(
        self, peer: Peer, streamer: Streamer, part: int
    ) -> None:
        error = peer.answer(streamer.offer[: len(streamer.offer) * part // 40]).exception(GENEROUS)
        assert error is None or isinstance(error, MalformedMessageError)

    @pytest.mark.parametrize(
        ("pattern", "instead"),
        [
            (r"a=setup:\w+", "a=setup:nonsense"),
            (r"a=setup:\w+\r\n", ""),
            (r"a=ice-ufrag:.*\r\n", ""),
            (r"a=ice-pwd:.*\r\n", ""),
            (r"a=fingerprint:.*\r\n", ""),
            (r"a=fingerprint:\S+ ", "a=fingerprint:"),
            (r"a=rtcp-mux\r\n", ""),
            (r"a=rtpmap:(\d+) .*\r\n", r"a=rtpmap:\1 x\r\n"),
            (r"a=sctp-port:\d+", "a=sctp-port:x"),
            (r"a=ssrc:\d+", "a=ssrc:x"),
            (r"m=video", "m=picture"),
            (r"m=application", "m=data"),
            (r"a=sendrecv", "a=recvonly"),
            (r"a=sendrecv", "a=inactive"),
            (r"a=extmap:\d+", "a=extmap:x"),
        ],
    )
    def test_an_offer_with_a_broken_line_is_malformed(
        self, peer: Peer, streamer: Streamer, pattern: str, instead: str
    ) -> None:
        offer = re.sub(pattern, instead, streamer.offer)
        assert offer != streamer.offer
        with pytest.raises(MalformedMessageError):
            peer.answer(offer).result(GENEROUS)

    def test_the_error_says_what_an_offer_lacks(self, peer: Peer, make_streamer: Callable[..., Streamer]) -> None:
        with pytest.raises(MalformedMessageError, match="has no video"):
            peer.answer(make_streamer(tracks=(AudioStreamTrack,)).offer).result(GENEROUS)
        with pytest.raises(MalformedMessageError, match="has no data channel"):
            peer.answer(make_streamer(channels=False).offer).result(GENEROUS)

    def test_no_text_shows_the_offer(self, peer: Peer, streamer: Streamer) -> None:
        offer = re.sub(r"a=ice-pwd:.*", "a=ice-pwd:secret4711\r\na=setup:secret4711", streamer.offer)
        with pytest.raises(MalformedMessageError) as caught:
            peer.answer(offer).result(GENEROUS)
        assert "secret4711" not in str(caught.value)

    @pytest.mark.parametrize(
        ("codec", "expected"), [("auto", ["H264", "VP8"]), ("h264", ["H264"]), ("vp8", ["VP8"])]
    )
    def test_the_codec_that_is_wanted_comes_first(
        self, loop: BackgroundLoop, heard: Heard, streamer: Streamer, codec: Any, expected: list[str]
    ) -> None:
        assert re.findall(r"a=rtpmap:\d+ (VP8|H264)", streamer.offer)[0] == "VP8", "what it would take by itself"
        peer = Peer(loop, heard, MonotonicClock(), loopback=True, codec=codec)
        answer = peer.answer(streamer.offer).result(GENEROUS)
        assert [*dict.fromkeys(re.findall(r"a=rtpmap:\d+ (VP8|H264)", answer))] == expected
        peer.close().result(GENEROUS)

    @pytest.mark.parametrize(("codec", "offered"), [("h264", "VP8"), ("vp8", "H264")])
    def test_a_codec_that_is_not_offered_is_reported(
        self, loop: BackgroundLoop, heard: Heard, streamer: Streamer, codec: Any, offered: str
    ) -> None:
        other = {"VP8": "H264", "H264": "VP8"}[offered]
        peer = Peer(loop, heard, MonotonicClock(), loopback=True, codec=codec)
        with pytest.raises(OdysseyConnectionError, match="codec='auto'") as caught:
            peer.answer(streamer.offer.replace(other, "other")).result(GENEROUS)
        assert caught.value.code == "no_common_codec"
        peer.close().result(GENEROUS)

    def test_video_that_cannot_be_decoded_is_not_reported_as_malformed(
        self, peer: Peer, streamer: Streamer
    ) -> None:
        with pytest.raises(OdysseyConnectionError) as caught:
            peer.answer(streamer.offer.replace("VP8", "XP8").replace("H264", "X264")).result(GENEROUS)
        assert caught.value.code == "no_common_codec"


class TestCandidates:
    @pytest.mark.parametrize("form", ["{}", "candidate:{}", "a=candidate:{}", "  candidate:{}  "])
    @pytest.mark.parametrize("when", ["before the offer", "after the offer"])
    def test_they_may_trickle_in_every_form_before_and_after_the_offer(
        self, peer: Peer, streamer: Streamer, heard: Heard, form: str, when: str
    ) -> None:
        offer, found = without_candidates(streamer.offer)
        candidates = [
            IceCandidate(candidate=form.format(each.removeprefix("candidate:")), sdp_mid="0", sdp_mline_index=0)
            for each in found
        ]
        if when == "before the offer":
            for candidate in candidates:
                peer.add_candidate(candidate)
        answer = peer.answer(offer).result(GENEROUS)
        if when == "after the offer":
            for candidate in candidates:
                peer.add_candidate(candidate)
        streamer.accept(without_candidates(answer)[0])  # only one side has candidates, so they must be used
        heard.wait("open")

    @pytest.mark.parametrize(("mid", "index"), [("0", None), (None, 0), (None, None)])
    def test_their_section_may_be_given_by_name_or_by_index_or_not_at_all(
        self, peer: Peer, streamer: Streamer, heard: Heard, mid: str | None, index: int | None
    ) -> None:
        offer, found = without_candidates(streamer.offer)
        answer = peer.answer(offer).result(GENEROUS)
        for each in found:
            peer.add_candidate(IceCandidate(candidate=each, sdp_mid=mid, sdp_mline_index=index))
        streamer.accept(without_candidates(answer)[0])
        heard.wait("open")

    def test_the_end_of_a_bundled_section_does_not_end_the_one_that_counts(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        offer, found = without_candidates(streamer.offer)
        answer = peer.answer(offer).result(GENEROUS)
        peer.add_candidate(IceCandidate(candidate="", sdp_mid="1", sdp_mline_index=1))
        for each in found:
            peer.add_candidate(IceCandidate(candidate=each, sdp_mid="0", sdp_mline_index=0))
        streamer.accept(without_candidates(answer)[0])
        heard.wait("open")

    def test_once_all_have_failed_the_lack_of_a_path_is_reported(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        offer, _ = without_candidates(streamer.offer)
        peer.answer(offer, [IceServer(urls="stuns:a.example")]).result(GENEROUS)
        peer.add_candidate(IceCandidate(candidate="", sdp_mid="0", sdp_mline_index=0))
        error = heard.wait("lost", "ice_failed")[2]
        assert "No network path to the streamer" in str(error)
        assert "stuns:a.example:5349 is not supported" in str(error)
        assert error.recoverable

    @pytest.mark.parametrize(
        "text",
        [
            "candidate:1",
            "nonsense",
            "1 1 udp x 127.0.0.1 1 typ host",
            "1 1 udp 1 not-an-address 1 typ host",
            "1 1 udp 1 127.0.0.1 99999 typ host",
            "1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
            "1 1 udp 1 127.0.0.1 1 typ nonsense",
            "1 9 udp 1 127.0.0.1 1 typ host",
            "1 1 udp 1 fe80::1 9 typ host",
            "1 1 udp 1 0.0.0.0 0 typ host",
            "\x00" * 8,
        ],
    )
    def test_one_that_cannot_be_used_is_ignored(
        self, peer: Peer, streamer: Streamer, heard: Heard, text: str
    ) -> None:
        answer = peer.answer(without_candidates(streamer.offer)[0])
        peer.add_candidate(IceCandidate(candidate=text, sdp_mid="0"))
        streamer.accept(answer.result(GENEROUS))
        heard.wait("open")
        assert "lost" not in heard.kinds()

    @pytest.mark.parametrize("line", ["a=candidate:nonsense", "a=candidate:1 1 udp 1 127.0.0.1 99999 typ host"])
    def test_one_in_the_offer_that_cannot_be_used_is_ignored(
        self, peer: Peer, streamer: Streamer, heard: Heard, line: str
    ) -> None:
        offer = streamer.offer.replace("a=candidate:", f"{line}\r\na=candidate:", 1)
        streamer.accept(peer.answer(offer).result(GENEROUS))
        heard.wait("open")

    def test_one_that_cannot_be_read_is_logged_without_its_text(
        self, peer: Peer, streamer: Streamer, caplog: pytest.LogCaptureFixture
    ) -> None:
        peer.answer(streamer.offer).result(GENEROUS)
        peer.add_candidate(IceCandidate(candidate="secret 4711", sdp_mid="0"))
        peer.answer(streamer.offer).result(GENEROUS)
        assert "an ICE candidate of the streamer was ignored" in caplog.text
        assert "secret" not in caplog.text

    @pytest.mark.parametrize("trickled", [False, True])
    def test_names_that_nobody_resolves_hold_nothing_up(
        self, peer: Peer, streamer: Streamer, heard: Heard, trickled: bool
    ) -> None:
        hidden = "candidate:1 1 udp 2130706431 0c7c0e4a-6a3d-4c5e-9f3d-111111111111.local 50000 typ host"
        offer = streamer.offer
        if trickled:
            peer.add_candidate(IceCandidate(candidate=hidden, sdp_mid="0", sdp_mline_index=0))
        else:
            offer = offer.replace("a=candidate:", f"a={hidden}\r\na=candidate:", 1)
        streamer.accept(peer.answer(offer).result(GENEROUS))
        heard.wait("open")
        heard.wait_for_frames(2)


class TestMessages:
    def test_they_arrive_on_the_other_side_in_their_order(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        connect(peer, streamer, heard)
        arrived = threading.Event()
        streamer.loop.call_soon(
            streamer.incoming.on, "message", lambda _: len(streamer.received) >= 100 and arrived.set()
        )
        streamer.run(asyncio.sleep(0))
        for number in range(100):
            peer.send(f"grüße {number}")
        assert arrived.wait(GENEROUS)
        assert streamer.received == [f"grüße {number}" for number in range(100)]

    def test_those_that_the_streamer_sends_the_moment_it_can_are_not_lost(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        streamer.greeting = tuple(f"early {number}" for number in range(20))
        connect(peer, streamer, heard)
        heard.wait("message", "early 19")
        assert [event[1] for event in heard.events if event[0] == "message"] == list(streamer.greeting)

    def test_bytes_and_empty_messages_are_passed_on_as_they_came(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        streamer.greeting = (b"\x00\x01", b"", "", "text")
        connect(peer, streamer, heard)
        heard.wait("message", "text")
        assert [event[1] for event in heard.events if event[0] == "message"] == [b"\x00\x01", b"", "", "text"]

    def test_sending_before_the_channel_is_open_is_refused(self, peer: Peer) -> None:
        with pytest.raises(OdysseyStreamError) as caught:
            peer.send("early")
        assert caught.value.code == "channel_not_open"

    def test_sending_after_the_close_is_refused(self, peer: Peer, streamer: Streamer, heard: Heard) -> None:
        connect(peer, streamer, heard)
        peer.close().result(GENEROUS)
        with pytest.raises(OdysseyStreamError):
            peer.send("late")

    def test_a_message_as_large_as_allowed_arrives_and_a_larger_one_is_refused(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        connect(peer, streamer, heard)
        arrived = threading.Event()
        streamer.loop.call_soon(streamer.incoming.on, "message", lambda _: arrived.set())
        streamer.run(asyncio.sleep(0))
        with pytest.raises(OdysseyStreamError) as caught:
            peer.send("ü" * (peer.max_message_size // 2) + "x")
        assert caught.value.code == "message_too_large"
        peer.send("ü" * (peer.max_message_size // 2))
        assert arrived.wait(GENEROUS)
        assert len(streamer.received) == 1

    def test_a_message_that_the_closing_channel_overtakes_is_dropped(
        self, peer: Peer, streamer: Streamer, heard: Heard, loop: BackgroundLoop
    ) -> None:
        connect(peer, streamer, heard)
        channel = peer._channels._outgoing
        assert channel is not None
        held, close_first = threading.Event(), threading.Event()
        loop.call_soon(lambda: (held.set(), close_first.wait(GENEROUS), channel.close()))
        assert held.wait(GENEROUS)
        peer.send("too late")
        close_first.set()
        heard.wait("channel closed", "clientToStreamer")

    def test_a_channel_that_the_streamer_closes_is_reported_while_video_goes_on(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        connect(peer, streamer, heard)
        streamer.loop.call_soon(streamer.outgoing.close)
        heard.wait("channel closed", "streamerToClient")
        heard.wait_for_frames(len(heard.frames) + 5)
        assert "lost" not in heard.kinds()

    def test_channels_of_other_names_are_ignored(self, peer: Peer, streamer: Streamer, heard: Heard) -> None:
        connect(peer, streamer, heard)
        talked = threading.Event()

        async def talk_on_another() -> None:
            another = streamer.pc.createDataChannel("another")
            another.on("open", lambda: (another.send("not for us"), talked.set()))

        streamer.run(talk_on_another())
        assert talked.wait(GENEROUS)
        streamer.send("for us")
        heard.wait("message", "for us")
        assert heard.kinds().count("open") == 1
        assert heard.kinds().count("message") == 1

    def test_a_listener_that_fails_ends_nothing(
        self, loop: BackgroundLoop, streamer: Streamer, heard: Heard, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Failing(Heard):
            def on_message(self, message: str | bytes) -> None:
                if message == "fail":
                    raise KeyError(message)
                super().on_message(message)

        failing = Failing()
        peer = Peer(loop, failing, MonotonicClock(), loopback=True)
        connect(peer, streamer, failing)
        streamer.send("fail")
        streamer.send("go on")
        failing.wait("message", "go on")
        peer.close().result(GENEROUS)
        assert "the listener of a peer connection failed" in caplog.text


class TestLoss:
    def test_a_streamer_that_closes_is_reported_once(self, peer: Peer, streamer: Streamer, heard: Heard) -> None:
        connect(peer, streamer, heard)
        streamer.close()
        heard.wait("lost", "peer_closed")
        peer.close().result(GENEROUS)
        assert heard.kinds().count("lost") == 1
        assert "channel closed" not in heard.kinds()

    def test_video_that_the_streamer_ends_is_reported(self, peer: Peer, streamer: Streamer, heard: Heard) -> None:
        connect(peer, streamer, heard)
        heard.wait_for_frames(1)
        streamer.run(streamer.pc.getSenders()[0].stop())
        heard.wait("lost", "video_ended")

    def test_a_streamer_that_falls_silent_is_reported(
        self, peer: Peer, streamer: Streamer, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.1)  # otherwise, aioice gives up only after 30 s
        connect(peer, streamer, heard)
        heard.wait("state", "connected")
        streamer.loop.call_soon(_fall_silent, streamer.pc)
        assert heard.wait("lost")[1] in ("peer_lost", "peer_closed")
        peer.close().result(GENEROUS)
        assert heard.kinds().count("lost") == 1

    def test_a_streamer_gives_a_sign_of_life_until_it_falls_silent(
        self, loop: BackgroundLoop, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        connect(peer, streamer, heard)
        heard.wait("state", "connected")
        peer.ask_for_sign_of_life(lambda: heard.on_message("a sign"))
        heard.wait("message", "a sign")
        silenced = threading.Event()
        streamer.loop.call_soon(_fall_silent, streamer.pc)
        streamer.loop.call_soon(silenced.set)
        assert silenced.wait(GENEROUS)
        assert not loop.run(liveness.answers(peer.peer_connection), GENEROUS)

    def test_one_that_is_cut_leaves_no_socket(self, peer: Peer, streamer: Streamer, heard: Heard) -> None:
        connect(peer, streamer, heard)
        heard.wait("state", "connected")
        (agent,) = candidates.agents(cast("Any", peer.peer_connection))
        transports = [protocol.transport for protocol in agent._protocols]
        assert transports
        peer.close(0.0).result(GENEROUS)
        assert [transport.is_closing() for transport in transports] == [True] * len(transports), transports

    def test_a_sign_of_life_measures_the_path_if_the_first_check_is_answered(
        self, loop: BackgroundLoop, peer: Peer, streamer: Streamer, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 1000)  # aioice's own checks use `send_stun`, too
        connect(peer, streamer, heard)
        heard.wait("state", "connected")
        measured: list[float] = []
        while not measured:  # on a busy machine, the answer may come too late to count
            assert loop.run(liveness.answers(peer.peer_connection, measured.append), GENEROUS)
        assert 0 < measured[0] < 0.5
        ((_, pair),) = liveness._pairs(cast("Any", peer.peer_connection))
        send, sent = pair.protocol.send_stun, []

        def lose_first(message: Any, address: Any) -> None:
            sent.append(message)
            if len(sent) > 1:
                send(message, address)

        monkeypatch.setattr(pair.protocol, "send_stun", lose_first)
        measured.clear()
        assert loop.run(liveness.answers(peer.peer_connection, measured.append), GENEROUS)
        assert len(sent) == 2
        assert sent[0] is sent[1]
        assert measured == [], "it may be the answer to either"

    def test_who_cannot_be_asked_for_a_sign_of_life_counts_as_there(
        self,
        loop: BackgroundLoop,
        peer: Peer,
        streamer: Streamer,
        heard: Heard,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert loop.run(liveness.answers(None), GENEROUS)
        connect(peer, streamer, heard)
        monkeypatch.delattr(aioice.ice.Connection, "build_request")
        assert loop.run(liveness.answers(peer.peer_connection), GENEROUS)

    def test_encryption_that_does_not_match_the_offer_is_reported(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        forged = re.sub(r"(a=fingerprint:\S+) \S\S", r"\1 00", streamer.offer)
        streamer.accept(peer.answer(forged).result(GENEROUS))
        heard.wait("lost", "dtls_failed")

    def test_the_lack_of_a_path_is_reported_with_what_was_tried(
        self, peer: Peer, streamer: Streamer, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(path_search, "_PATH_DEADLINE_S", 0.1)
        server = IceServer(urls="turn:no.such.name.invalid", username="user", credential="secret-4711")
        peer.prepare([server])
        eventually(lambda: peer.notes)  # the name is looked up, which may take longer than the search
        peer.answer(streamer.offer, [server]).result(GENEROUS)  # the streamer never gets the answer
        _, _, error = heard.wait("lost", "ice_failed")
        assert str(error) == (
            "No network path to the streamer was found (host candidates were tried); "
            "no relay candidate from turn:no.such.name.invalid:3478: not found in the DNS"
        )
        assert error.recoverable

    def test_a_connection_is_not_given_up_once_it_is_there(
        self,
        loop: BackgroundLoop,
        peer: Peer,
        streamer: Streamer,
        heard: Heard,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        connect(peer, streamer, heard)
        monkeypatch.setattr(path_search, "_PATH_DEADLINE_S", 0.0)
        loop.run(peer._watch_path(), GENEROUS)
        assert "lost" not in heard.kinds()

    def test_nothing_is_reported_after_the_close(
        self, loop: BackgroundLoop, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        async def others_end() -> None:
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

        connect(peer, streamer, heard)
        peer.close().result(GENEROUS)
        told, frames = list(heard.events), len(heard.frames)
        streamer.close()
        loop.run(others_end(), GENEROUS)  # a task that is left may report something later
        assert (heard.events, len(heard.frames)) == (told, frames)
        assert "lost" not in heard.kinds()


def _fall_silent(pc: RTCPeerConnection) -> None:
    connection = cast("Any", pc.getTransceivers()[0].receiver.transport.transport)._connection
    for protocol in connection._protocols:
        protocol.datagram_received = lambda *_: None
        protocol.send_stun = lambda *_: None


class SilentTurn(asyncio.DatagramProtocol):
    """A TURN server that grants an allocation and then stops answering."""

    def __init__(self) -> None:
        self.allocations: set[bytes] = set()
        """The transaction ids: a request is sent again, with its id, if the answer takes half a second."""
        self.given_back = threading.Event()

    @classmethod
    async def listen(cls) -> "SilentTurn":
        _, server = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        return server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.url = f"turn:127.0.0.1:{transport.get_extra_info('sockname')[1]}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = stun.parse_message(data)
        if request.message_method is not stun.Method.ALLOCATE:
            self.given_back.set()
            return
        self.allocations.add(request.transaction_id)
        response = stun.Message(
            message_method=stun.Method.ALLOCATE,
            message_class=stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        response.attributes["LIFETIME"] = 600
        response.attributes["XOR-MAPPED-ADDRESS"] = addr
        response.attributes["XOR-RELAYED-ADDRESS"] = ("127.0.0.1", 9)
        self.transport.sendto(bytes(response), addr)


class Remains:
    """The threads, tasks and descriptors of this process."""

    def __init__(self, loop: BackgroundLoop) -> None:
        self.loop = loop
        gc.collect()
        self.before = self._count()

    def _count(self) -> collections.Counter[str]:
        found = collections.Counter(thread.name for thread in threading.enumerate())
        found["descriptors"] = len(list(Path("/proc/self/fd").iterdir()))
        return found

    async def _tasks(self) -> list[str]:
        return [repr(task) for task in asyncio.all_tasks() - {asyncio.current_task()}]

    def assert_none(self) -> None:
        assert self.loop.run(self._tasks(), GENEROUS) == []
        # Neither the lookup of a name nor an encoder can be interrupted: their threads end later than all else.
        # Leftovers of an earlier test may also have ended meanwhile.
        assert_gone(lambda: self._count() - self.before)


class TestClose:
    def test_frames_that_still_wait_are_not_decoded(
        self, peer: Peer, streamer: Streamer, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decode, decoded, may_decode = DecodingQueue._decode, [], threading.Event()

        def decode_later(queue: DecodingQueue, *frame: Any) -> list[Any]:
            decoded.append(frame)
            assert may_decode.wait(GENEROUS)
            return decode(queue, *frame)

        monkeypatch.setattr(DecodingQueue, "_decode", decode_later)
        connect(peer, streamer, heard)
        assert peer._receiving is not None
        waiting: Any = peer._receiving._decoding
        eventually(lambda: waiting._tasks.qsize() >= 3)
        closed = peer.close()
        eventually(lambda: not waiting._is_wanted)
        may_decode.set()
        closed.result(GENEROUS)
        assert len(decoded) == 1

    @pytest.fixture
    def remains(self, loop: BackgroundLoop, capfd: pytest.CaptureFixture[str]) -> Iterator[Remains]:
        """Assert that the test leaves no thread, task or descriptor, and prints nothing."""
        remains = Remains(loop)
        yield remains
        remains.assert_none()
        assert capfd.readouterr().err == ""

    @pytest.mark.usefixtures("remains")
    class TestAtEveryStage:
        def test_before_anything(self, peer: Peer) -> None:
            peer.close().result(GENEROUS)

        def test_after_a_candidate(self, peer: Peer) -> None:
            peer.add_candidate(IceCandidate(candidate="1 1 udp 1 127.0.0.1 9 typ host", sdp_mid="0"))
            peer.close().result(GENEROUS)

        def test_while_names_are_looked_up(self, peer: Peer) -> None:
            peer.prepare([IceServer(urls="stun:no.such.name.invalid")])
            peer.close().result(GENEROUS)

        def test_while_it_answers(self, peer: Peer, make_streamer: Callable[..., Streamer]) -> None:
            streamer = make_streamer()
            answer = peer.answer(streamer.offer)
            peer.close().result(GENEROUS)
            assert answer.done()
            streamer.close()

        def test_after_an_offer_that_was_malformed(self, peer: Peer) -> None:
            with pytest.raises(MalformedMessageError):
                peer.answer("v=0").result(GENEROUS)
            peer.close().result(GENEROUS)

        def test_after_an_offer_that_failed_halfway(
            self, peer: Peer, make_streamer: Callable[..., Streamer]
        ) -> None:
            streamer = make_streamer()
            with pytest.raises(MalformedMessageError):
                peer.answer(re.sub(r"a=rtcp-mux\r\n", "", streamer.offer)).result(GENEROUS)
            peer.close().result(GENEROUS)
            streamer.close()

        def test_while_ice_finds_no_path(
            self, peer: Peer, make_streamer: Callable[..., Streamer], heard: Heard
        ) -> None:
            streamer = make_streamer()
            peer.answer(streamer.offer).result(GENEROUS)  # the streamer never gets the answer
            heard.wait("state", "connecting")
            peer.close().result(GENEROUS)
            streamer.close()

        def test_while_the_encryption_is_set_up(
            self, peer: Peer, make_streamer: Callable[..., Streamer], heard: Heard
        ) -> None:
            streamer = make_streamer()
            asked = threading.Event()

            async def never(_: object) -> None:
                asked.set()
                await asyncio.get_running_loop().create_future()

            cast("Any", streamer.pc.getTransceivers()[0].receiver.transport).start = never
            streamer.accept(peer.answer(streamer.offer).result(GENEROUS))
            assert asked.wait(GENEROUS)
            peer.close().result(GENEROUS)
            streamer.close()

        def test_while_it_is_connected(
            self, peer: Peer, make_streamer: Callable[..., Streamer], heard: Heard
        ) -> None:
            streamer = make_streamer(tracks=(VideoStreamTrack, AudioStreamTrack))
            connect(peer, streamer, heard)
            heard.wait_for_frames(1)
            peer.close().result(GENEROUS)
            streamer.close()

        def test_after_the_streamer_has_gone(
            self, peer: Peer, make_streamer: Callable[..., Streamer], heard: Heard
        ) -> None:
            streamer = make_streamer()
            connect(peer, streamer, heard)
            streamer.close()
            heard.wait("lost")
            peer.close().result(GENEROUS)

        def test_while_the_streamer_goes(
            self, peer: Peer, make_streamer: Callable[..., Streamer], heard: Heard
        ) -> None:
            streamer = make_streamer()
            connect(peer, streamer, heard)
            going = streamer.loop.submit(streamer.pc.close())
            peer.close().result(GENEROUS)
            going.result(GENEROUS)
            streamer.close()

        def test_with_turn_servers_that_have_died(
            self, peer: Peer, make_streamer: Callable[..., Streamer], loop: BackgroundLoop
        ) -> None:
            streamer = make_streamer()
            servers = [streamer.run(SilentTurn.listen()) for _ in range(2)]
            urls = [server.url for server in servers]
            given = [IceServer(urls=urls, username="user", credential="secret")]
            assert " typ relay" in peer.answer(streamer.offer, given).result(GENEROUS)
            peer.close(timeout=0.1).result(GENEROUS)  # stock aiortc takes 40 s for each
            assert [len(server.allocations) for server in servers] == [1, 1]
            for server in servers:
                streamer.loop.call_soon(server.transport.close)
            streamer.close()

        def test_while_a_relay_waits_for_the_offer(
            self, peer: Peer, make_streamer: Callable[..., Streamer], loop: BackgroundLoop
        ) -> None:
            streamer = make_streamer()
            server = streamer.run(SilentTurn.listen())
            peer.prepare([IceServer(urls=server.url, username="user", credential="secret")])

            async def allocated() -> None:
                await asyncio.wait(peer._path.servers._ahead)

            loop.run(allocated(), GENEROUS)
            peer.close(timeout=0.1).result(GENEROUS)
            assert server.given_back.wait(GENEROUS)
            streamer.loop.call_soon(server.transport.close)
            streamer.close()

        def test_many_times_in_a_row(self, loop: BackgroundLoop, make_streamer: Callable[..., Streamer]) -> None:
            for _ in range(10):
                streamer, heard = make_streamer(), Heard()
                peer = Peer(loop, heard, MonotonicClock(), loopback=True)
                connect(peer, streamer, heard)
                peer.close().result(GENEROUS)
                streamer.close()

    def test_it_may_be_asked_for_again_and_from_many_threads(
        self, peer: Peer, streamer: Streamer, heard: Heard
    ) -> None:
        connect(peer, streamer, heard)
        futures: list[Future[None]] = []
        threads = [threading.Thread(target=lambda: futures.append(peer.close())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GENEROUS)
        assert [future.result(GENEROUS) for future in futures] == [None] * 8

    def test_an_answer_that_is_asked_for_meanwhile_is_given_up(
        self, loop: BackgroundLoop, heard: Heard, make_streamer: Callable[..., Streamer]
    ) -> None:
        streamer = make_streamer()
        remains = Remains(loop)
        for _ in range(20):
            peer = Peer(loop, heard, MonotonicClock(), loopback=True)
            closing = threading.Thread(target=peer.close)
            closing.start()
            answer = peer.answer(streamer.offer)
            closing.join(GENEROUS)
            peer.close().result(GENEROUS)
            assert answer.done()
        remains.assert_none()

    def test_it_may_be_asked_for_on_the_loops_thread(
        self, peer: Peer, streamer: Streamer, heard: Heard, loop: BackgroundLoop
    ) -> None:
        connect(peer, streamer, heard)

        async def close() -> None:
            await asyncio.wrap_future(peer.close())

        loop.run(close(), GENEROUS)

    def test_waiting_for_it_can_be_given_up_without_giving_it_up(self, peer: Peer) -> None:
        peer.prepare([])
        future = peer.close()
        assert not future.cancel()
        assert future.result(GENEROUS) is None

    def test_it_refuses_everything_after(self, peer: Peer, streamer: Streamer) -> None:
        peer.close()
        with pytest.raises(OdysseyConnectionError, match="closed"):
            peer.answer(streamer.offer).result(GENEROUS)
        peer.prepare([])
        peer.add_candidate(IceCandidate(candidate=""))

    @pytest.mark.parametrize("closed_first", [False, True])
    def test_stopping_the_loop_ends_a_connection_in_order(
        self, loop: BackgroundLoop, streamer: Streamer, heard: Heard, closed_first: bool
    ) -> None:
        peer = Peer(loop, heard, MonotonicClock(), loopback=True)
        connect(peer, streamer, heard)
        told = threading.Event()
        streamer.loop.call_soon(
            streamer.pc.on, "connectionstatechange", lambda: streamer.pc.connectionState == "closed" and told.set()
        )
        streamer.run(asyncio.sleep(0))
        if closed_first:
            peer.close()
        assert loop.stop(GENEROUS)
        peer.close().result(GENEROUS)
        assert told.wait(GENEROUS)
        assert "lost" not in heard.kinds()


CONNECTED = """
    import sys, threading
    sys.path.insert(0, {root!r})
    from tests.support.peers import Heard, Streamer
    from odyssey_proto._base.clock import MonotonicClock
    from odyssey_proto._base.event_loop import BackgroundLoop
    from odyssey_proto._net.webrtc.peer import Peer

    loop = BackgroundLoop(); loop.start()
    streamer, heard = Streamer(), Heard()
    peer = Peer(loop, heard, MonotonicClock(), loopback={loopback})
    streamer.accept(peer.answer(streamer.offer).result(30))
    heard.wait("open"); heard.wait_for_frames(2)
    streamer.close()
    print("connected", flush=True)
"""


def program(then: str, *, loopback: bool = True) -> str:
    root = str(Path(__file__).parents[2])
    return textwrap.dedent(CONNECTED).format(root=root, loopback=loopback) + textwrap.dedent(then)


class TestInterpreter:
    def test_a_program_that_ends_without_closing_ends_in_silence(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", program("")], capture_output=True, text=True, timeout=4 * GENEROUS, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "connected\n", "")

    def test_a_program_that_fails_shows_its_own_traceback_only(self) -> None:
        with loaded_python(program("raise KeyError('mine')")) as process:
            assert process.ended(GENEROUS) == 1
            errors = process.stderr
        assert errors.count("Traceback") == 1
        assert errors.endswith("KeyError: 'mine'\n")

    def test_ctrl_c_ends_a_program_with_its_own_traceback_only(self) -> None:
        with loaded_python(program("threading.Event().wait()")) as process:
            assert process.line(GENEROUS) == "connected"
            process.signal(signal.SIGINT)
            assert process.ended(GENEROUS) != 0
            errors = process.stderr
        assert errors.count("Traceback") == 1
        assert errors.endswith("KeyboardInterrupt\n")

    @pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
        reason="needs root and unshare",
    )
    @pytest.mark.netns
    def test_it_connects_where_lo_is_the_only_interface(self) -> None:
        alone = ["unshare", "-n", "sh", "-c", "ip link set lo up && echo $$ && read -r _"]
        code = program("peer.close().result(30)", loopback=False)
        with (
            Process(alone) as machine,
            loaded_python(code, namespaces=[f"/proc/{machine.line()}/ns/net"]) as process,
        ):
            assert process.ended(GENEROUS) == 0
            assert (process.rest(), process.stderr) == (["connected"], "")

    def test_aiortc_is_loaded_by_the_first_connection_or_by_warming_up(self) -> None:
        script = (
            "import sys, odyssey_proto._net.webrtc.peer as peer\n"
            "heavy = {'aiortc', 'av', 'numpy'}\n"
            "print(sorted(heavy & set(sys.modules)))\n"
            "peer.warm()\n"
            "print(sorted(heavy & set(sys.modules)))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n['aiortc', 'av', 'numpy']\n"
