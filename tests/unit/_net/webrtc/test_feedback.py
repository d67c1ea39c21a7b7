"""Reports to the sender, in a receiver of aiortc: what is agreed on, and what is sent."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters
from aiortc.rtp import RtcpPacket, RtcpRrPacket, RtpPacket
from aiortc.sdp import SessionDescription

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.limits import RTP_SOURCES_MOST
from odyssey_proto._net.webrtc import feedback, jitter, repair
from odyssey_proto._net.webrtc.feedback import Terms
from odyssey_proto._net.webrtc.recovery import Recovery
from odyssey_proto._net.webrtc.transport_feedback import URI
from odyssey_proto._video.meters import VideoTotals
from tests.support.coroutines import in_time
from tests.support.rtcp import read_limit, read_packet_report
from tests.support.rtp import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

VIDEO: Final = 97
AGAIN: Final = 98
OURS: Final = 5


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time


class Receiver:
    """A receiver of aiortc with our reports and our requests; it records packets instead of sending them."""

    def __init__(self, *kinds: str) -> None:
        self.clock: Any = Time()
        self.totals, self.recovery = VideoTotals(self.clock), Recovery(lambda: 0.05)
        self.sent: list[bytes] = []
        self.receiver: Any = RTCRtpReceiver("video", Transport())
        feedbacks = [RTCRtcpFeedback(type=kind) for kind in kinds]
        codecs = self.receiver._RTCRtpReceiver__codecs
        codecs[VIDEO] = RTCRtpCodecParameters("video/VP8", 90_000, payloadType=VIDEO, rtcpFeedback=feedbacks)
        codecs[AGAIN] = RTCRtpCodecParameters("video/rtx", 90_000, payloadType=AGAIN, parameters={"apt": VIDEO})
        self.receiver._RTCRtpReceiver__rtx_ssrc[8] = 7
        self.receiver._set_rtcp_ssrc(OURS)
        self.receiver._send_rtcp = self.send
        buffer = jitter.install(self.receiver, self.clock, self.totals, self.recovery)
        assert buffer is not None
        requester = repair.install(self.receiver, buffer, self.recovery, self.clock, self.totals, self.spawn)
        installed = feedback.install(self.receiver, self.recovery, self.clock, self.totals, self.spawn)
        assert installed is not None
        assert requester is not None
        self.requester, self.feedback = requester, installed

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        with pytest.raises(StopIteration):
            coroutine.send(None)  # nothing in it waits

    async def send(self, packet: Any) -> None:
        self.sent.append(bytes(packet))

    async def take(self, number: int, *, at: float, again: bool = False, place: int | None = None) -> None:
        """Receive a packet ``at`` s after the start; every fifth packet ends a frame."""
        self.clock.time = 100 + at
        packet = RtpPacket(
            payload_type=AGAIN if again else VIDEO,
            sequence_number=number % 65536,
            timestamp=number // 5 * 4500,
            marker=int(number % 5 == 4),
            ssrc=8 if again else 7,
            payload=(number % 65536).to_bytes(2, "big") * again + b"\x10" + bytes(999),
        )
        packet.extensions.transport_sequence_number = place
        await self.receiver._handle_rtp_packet(packet, arrival_time_ms=0)

    def stop(self) -> None:
        self.feedback.stop()
        self.requester.stop()

    @property
    def reports(self) -> list[bytes]:
        """The packets sent, without the requests for lost packets."""
        return [packet for packet in self.sent if packet[0] == 0x8F]

    def report(self) -> Any:
        """Return aiortc's figures for the video stream, from which it makes its next receiver report."""
        streams = self.receiver._RTCRtpReceiver__remote_streams
        stream = streams[7]
        return (stream.fraction_lost, stream.packets_lost, stream.max_seq, stream.packets_received)


def run(receiver: Receiver, scene: Callable[[Receiver], Coroutine[Any, Any, None]]) -> Receiver:
    async def played() -> None:
        try:
            await scene(receiver)
        finally:
            receiver.stop()

    in_time(played())
    return receiver


# --- what is sent


def test_packets_with_a_number_are_reported_by_timer_the_repeated_ones_too() -> None:
    async def scene(receiver: Receiver) -> None:
        await receiver.take(1, at=0.0, place=65_535)
        await receiver.take(3, at=0.01, place=1)
        await receiver.take(2, at=0.03, place=2, again=True)
        receiver.clock.time = 100.2
        while not receiver.reports:
            await asyncio.sleep(0.01)

    found = run(Receiver("transport-cc"), scene)
    (report,) = (read_packet_report(packet) for packet in found.reports)
    assert (report.sender, report.source, report.count) == (OURS, 7, 0)
    assert report.times == pytest.approx({65_535: 100.0, 0: None, 1: 100.01, 2: 100.03}, abs=0.0002)


def test_packets_without_a_number_are_not() -> None:
    async def scene(receiver: Receiver) -> None:
        for number in range(20):
            await receiver.take(number, at=number / 100)
        assert receiver.feedback._timer is None

    assert run(Receiver("transport-cc"), scene).reports == []


def test_nothing_is_sent_after_the_end() -> None:
    async def scene(receiver: Receiver) -> None:
        await receiver.take(1, at=0.0, place=1)
        receiver.stop()
        await receiver.take(2, at=0.0, place=2)
        receiver.clock.time = 101.0
        await asyncio.sleep(0.15)

    assert run(Receiver("transport-cc"), scene).reports == []


def test_a_sender_that_obeys_limits_is_sent_some_and_the_estimate_is_kept_in_any_case() -> None:
    async def scene(receiver: Receiver) -> None:
        for number in range(500):
            await receiver.take(number, at=number * 0.01)

    limited, other = run(Receiver("goog-remb"), scene), run(Receiver(), scene)
    limits = [read_limit(packet) for packet in limited.reports]
    assert 8 <= len(limits) <= 10
    assert all((sender, streams) == (OURS, [7]) for sender, _, streams in limits)
    assert limits[0][1] == pytest.approx(1_200_000, rel=0.02)  # 1.5 times the bits of 100 packets a second
    assert limited.totals.bandwidth_bps == other.totals.bandwidth_bps
    assert other.reports == []


@pytest.mark.parametrize("again", [True, False], ids=["in a stream of its own", "in the same stream"])
def test_receiver_reports_say_what_the_link_lost_whatever_was_repaired(again: bool) -> None:
    async def scene(receiver: Receiver) -> None:
        for number in (65_530, 65_531, 65_533, 65_534, 65_535, 65_536):
            await receiver.take(number, at=0.0)
        await receiver.take(65_532, at=0.05, again=again)
        await receiver.take(65_532, at=0.06, again=again)

    found = run(Receiver(), scene)
    fraction, lost, highest, received = found.report()
    assert (fraction, lost, highest) == (256 // 7, 1, 65_536)
    assert received == 6 + 2 * (not again)
    assert found.totals.repaired == 1


def test_aiortc_sends_our_figures_in_its_receiver_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiortc.rtcrtpreceiver.random.random", lambda: -0.49)

    async def scene(receiver: Receiver) -> None:
        for number in (65_535, 65_537):
            await receiver.take(number, at=0.0)
        receiver.sent.clear()
        task = asyncio.ensure_future(receiver.receiver._run_rtcp())
        while not receiver.sent:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    (packet,) = RtcpPacket.parse(run(Receiver(), scene).sent[0])
    assert isinstance(packet, RtcpRrPacket)
    (block,) = packet.reports
    assert (block.ssrc, block.fraction_lost, block.packets_lost) == (7, 256 // 3, 1)
    assert block.highest_sequence == 65_537


def test_only_so_many_streams_are_reported() -> None:
    async def scene(receiver: Receiver) -> None:
        for ssrc in range(100):
            packet = RtpPacket(payload_type=VIDEO, sequence_number=1, ssrc=ssrc, payload=b"\x10x")
            await receiver.receiver._handle_rtp_packet(packet, arrival_time_ms=0)

    streams = run(Receiver(), scene).receiver._RTCRtpReceiver__remote_streams
    assert list(streams) == list(range(100 - RTP_SOURCES_MOST, 100))


def test_times_of_sending_wrap_around_and_frames_without_one_have_their_own() -> None:
    stream = feedback._Stream(Receiver().feedback, 90_000)
    packet = RtpPacket(timestamp=2**32 - 45_000)
    first = stream.sent(packet)
    packet.timestamp = 45_000
    assert stream.sent(packet) - first == 1.0
    packet.extensions.abs_send_time = 2**24 - 2**17
    first = stream.sent(packet)
    packet.extensions.abs_send_time = 2**17
    assert stream.sent(packet) - first == 1.0


# --- what is agreed on


async def offered(edit: Callable[[str], str]) -> str:
    pc = RTCPeerConnection()
    try:
        pc.createDataChannel("clientToStreamer")
        pc.addTransceiver("video", "sendonly")
        pc.addTransceiver("audio", "sendonly")
        await pc.setLocalDescription(await pc.createOffer())
        return edit(pc.localDescription.sdp)
    finally:
        await pc.close()


def answer_to(edit: Callable[[str], str], *, installed: bool = True) -> str:
    """Return a peer's answer to an offer of aiortc that ``edit`` has changed."""

    async def answer() -> str:
        offer = await offered(edit)
        pc = RTCPeerConnection()
        try:
            receiver = pc.addTransceiver("video", "recvonly").receiver
            clock = MonotonicClock()
            if installed:
                assert (
                    feedback.install(receiver, Recovery(), clock, VideoTotals(clock), lambda _: None) is not None
                )
            await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            if installed:
                feedback.agree(pc, receiver, feedback.terms(SessionDescription.parse(offer).media))
            sdp: str = (await pc.createAnswer()).sdp
        finally:
            await pc.close()
        return sdp

    return asyncio.run(answer())


def feedback_lines(sdp: str, number: int) -> list[str]:
    return re.findall(rf"^a=rtcp-fb:{number} ([^\r\n]+)", sdp, re.MULTILINE)


def extension_lines(sdp: str) -> list[str]:
    return re.findall(r"^a=extmap:([^\r\n]+)", sdp, re.MULTILINE)


def wants_reports(*numbers: object) -> Callable[[str], str]:
    def edit(sdp: str) -> str:
        lines = "".join(f"a=rtcp-fb:{number} transport-cc\r\n" for number in numbers)
        return sdp.replace("a=rtpmap:97 VP8/90000\r\n", f"a=rtpmap:97 VP8/90000\r\na=extmap:9 {URI}\r\n{lines}")

    return edit


def test_reports_on_each_packet_are_accepted_if_they_are_offered_and_take_the_place_of_limits() -> None:
    answer = answer_to(wants_reports("*"))
    assert f"9 {URI}" in extension_lines(answer)
    assert feedback_lines(answer, 97) == ["nack", "nack pli", "transport-cc"]
    assert feedback_lines(answer, 99) == ["nack", "nack pli", "transport-cc"]
    assert answer.count(URI) == 1, "not for the audio"


def test_codecs_without_them_keep_the_limits() -> None:
    answer = answer_to(wants_reports(99))
    assert f"9 {URI}" in extension_lines(answer)
    assert feedback_lines(answer, 97) == ["nack", "nack pli", "goog-remb"]
    assert feedback_lines(answer, 99) == ["nack", "nack pli", "transport-cc"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda sdp: sdp,
        wants_reports(),
        wants_reports(120),
        lambda sdp: wants_reports("*")(sdp).replace(URI, "urn:x"),
    ],
    ids=["nothing", "only the numbers", "another codec", "only the reports"],
)
def test_nothing_is_accepted_that_was_not_offered_whole(edit: Callable[[str], str]) -> None:
    answer = answer_to(edit)
    assert URI not in answer
    assert "transport-cc" not in answer
    assert feedback_lines(answer, 97) == ["nack", "nack pli", "goog-remb"]


def test_an_offer_to_receive_offers_them_for_each_codec_of_the_video() -> None:
    sdp = "v=0\r\nm=audio 9 X 96\r\na=extmap:2 urn:a\r\nm=video 9 X 97 98\r\na=extmap:1 urn:m\r\n"
    sdp += "a=rtpmap:97 VP8/90000\r\na=rtpmap:98 rtx/90000\r\n"
    tail = "m=application 9 X\r\n"
    assert feedback.offering(sdp + tail) == f"{sdp}a=extmap:3 {URI}\r\na=rtcp-fb:97 transport-cc\r\n{tail}"


@pytest.mark.parametrize("accepted", [True, False])
def test_a_server_that_accepts_them_in_its_answer_is_sent_them(accepted: bool) -> None:
    async def shake_hands() -> tuple[list[str], list[list[str]]]:
        ours, server = RTCPeerConnection(), RTCPeerConnection()
        try:
            receiver = ours.addTransceiver("video", "recvonly").receiver
            clock = MonotonicClock()
            assert feedback.install(receiver, Recovery(), clock, VideoTotals(clock), lambda _: None)
            await ours.setLocalDescription(await ours.createOffer())
            offer = feedback.offering(ours.localDescription.sdp)
            server.addTransceiver("video", "sendonly")
            await server.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await server.setLocalDescription(await server.createAnswer())
            answer = server.localDescription.sdp
            if accepted:
                answer = wants_reports(97)(answer)
            await ours.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            feedback.agree(ours, receiver, feedback.terms(SessionDescription.parse(answer).media))
            (transceiver,) = ours.getTransceivers()
            return [each.uri for each in transceiver._headerExtensions], [
                [each.type for each in codec.rtcpFeedback] for codec in transceiver._codecs
            ]
        finally:
            await ours.close()
            await server.close()

    extensions, kinds = asyncio.run(shake_hands())
    assert (URI in extensions) == accepted
    assert kinds[0] == ["nack", "nack", "transport-cc" if accepted else "goog-remb"]


def test_the_terms_of_a_description_are_those_of_its_video() -> None:
    async def described() -> dict[str, Terms]:
        return feedback.terms(SessionDescription.parse(await offered(wants_reports(97, 99))).media)

    (found,) = asyncio.run(described()).values()
    assert found == Terms(9, frozenset({97, 99}))


# --- other releases of aiortc


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("remote_streams", None),
        ("remote_streams", {7: object()}),
        ("remote_bitrate_estimator", None),
        ("codecs", []),
    ],
)
def test_a_receiver_of_another_shape_reports_in_its_own_way(
    attribute: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    receiver: Any = RTCRtpReceiver("video", Transport())
    setattr(receiver, f"_RTCRtpReceiver__{attribute}", value)
    clock = MonotonicClock()
    with caplog.at_level(logging.INFO, "odyssey_proto.webrtc"):
        assert feedback.install(receiver, Recovery(), clock, VideoTotals(clock), lambda _: None) is None
    assert "in its own way" in caplog.text
    assert getattr(receiver, f"_RTCRtpReceiver__{attribute}") is value
