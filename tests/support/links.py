"""A service without a network: links that a test controls, for drivers, sessions and spectators.

The real driver, protocol and public classes run on it, so that a test of an error takes milliseconds.
"""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import odyssey_models as wire

from odyssey_proto import AdvancedConfig, OdysseyError, Session, SpectatorConnection
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._live.driver import Driver
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.protocol import Protocol
from odyssey_proto.core.spectator_machine import SpectatorMachine

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto import OdysseyEventHandlers
    from odyssey_proto._base.clock import Clock, Deadline
    from odyssey_proto._live.link import LinkContext

GRANTED = wire.SessionResponse(
    session_id="s-1",
    signalling_url="ws://127.0.0.1:1",
    capabilities=wire.StreamerCapabilities(image_to_video=True),
)
PATIENCE_S = 20.0


class FakeLink:
    """A link on which everything works at once, except for the parts that a test replaces.

    `FakeService.answering` gets every message that is sent, and answers through `hear`.
    """

    def __init__(self, plan: effects.OpenEffect, context: LinkContext, service: FakeService) -> None:
        self.number = plan.link
        self.plan = plan
        self.context = context
        self.sent: list[Any] = []
        self.did: list[str] = []
        self.packets: int | None = None
        self.has_moved = False
        self.lives = True
        self._service = service
        self._shown = 0

    def prepare(self, deadline: Deadline) -> None:
        self.did.append("prepare")
        self._service.preparing(self)

    def open(self, deadline: Deadline) -> None:
        self.did.append("open")
        self._service.opening(self)

    def connect(self) -> None:
        """Post all reports that a link makes until it is connected."""
        if isinstance(self.plan, effects.OpenBroadcast):
            self.post(inputs.LinkReady(self.number))
            return
        self.post(inputs.SignalingOpened(self.number))
        if self.plan.with_video:
            self.post(inputs.VideoReceived(self.number))
            self.post(inputs.ChannelOpened(self.number, 16384))

    def hear(self, *messages: Any) -> None:
        for message in messages:
            self.post(inputs.Received(self.number, message))

    def show(self, count: int = 1) -> None:
        """Deliver pictures of 16×16 px, whose timestamps are 50 ms apart."""
        for _ in range(count):
            picture = av.VideoFrame(16, 16, "yuv420p")
            picture.pts, picture.time_base = self._shown * 50, Fraction(1, 1000)
            self._shown += 1
            self.context.hub.publish(picture, self.context.clock.now(), self.context.hub.source)

    def fail(self, error: OdysseyError) -> None:
        self.post(inputs.LinkFailed(self.number, error))

    def post(self, item: inputs.Input) -> None:
        self.context.post(item)

    def close(self) -> None:
        self.did.append("close")
        self._service.closing(self)

    def cut(self) -> None:
        self.did.append("cut")

    def say_goodbye(self) -> None:
        self.did.append("goodbye")

    def ask_for_keyframe(self) -> None:
        self.did.append("keyframe")

    def ask_for_sign_of_life(self) -> None:
        if self.lives:
            self.post(inputs.SignOfLife(self.number))

    def carry_out(self, effect: effects.LinkEffect) -> None:
        if isinstance(effect, effects.SendChannel | effects.SendSignaling):
            self.sent.append(effect.message)
            self._service.answering(self, effect.message)


def answer(link: FakeLink, message: Any) -> None:
    """Answer as a streamer does."""
    match message:
        case wire.InteractiveStreamStart(prompt=prompt):
            link.hear(wire.StreamStarted(stream_id="st-1", applied_prompt=prompt))
        case wire.Update(prompt=prompt):
            link.hear(wire.UpdateAcknowledged(prompt=prompt))
        case wire.InteractiveStreamEnd():
            link.hear(wire.StreamEnded())


class FakeService:
    """The service as a driver sees it: every step succeeds, every link connects, every message is answered.

    A test replaces the parts that should behave differently.
    """

    def __init__(self) -> None:
        self.links: list[FakeLink] = []
        self.preparing: Callable[[FakeLink], object] = lambda _: None
        self.opening: Callable[[FakeLink], None] = FakeLink.connect
        self.closing: Callable[[FakeLink], object] = lambda _: None
        self.answering: Callable[[FakeLink, Any], None] = answer
        self.requesting: Callable[[], inputs.Input] = lambda: inputs.SessionGranted(GRANTED)
        self.authenticating: Callable[[], inputs.Input] = inputs.Authenticated
        self.did: list[str] = []
        self.cut_off = threading.Event()

    def make_link(self, plan: effects.OpenEffect, context: LinkContext) -> FakeLink:
        link = FakeLink(plan, context, self)
        self.links.append(link)
        return link

    def take_step(self, step: effects.Step, _: Clock) -> inputs.Input:
        return self.authenticating() if isinstance(step, effects.Authenticate) else self.requesting()

    def hurry(self) -> None:
        self.did.append("hurry")

    def cut(self) -> None:
        self.did.append("cut")
        self.cut_off.set()

    def release(self) -> None:
        self.did.append("release")

    # --- drivers and sessions on it

    def driver(
        self,
        handlers: OdysseyEventHandlers | None = None,
        *,
        reconnect: bool = True,
        clock: Clock | None = None,
    ) -> Driver:
        """Return the driver of a session that is not connected yet."""
        advanced = AdvancedConfig(initial_retry_delay_ms=1, max_retry_delay_ms=5, queue_timeout_s=0)
        core = Protocol(advanced, reconnect=reconnect)
        return Driver(core, self, clock or MonotonicClock(), handlers, name="odyssey-session")

    def session(self, handlers: OdysseyEventHandlers | None = None, *, reconnect: bool = True) -> Session:
        """Return a session that is connected."""
        from odyssey_proto._base.clock import Deadline
        from odyssey_proto.session import connect

        session = Session(self.driver(handlers, reconnect=reconnect), has_handlers=handlers is not None)
        connect(session, Deadline(PATIENCE_S, MonotonicClock()))
        return session

    def spectator(
        self, ways: tuple[effects.Way, ...] = (effects.Way.WEBRTC,), *, reconnect: bool = True
    ) -> SpectatorConnection:
        """Return a spectator that is connected."""
        from odyssey_proto._base.clock import Deadline
        from odyssey_proto._live import commands

        advanced = AdvancedConfig(initial_retry_delay_ms=1, max_retry_delay_ms=5)
        core = SpectatorMachine(advanced, ways, reconnect=reconnect)
        driver = Driver(core, self, MonotonicClock(), name="odyssey-spectator", announces_streams=False)
        spectator = SpectatorConnection(driver, has_handlers=False)
        commands.watch(driver, Deadline(PATIENCE_S, MonotonicClock()))
        return spectator
