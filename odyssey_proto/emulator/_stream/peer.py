"""The streamer's end of one peer connection: it makes the offer, opens both data channels and sends a video track.

This module knows neither the meaning of the messages nor the content of the pictures.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import av
from aiortc import RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp
from odyssey_models import IceCandidate

from ..._base.errors import MalformedMessageError
from .h264 import RatedEncoder, StreamEncoder
from .history import keep_sent
from .ice import new_connection, offer_only
from .outlet import Outlet
from .rate_control import RateController
from .requests import answer_keyframe_requests
from .transport_cc import asked_for, granted
from .vp8 import RatedVp8Encoder

if TYPE_CHECKING:
    from collections import deque

    from aiortc import MediaStreamTrack, RTCRtpCodecCapability

    from .rate_control import BitRate

__all__ = ["CONNECT_WITHIN_S", "StreamerPeer", "codec_preferences"]

log = logging.getLogger("odyssey_proto.emulator.peer")

CONNECT_WITHIN_S: Final = 30.0
"""How long a client may take from the offer to a connection, in s."""

EncoderMaker: TypeAlias = Callable[[Callable[["av.Packet[Any]"], None]], Any]

_MIME_TYPES: Final = {
    "h264": ("video/H264",),
    "vp8": ("video/VP8",),
    "both": ("video/H264", "video/VP8"),
    "h264 first": ("video/H264", "video/VP8"),
    "vp8 first": ("video/VP8", "video/H264"),
}
_ENCODERS: Final[Mapping[str, EncoderMaker]] = {"video/H264": StreamEncoder}


class StreamerPeer:
    """One peer connection, from its offer to `close`. Runs on the loop's thread.

    ``outbox`` holds the texts still to be sent, until ``streamerToClient`` is open on this side. ``on_packet`` is
    called with each H.264 packet that is sent, on a worker thread of the loop. With a ``rate``, the stream of
    ``fps`` pictures per second has this rate, and its packets are spread over time. ``encoders`` replaces the
    functions that make encoders, by MIME type; each is called with ``on_packet``.
    """

    def __init__(
        self,
        *,
        track: MediaStreamTrack,
        codec: str,
        outbox: deque[str | bytes],
        on_text: Callable[[str | bytes], None],
        on_channel_open: Callable[[], None],
        on_packet: Callable[[av.Packet[Any]], None] = lambda _: None,
        rate: BitRate | None = None,
        fps: int = 20,
        encoders: Mapping[str, EncoderMaker] | None = None,
    ) -> None:
        self._outbox = outbox
        self._on_packet = on_packet
        self._rate = rate
        self._fps = fps
        self._outlet: Outlet | None = None
        self._encoders = encoders or (_ENCODERS if rate is None else _rated(rate, fps))
        self._sends_h264 = False
        self._early: list[IceCandidate] = []
        self._adding: set[asyncio.Task[None]] = set()
        # Closing while candidates are gathered would leak sockets that are not registered yet.
        self._gathering = asyncio.Lock()
        self._gone = False
        self._answered = False
        self._pc = new_connection()
        transceiver = self._pc.addTransceiver(track, direction="sendonly")
        transceiver.setCodecPreferences(codec_preferences(codec))
        self._sent = keep_sent(transceiver.sender, self._round_trip_of_channels)
        answer_keyframe_requests(transceiver.sender)
        self._incoming = self._pc.createDataChannel("clientToStreamer")
        self._incoming.on("message", on_text)
        self._incoming.on("open", on_channel_open)
        self._outgoing = self._pc.createDataChannel("streamerToClient")
        self._outgoing.on("open", self._flush)

    def _round_trip_of_channels(self) -> float | None:
        sctp: Any = self._pc.sctp
        found: float | None = sctp._srtt
        return found

    @property
    def connected(self) -> bool:
        """Whether media and messages can flow."""
        return self._pc.connectionState == "connected"

    @property
    def sends_h264(self) -> bool:
        """Whether the video is H.264, whose packets go to ``on_packet``. False before the answer."""
        return self._sends_h264

    async def offer(self, address: str) -> tuple[str, list[IceCandidate]]:
        """Return the complete SDP of the offer, and its candidates again for clients that expect them one by one.

        The candidates use only ``address`` of this machine.
        """
        offer_only(self._pc, address)
        async with self._gathering:
            await self._pc.setLocalDescription(await self._pc.createOffer())
        candidates = []
        for transceiver in self._pc.getTransceivers():
            gatherer = transceiver.sender.transport.transport.iceGatherer
            candidates = [
                IceCandidate(
                    candidate="candidate:" + candidate_to_sdp(found), sdp_mid=transceiver.mid, sdp_mline_index=0
                )
                for found in gatherer.getLocalCandidates()
            ]
        sdp = self._pc.localDescription.sdp
        return asked_for(sdp) if isinstance(self._rate, RateController) else sdp, candidates

    async def answer(self, sdp: str) -> None:
        """Apply the client's answer, and the candidates that arrived before it.

        Raises:
            MalformedMessageError: it is not a valid answer to the offer.
        """
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        except Exception as exc:  # aiortc's parser may raise anything
            raise MalformedMessageError(f"the answer is not valid: {type(exc).__name__}") from exc
        self._answered = True
        self._choose_encoder()
        self._pace(sdp)
        for candidate in self._early:
            self.add_candidate(candidate)
        self._early.clear()

    def _choose_encoder(self) -> None:
        (transceiver,) = self._pc.getTransceivers()
        codecs = transceiver._codecs
        kind = codecs[0].mimeType if codecs else ""
        self._sends_h264 = kind == "video/H264"
        if kind in self._encoders:
            # aiortc creates its own encoder at the first picture unless this private attribute is set.
            setattr(transceiver.sender, "_RTCRtpSender__encoder", self._encoders[kind](self._on_packet))  # noqa: B010

    def _pace(self, answer: str) -> None:
        if self._rate is not None:
            (transceiver,) = self._pc.getTransceivers()
            self._outlet = Outlet(transceiver, self._sent, self._rate, self._fps)
            if isinstance(self._rate, RateController) and granted(answer):
                self._outlet.follow(transceiver, self._rate)

    def add_candidate(self, candidate: IceCandidate) -> None:
        """Add a candidate of the client, before or after its answer. An unusable one is ignored."""
        if not self._answered:
            self._early.append(candidate)
            return
        # In the background, as a browser's ``*.local`` name may take a second to resolve, or never resolve.
        task = asyncio.get_running_loop().create_task(self._add(candidate))
        self._adding.add(task)
        task.add_done_callback(self._adding.discard)

    async def _add(self, candidate: IceCandidate) -> None:
        text = candidate.candidate.strip().removeprefix("a=").removeprefix("candidate:")
        try:
            if not text:
                await self._pc.addIceCandidate(None)
                return
            parsed = candidate_from_sdp(text)
            parsed.sdpMid, parsed.sdpMLineIndex = candidate.sdp_mid, candidate.sdp_mline_index
            await self._pc.addIceCandidate(parsed)
        except Exception as exc:  # noqa: BLE001  # aiortc's parser and the resolver may raise anything
            log.info("a candidate of the client was ignored: %s", type(exc).__name__)

    def send(self, text: str | bytes) -> None:
        """Send ``text``, or text as bytes, on ``streamerToClient`` as soon as it is open."""
        self._outbox.append(text)
        self._flush()

    def _flush(self) -> None:
        while self._outbox and self._outgoing.readyState == "open" and not self._gone:
            message = self._outbox.popleft()
            try:
                self._outgoing.send(message)
            except ValueError:  # messages of a fault or a cassette may have any size
                log.warning("a message of %d characters is larger than the client takes: left out", len(message))

    def close_channels(self) -> None:
        """Close both data channels; the video continues."""
        for channel in (self._incoming, self._outgoing):
            if channel.readyState == "open":
                channel.close()

    def vanish(self) -> None:
        """Stop answering and sending, as if the machine had lost power."""
        self._gone = True
        for transceiver in self._pc.getTransceivers():
            connection: Any = transceiver.sender.transport.transport._connection
            for protocol in connection._protocols:
                protocol.datagram_received = _ignore
                protocol.send_stun = _ignore
                protocol.send_data = _ignore_later

    async def close(self) -> None:
        """Close the connection. The client learns of it over DTLS."""
        for task in list(self._adding):
            task.cancel()
        if self._outlet is not None:
            await self._outlet.close()
        try:
            async with self._gathering:
                await self._pc.close()
        except (ConnectionError, InvalidStateError) as exc:
            log.debug("closing the peer connection: %s", type(exc).__name__)


def _rated(rate: BitRate, fps: int) -> Mapping[str, EncoderMaker]:
    return {
        "video/H264": lambda take: RatedEncoder(take, rate, fps),
        "video/VP8": lambda _: RatedVp8Encoder(rate, fps),
    }


def codec_preferences(codec: str) -> list[RTCRtpCodecCapability]:
    """Return a video sender's capabilities for ``codec``, such as ``h264`` or ``vp8 first``, by preference."""
    found = RTCRtpSender.getCapabilities("video").codecs
    wanted = [capability for name in _MIME_TYPES[codec] for capability in found if capability.mimeType == name]
    return wanted + [capability for capability in found if capability.mimeType == "video/rtx"]


def _ignore(*_: object) -> None:
    pass


async def _ignore_later(*_: object) -> None:
    pass
