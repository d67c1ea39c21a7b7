"""A protocol under test: the steps to each state, and readers of its outputs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import odyssey_models as wire

from odyssey_proto._base import errors
from odyssey_proto._model.config import AdvancedConfig
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.deadlines import OPEN_DEADLINE_S
from odyssey_proto.core.protocol import Protocol

if TYPE_CHECKING:
    from odyssey_proto.core.session_machine import SessionState
    from odyssey_proto.core.stream_machine import StreamState

__all__ = [
    "CAT",
    "GOODBYE_LINK",
    "LOST",
    "REFUSED",
    "SESSION",
    "Rig",
    "failures",
    "joined",
    "only",
    "seen",
    "texts",
]

SESSION = wire.SessionResponse(session_id="s-1", signalling_url="ws://host/signaling")

LOST = errors.OdysseyConnectionError("the line is dead", code="lost", recoverable=True)

REFUSED = errors.OdysseyAuthError("no", code="refused")

CAT = wire.InteractiveStreamStart(prompt="A cat", portrait=False, broadcast=False)


class Rig:
    """A protocol, the time, and all outputs so far."""

    def __init__(self, *, reconnect: bool = True, **advanced: Any) -> None:
        self.core = Protocol(AdvancedConfig(**advanced), reconnect=reconnect)
        self.now = 100.0
        self.calls = itertools.count(1)
        self.streamer_lives = True
        """Whether the streamer answers requests for a sign of life; if not, the requests are among the outputs."""

    def give(self, *items: inputs.Input) -> list[effects.Output]:
        for item in items:
            self.core.receive(item, self.now)
        return self._outputs()

    def later(self, seconds: float) -> list[effects.Output]:
        self.now += seconds
        self.core.advance(self.now)
        return self._outputs()

    def _outputs(self) -> list[effects.Output]:
        outputs = self.core.outputs()
        if not self.streamer_lives:
            return outputs
        for asked in only(outputs, effects.AskForSignOfLife):
            self.core.receive(inputs.SignOfLife(asked.link), self.now)
        return [output for output in outputs if not isinstance(output, effects.AskForSignOfLife)]

    @property
    def link(self) -> int:
        connection = self.core._connection
        return connection.link or connection.links

    def hear(self, message: Any) -> list[effects.Output]:
        return self.give(inputs.Received(self.link, message))

    def to_queueing(self) -> Rig:
        self.give(inputs.Connect(0), inputs.Authenticated())
        return self

    def to_connecting(self) -> Rig:
        self.to_queueing().give(inputs.SessionGranted(SESSION))
        return self

    def to_linked(self) -> Rig:
        self.to_connecting().give(inputs.SignalingOpened(self.link))
        return self

    def to_connected(self, *, size: int = 16384) -> Rig:
        self.to_linked().give(inputs.VideoReceived(self.link), inputs.ChannelOpened(self.link, size))
        return self

    def to_streaming(self) -> Rig:
        self.to_connected().start()
        self.hear(wire.StreamStarted(stream_id="st-1", applied_prompt="A fine cat"))
        return self

    def start(self) -> list[effects.Output]:
        return self.give(inputs.Start(next(self.calls), CAT, 60))

    def interact(self, prompt: str) -> list[effects.Output]:
        return self.give(inputs.Interact(next(self.calls), wire.Update(prompt=prompt), 40))

    def end(self) -> list[effects.Output]:
        return self.give(inputs.End(next(self.calls)))

    @property
    def state(self) -> tuple[SessionState, StreamState]:
        return self.core.session, self.core.stream


GOODBYE_LINK = effects.OpenLink(2, "s-1", "ws://host/signaling", OPEN_DEADLINE_S, with_video=False)


def texts(outputs: list[effects.Output]) -> dict[int, str]:
    return {call: str(error) for call, error in failures(outputs).items()}


def only(outputs: list[effects.Output], kind: type) -> list[Any]:
    return [output for output in outputs if isinstance(output, kind)]


def failures(outputs: list[effects.Output]) -> dict[int, errors.OdysseyError]:
    return {output.call: output.error for output in only(outputs, effects.Fail)}


def seen(rig: Rig, at: float | None) -> list[effects.Output]:
    return rig.give(inputs.VideoSeen(rig.link, at))


def joined(**advanced: Any) -> Rig:
    rig = Rig(**advanced)
    rig.give(inputs.Join(0, SESSION, "token", 60.0))
    return rig
