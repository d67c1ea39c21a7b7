"""The private parts of other libraries that we replace or read, by name, as the installed releases have them.

Without most of them the client still works, more slowly or with fewer reports, and says so only in the log. So a
release that moves one must fail here, where it is named, before users notice it.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import importlib
import inspect
import io
import multiprocessing.process
import multiprocessing.util
import operator
import os
import queue
import re
import threading
from asyncio import selector_events
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import urllib3
import urllib3.connection
import websocket
from aioice import candidate, ice, stun, turn
from aiortc import RTCDtlsTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.codecs import depayload
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcdtlstransport import RTCCertificate
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
)
from aiortc.rtcrtpreceiver import NackGenerator, StreamStatistics, decoder_worker
from aiortc.rtp import HeaderExtensionsMap, RtpPacket, wrap_rtx

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._net.webrtc import candidates, decoding, feedback, intake, jitter, repair, transport_feedback
from odyssey_proto._net.webrtc.recovery import Recovery
from odyssey_proto._video.meters import VideoTotals
from tests.support.rtp import Transport

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def receiver() -> Any:
    return RTCRtpReceiver("video", Transport())


def parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


# --- aiortc: the receiver


def test_a_video_receiver_keeps_its_jitter_buffer_where_ours_is_put(receiver: Any) -> None:
    buffer = vars(receiver)["_RTCRtpReceiver__jitter_buffer"]
    assert type(buffer) is JitterBuffer
    known = {"_capacity": 512, "_is_video": True, "_origin": None, "_prefetch": 0, "_packets": [None] * 512}
    assert vars(buffer) == known


def test_a_jitter_buffer_has_the_methods_that_ours_overrides_and_calls() -> None:
    assert parameters(JitterBuffer.__init__) == ["capacity", "prefetch", "is_video"]
    assert parameters(JitterBuffer.add) == ["packet"]
    assert parameters(JitterBuffer.remove) == ["count"]
    assert parameters(JitterBuffer._remove_frame) == ["sequence_number"]
    assert parameters(JitterFrame.__init__) == ["data", "timestamp"]


def test_what_a_packet_holds_of_its_frame_is_where_the_buffer_looks_for_it() -> None:
    codec = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97)
    packet: Any = RtpPacket(payload_type=97, payload=b"\x10data")
    packet._data = depayload(codec, packet.payload)  # as the receiver does before it adds the packet to the buffer
    assert packet._data == b"data"
    assert "._data" in inspect.getsource(RTCRtpReceiver)


def test_a_video_receiver_keeps_its_decoder_where_ours_is_put(receiver: Any) -> None:
    attributes = vars(receiver)
    assert type(attributes["_RTCRtpReceiver__decoder_queue"]) is queue.Queue
    assert isinstance(attributes["_RTCRtpReceiver__decoder_error"], threading.Event)
    assert attributes["_RTCRtpReceiver__decoder_thread"] is None


def test_the_decoders_thread_takes_tasks_from_its_queue_until_there_is_none() -> None:
    class Empty:
        asked = 0

        def get(self) -> None:
            self.asked += 1

    async def work() -> int:
        tasks, frames = Empty(), asyncio.Queue[Any]()
        worker: Any = decoder_worker
        worker(asyncio.get_running_loop(), tasks, frames, threading.Event())
        await asyncio.wait_for(frames.get(), 10)  # the end of the track, which it passes on
        return tasks.asked

    assert asyncio.run(work()) == 1


def test_a_keyframe_is_asked_for_by_the_senders_number() -> None:
    assert parameters(RTCRtpReceiver._send_rtcp_pli) == ["media_ssrc"]
    assert inspect.iscoroutinefunction(RTCRtpReceiver._send_rtcp_pli)


def test_lost_packets_are_requested_where_ours_are(receiver: Any) -> None:
    generator = vars(receiver)["_RTCRtpReceiver__nack_generator"]
    assert type(generator) is NackGenerator
    assert vars(generator) == {"max_seq": None, "missing": set()}
    assert parameters(NackGenerator.add) == ["packet"]
    assert parameters(RTCRtpReceiver._send_rtcp_nack) == ["media_ssrc", "lost"]
    source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    assert "__nack_generator.add(packet)" in source
    assert "sorted(self.__nack_generator.missing)" in source


def test_a_retransmission_is_recognised_by_looking_up_its_ssrc(receiver: Any) -> None:
    assert vars(receiver)["_RTCRtpReceiver__rtx_ssrc"] == {}
    source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    assert source.index("self.__rtx_ssrc.get(packet.ssrc)") < source.index("unwrap_rtx(packet")
    assert source.index("unwrap_rtx(packet") < source.index("__nack_generator.add(packet)")


def test_what_a_sender_has_sent_is_kept_where_the_emulator_puts_its_own() -> None:
    async def parts() -> dict[str, Any]:
        return vars(RTCRtpSender("video", Transport()))  # type: ignore[arg-type]  # a sender needs no more

    attributes = asyncio.run(parts())
    assert (attributes["_RTCRtpSender__rtp_history"], attributes["_RTCRtpSender__rtt"]) == ({}, None)
    assert parameters(RTCRtpSender._retransmit) == ["sequence_number"]
    source = inspect.getsource(RTCRtpSender)
    assert "self.__rtp_history.get(sequence_number % RTP_HISTORY_SIZE)" in source
    assert "await self._retransmit(seq)" in source


def test_the_emulators_packets_leave_by_methods_of_a_transport_that_can_be_replaced() -> None:
    assert parameters(RTCDtlsTransport._send_rtp) == parameters(RTCDtlsTransport._handle_rtcp_data) == ["data"]
    source = inspect.getsource(RTCDtlsTransport._recv_next)
    assert "await self._handle_rtcp_data(data)" in source
    source = inspect.getsource(RTCRtpSender._run_rtp)
    assert source.index("self.__rtp_history[") < source.index("packet.serialize(") < source.index("._send_rtp(")
    assert "await self.transport._send_rtp(packet_bytes)" in inspect.getsource(RTCRtpSender._retransmit)
    assert "rtx.extensions = packet.extensions" in inspect.getsource(wrap_rtx)
    assert "headerExtensions=transceiver._headerExtensions" in inspect.getsource(RTCPeerConnection)


def test_the_rate_of_an_encoder_is_an_attribute_that_a_sender_sets() -> None:
    assert isinstance(H264Encoder.target_bitrate, property)
    assert isinstance(Vp8Encoder.target_bitrate, property)
    assert "self.__encoder.target_bitrate = bitrate" in inspect.getsource(RTCRtpSender._handle_rtcp_packet)


def test_what_is_reported_of_streams_is_kept_where_ours_is_put(receiver: Any) -> None:
    attributes = vars(receiver)
    assert attributes["_RTCRtpReceiver__remote_streams"] == {}
    assert type(attributes["_RTCRtpReceiver__remote_bitrate_estimator"]) is RemoteBitrateEstimator
    assert attributes["_RTCRtpReceiver__codecs"] == {}
    assert attributes["_RTCRtpReceiver__rtcp_ssrc"] is None
    assert vars(StreamStatistics(90_000))["_clockrate"] == 90_000
    source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    added = source.index("self.__remote_streams[packet.ssrc].add(packet)")
    assert source.index("self.__remote_streams[packet.ssrc] = StreamStatistics(codec.clockRate)") < added
    assert added < source.index("unwrap_rtx(packet")
    assert "if self.__remote_bitrate_estimator is not None" in source
    reported = inspect.getsource(RTCRtpReceiver._run_rtcp) + inspect.getsource(RTCRtpReceiver.getStats)
    read = set(re.findall(r"\bstream\.(\w+)", reported))
    assert read == {"fraction_lost", "packets_lost", "max_seq", "jitter", "packets_received"}
    assert parameters(RTCRtpReceiver._send_rtcp) == ["packet"]


def test_header_extensions_that_reports_need_are_read_if_they_were_agreed_on() -> None:
    extensions = HeaderExtensionsMap()
    agreed = [RTCRtpHeaderExtensionParameters(id=5, uri=transport_feedback.URI)]
    extensions.configure(RTCRtpReceiveParameters(headerExtensions=agreed))
    found = extensions.get(0xBEDE, b"\x51\x12\x34\x00")
    assert (found.transport_sequence_number, found.abs_send_time) == (0x1234, None)


def test_what_an_answer_says_of_codecs_and_extensions_is_kept_by_its_transceiver() -> None:
    async def transceiver() -> dict[str, Any]:
        pc = RTCPeerConnection()
        try:
            return vars(pc.addTransceiver("video", "recvonly"))
        finally:
            await pc.close()

    attributes = asyncio.run(transceiver())
    assert attributes["_codecs"] == attributes["_headerExtensions"] == []


# --- aiortc, aioice and asyncio: the path of a packet that `intake` shortens

# The parts that the fast path replaces. If a release changes one of these, compare `intake` and `packets` with it,
# then put its digest beside the others.
_SHORTENED: Final = {
    "aiortc.rtcrtpreceiver:RTCRtpReceiver._handle_rtp_packet": ("4e54983d021a6336",),
    "aiortc.rtcdtlstransport:RTCDtlsTransport._recv_next": ("998076720c05aa13",),
    "aiortc.rtcdtlstransport:RTCDtlsTransport._handle_rtp_data": ("5def9061cc3da1f6",),
    "aiortc.rtcdtlstransport:RtpRouter.route_rtp": ("e4bcc08d181438b7",),
    "aiortc.rtp:RtpPacket.parse": ("22109861dfce7bab",),
    "aiortc.rtp:HeaderExtensionsMap.get": ("7abeb1022f1d6bc1",),
    "aiortc.rtp:unpack_header_extensions": ("d78a8585d2b6ebc5",),
    "aiortc.rtp:is_rtcp": ("3f87dd1c953057eb",),
    "aiortc.codecs.h264:H264PayloadDescriptor.parse": ("05784986f349e6d4",),
    "aiortc.codecs.vpx:VpxPayloadDescriptor.parse": ("79619961962f23e6",),
    "aioice.ice:StunProtocol.datagram_received": ("ff4c8b910d45fb3a",),
    "aioice.ice:Connection.data_received": ("5631b17fab717d6b",),
    "aioice.ice:Connection.recvfrom": ("676acc01e4a9a9da",),
}


@pytest.mark.parametrize("path", list(_SHORTENED))
def test_what_the_fast_path_replaces_is_unchanged_since_that_was_written(path: str) -> None:
    assert digest(path) in _SHORTENED[path]


def digest(path: str) -> str:
    module, _, name = path.partition(":")
    source = inspect.getsource(operator.attrgetter(name)(importlib.import_module(module)))
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def test_the_parts_between_socket_and_receiver_are_where_the_fast_path_looks_for_them() -> None:
    async def transports() -> tuple[Any, Any]:
        transport = RTCDtlsTransport(RTCIceTransport(RTCIceGatherer()), [RTCCertificate.generateCertificate()])
        return transport, RTCRtpReceiver("video", transport)

    transport, receiver = asyncio.run(transports())
    assert intake._is_known(receiver, transport)


def test_asyncio_reads_a_datagram_with_the_size_that_its_transport_says() -> None:
    reading = inspect.getsource(selector_events._SelectorDatagramTransport._read_ready)  # type: ignore[attr-defined]
    assert "self._sock.recvfrom(self.max_size)" in reading
    assert "self._protocol.datagram_received(data, addr)" in reading


def test_our_buffer_our_requests_our_reports_and_our_decoder_are_taken(receiver: Any) -> None:
    clock = MonotonicClock()
    totals, recovery = VideoTotals(clock), Recovery()
    buffer = jitter.install(receiver, clock, totals, recovery)
    assert buffer is not None
    assert repair.install(receiver, buffer, recovery, clock, totals, lambda _: None) is not None
    assert feedback.install(receiver, recovery, clock, totals, lambda _: None) is not None
    assert decoding.install(receiver, buffer, lambda *_: None, totals) is not None


def test_a_sender_makes_keyframes_by_a_method_that_can_be_replaced() -> None:
    assert parameters(RTCRtpSender._send_keyframe) == []
    assert "self._send_keyframe()" in inspect.getsource(RTCRtpSender)


# --- aiortc and aioice: the network path


async def _connection_with_a_channel() -> dict[str, Any]:
    pc: Any = RTCPeerConnection()
    try:
        pc.createDataChannel("control")
        pc.addTransceiver("video")
        transports = {pc.sctp.transport.transport, pc.getTransceivers()[0].receiver.transport.transport}
        agents = {transport.iceGatherer._connection for transport in transports}
        return {
            "agents": agents,
            "behind": {transport._connection for transport in transports},
            "counted": set(candidates.agents(pc)),
            "sctp": vars(pc.sctp),
            "agent": [vars(agent) for agent in agents],
        }
    finally:
        await pc.close()


def test_aioices_connections_are_found_behind_a_peer_connection() -> None:
    found = asyncio.run(_connection_with_a_channel())
    assert found["agents"] == found["behind"] == found["counted"]
    assert all(isinstance(agent, ice.Connection) for agent in found["agents"])
    assert "_srtt" in found["sctp"]


def test_an_aioice_connection_has_the_attributes_that_arranging_its_gathering_needs() -> None:
    for attributes in asyncio.run(_connection_with_a_channel())["agent"]:
        assert isinstance(attributes["_protocols"], list)
        assert {"stun_server", "turn_server", "_closing"} <= set(attributes)
    assert parameters(ice.Connection.get_component_candidates) == ["component", "addresses", "timeout"]


def test_a_sign_of_life_is_asked_for_as_aioice_asks_for_consent() -> None:
    for attributes in asyncio.run(_connection_with_a_channel())["agent"]:
        assert {"_nominated", "remote_password"} <= set(attributes)
    assert parameters(ice.Connection.build_request) == ["pair", "nominate"]
    assert parameters(ice.StunProtocol.request) == ["request", "addr", "integrity_key", "retransmissions"]
    assert issubclass(stun.TransactionTimeout, Exception)
    assert issubclass(stun.TransactionFailed, Exception)


def test_a_stun_server_is_asked_from_a_socket_of_aioice() -> None:
    assert parameters(ice.server_reflexive_candidate) == ["protocol", "stun_server"]
    assert parameters(ice.StunProtocol.__init__) == ["receiver"]
    assert {"transport", "local_candidate"} <= set(ice.StunProtocol.__annotations__)


def test_a_relay_of_aioice_is_made_and_named_with_these_arguments() -> None:
    wanted = {"protocol_factory", "server_addr", "username", "password", "ssl", "transport"}
    assert wanted <= set(parameters(turn.create_turn_endpoint))
    assert parameters(candidate.candidate_foundation) == ["candidate_type", "candidate_transport", "base_address"]
    assert parameters(candidate.candidate_priority) == ["candidate_component", "candidate_type", "local_pref"]
    assert {"foundation", "component", "priority", "related_address", "related_port"} <= set(
        parameters(candidate.Candidate)
    )


def test_the_error_code_of_a_refusal_can_be_read() -> None:
    response = stun.Message(stun.Method.ALLOCATE, stun.Class.ERROR)
    response.attributes["ERROR-CODE"] = (486, "Allocation Quota Reached")
    assert stun.TransactionFailed(response).response.attributes["ERROR-CODE"][0] == 486
    assert issubclass(stun.TransactionTimeout, stun.TransactionError)


# --- the children of multiprocessing, and of the libraries that copy it


@pytest.mark.parametrize("library", ["multiprocessing", "multiprocess", "billiard"])
def test_a_child_knows_that_it_is_one_and_what_it_runs(library: str) -> None:
    process = pytest.importorskip(f"{library}.process", reason=f"needs {library}")
    assert process.current_process()._parent_pid is None
    child = process.BaseProcess(target=len)
    assert (child._parent_pid, child._target) == (os.getpid(), len)


def test_a_worker_of_a_pool_of_billiard_calls_only_on_exit_at_its_end() -> None:
    pool = pytest.importorskip("billiard.pool", reason="needs billiard")
    assert "on_exit" in parameters(pool.Worker.__init__)
    assert "self.on_exit(pid, exitcode)" in inspect.getsource(pool.Worker._do_exit)
    assert importlib.import_module("billiard.util").Finalize is multiprocessing.util.Finalize
    assert importlib.import_module("billiard.process")._mproc is multiprocessing.process


# --- websocket-client, urllib3 and http.client


def test_websocket_client_reads_the_length_of_a_frame_before_its_content() -> None:
    buffer: Any = websocket.WebSocket().frame_buffer
    assert buffer.needs_header()
    assert buffer.needs_length()
    assert buffer.length is None
    assert [parameters(part) for part in (buffer.recv_header, buffer.recv_length)] == [[], []]


def test_websocket_client_keeps_the_parts_of_an_unfinished_message_where_we_count_them() -> None:
    assert websocket.WebSocket().cont_frame.cont_data is None


def test_a_connection_of_urllib3_finds_its_host_by_a_method_that_can_be_replaced() -> None:
    connection: Any = urllib3.connection.HTTPConnection("a.example", 80)
    assert parameters(connection._new_conn) == []
    assert (connection._dns_host, connection.port, connection.sock) == ("a.example", 80, None)
    assert urllib3.HTTPConnectionPool.ConnectionCls is urllib3.connection.HTTPConnection
    assert "pool_classes_by_scheme" in vars(urllib3.PoolManager())


def test_what_stands_in_for_requests_or_urllib3_is_known_by_the_module_that_it_comes_from() -> None:
    assert requests.Session.send.__module__ == "requests.sessions"
    for kind in (urllib3.HTTPConnectionPool.ConnectionCls, urllib3.HTTPSConnectionPool.ConnectionCls):
        assert kind.__module__ == "urllib3.connection"


def test_an_answer_of_http_client_reads_its_status_by_a_method_that_can_be_replaced() -> None:
    class Raw:
        def makefile(self, _: str) -> io.BytesIO:
            return io.BytesIO(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 Done\r\n\r\n")

    class Response(http.client.HTTPResponse):
        def _read_status(self) -> tuple[str, int, str]:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed lacks it
            return version, 100 if status == 103 else status, reason

    response = Response(Raw())  # type: ignore[arg-type]  # it needs no more of a socket
    response.begin()
    assert response.status == 204
