"""The other side of a peer connection, with stock aiortc, and a listener that keeps all reports."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._net.webrtc import candidates

if TYPE_CHECKING:
    import av
    from odyssey_models import IceCandidate

    from odyssey_proto._base.errors import OdysseyConnectionError

__all__ = ["Heard", "Streamer"]

GENEROUS = 30.0  # s; a hang fails, a slow machine does not


class Streamer:
    """The streamer of the service: it offers video and both data channels."""

    def __init__(
        self, *, tracks: tuple[type[MediaStreamTrack], ...] = (VideoStreamTrack,), channels: bool = True
    ) -> None:
        self.loop = BackgroundLoop("streamer")
        self.loop.start()
        self.received: list[str | bytes] = []
        self.greeting: tuple[str | bytes, ...] = ()
        self.can_send = threading.Event()
        self.offer = self.run(self._make(tracks, channels))

    async def _make(self, tracks: tuple[type[MediaStreamTrack], ...], channels: bool) -> str:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for track in tracks:
            self.pc.addTrack(track())
        if channels:
            self.incoming = self.pc.createDataChannel("clientToStreamer")
            self.incoming.on("message", self.received.append)
            self.outgoing = self.pc.createDataChannel("streamerToClient")
            self.outgoing.on("open", self._greet)
        return await self.new_offer()

    def _greet(self) -> None:
        for message in self.greeting:
            self.outgoing.send(message)
        self.can_send.set()

    async def new_offer(self) -> str:
        candidates.arrange_gathering(self.pc, only=("127.0.0.1",))
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    def accept(self, answer: str) -> None:
        self.run(self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer")))

    def run(self, coroutine: Any) -> Any:
        return self.loop.run(coroutine, GENEROUS)

    def send(self, message: str | bytes) -> None:
        assert self.can_send.wait(GENEROUS)
        self.loop.call_soon(self.outgoing.send, message)

    def close(self) -> None:
        if self.loop.running:
            self.run(self.pc.close())
            assert self.loop.stop(GENEROUS)


class Heard:
    """A listener that keeps all reports."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.frames: list[tuple[av.VideoFrame, float]] = []
        self.threads: set[str] = set()
        self.decoders: set[str] = set()
        self._changed = threading.Condition()

    def _note(self, *event: Any) -> None:
        with self._changed:
            self.threads.add(threading.current_thread().name)
            self.events.append(event)
            self._changed.notify_all()

    def on_track(self) -> None:
        self._note("track")

    def on_candidate(self, candidate: IceCandidate) -> None:
        self._note("candidate", candidate)

    def on_channel_open(self, max_message_size: int) -> None:
        self._note("open")

    def on_message(self, message: str | bytes) -> None:
        self._note("message", message)

    def on_channel_closed(self, label: str) -> None:
        self._note("channel closed", label)

    def on_frame(self, frame: av.VideoFrame, received_at: float) -> None:
        with self._changed:
            self.decoders.add(threading.current_thread().name)
            self.frames.append((frame, received_at))
            self._changed.notify_all()

    def on_state(self, state: str) -> None:
        self._note("state", state)

    def on_lost(self, error: OdysseyConnectionError) -> None:
        self._note("lost", error.code, error)

    def wait(self, *event: Any) -> tuple[Any, ...]:
        """Wait for a report that begins with ``event``, and return it."""

        def found() -> tuple[Any, ...] | None:
            return next((each for each in self.events if each[: len(event)] == event), None)

        with self._changed:
            told = self._changed.wait_for(found, GENEROUS)
        assert told, f"{event} was not reported, only {self.events}"
        return told

    def wait_for_frames(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.frames) >= count, GENEROUS)

    def kinds(self) -> list[str]:
        return [event[0] for event in self.events]
