"""The whole protocol: any inputs at any times, and what must hold whatever comes."""

from __future__ import annotations

from typing import Any, Final

import odyssey_models as wire
from hypothesis import strategies as st

from odyssey_proto import MalformedMessageError, OdysseyConnectionError, OdysseyError
from odyssey_proto._base.errors import OdysseyAuthError
from odyssey_proto._model.config import AdvancedConfig
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.protocol import Protocol
from odyssey_proto.core.spectator_machine import SpectatorMachine
from tests.support.fuzzing import target

TEXTS: Final = st.sampled_from(["", "A cat", "st-1", "\x00", "\ud800", "a\nb", "x" * 300])
SESSIONS: Final = st.builds(
    wire.SessionResponse,
    session_id=st.sampled_from(["s-1", "ä/../?#", "\ud800"]),
    signalling_url=st.sampled_from(["ws://host/signaling", "", "ftp://x", "https://h:99999", "[", "\ud800"]),
    capabilities=st.none() | st.builds(wire.StreamerCapabilities, image_to_video=st.booleans()),
)
ERRORS: Final = st.builds(
    OdysseyConnectionError,
    TEXTS,
    code=st.sampled_from(["lost", "peer_lost", "http_404", "timeout", "stream_not_found", "unauthorized"]),
    recoverable=st.booleans(),
    retry_after=st.sampled_from([None, 0.0, 3.0, 1e9]),
    status=st.sampled_from([None, 401, 403, 404, 429, 503]),
) | st.builds(OdysseyAuthError, TEXTS, code=st.just("refused"))
MALFORMED: Final = st.builds(
    MalformedMessageError,
    TEXTS,
    problems=st.just(("wrong",)),
    code=st.sampled_from(["malformed", "malformed_offer"]),
    message_type=st.sampled_from(
        [
            None,
            "offer",
            "error",
            "stream_started",
            "update_acknowledged",
            "stream_ended",
            "interactive_stream_error",
        ]
    ),
)
LINKS: Final = st.integers(0, 6)
CALLS: Final = st.integers(0, 12)
MESSAGES: Final = st.one_of(
    st.builds(wire.Offer, sdp=TEXTS),
    st.builds(wire.IceCandidate, candidate=TEXTS),
    st.builds(wire.SignalingError, reason=st.sampled_from([*wire.SignalingErrorReason, "odd"])),
    st.builds(wire.StreamStarted, stream_id=TEXTS, applied_prompt=st.none() | TEXTS),
    st.builds(wire.UpdateAcknowledged, prompt=TEXTS),
    st.builds(wire.StreamEnded),
    st.builds(
        wire.BroadcastReady,
        broadcast_url=st.none() | TEXTS,
        webrtc_url=st.none() | TEXTS,
        spectator_token=st.none() | TEXTS,
    ),
    st.builds(
        wire.InteractiveStreamError, reason=st.sampled_from([*wire.StreamErrorReason, "odd"]), message=TEXTS
    ),
)
START: Final = wire.InteractiveStreamStart(prompt="A cat", portrait=False, broadcast=True)
NUMBERS: Final = st.sampled_from([0.0, 0.5, 2.5, 40.0, 600.0, 1e9])
FIGURES: Final = st.builds(
    inputs.LinkFigures,
    expected=st.integers(-10, 10**12),
    lost=st.integers(-10, 10**12),
    held_up_s=NUMBERS,
    round_trip_s=st.none() | NUMBERS,
    packet_at=st.none() | NUMBERS,
)

INPUTS: Final = st.one_of(
    st.builds(inputs.Connect, CALLS, st.booleans()),
    st.builds(inputs.Join, CALLS, SESSIONS, st.just("token"), NUMBERS, st.booleans()),
    st.builds(inputs.Watch, CALLS),
    st.builds(inputs.Start, CALLS, st.just(START), st.sampled_from([60, 20_000, 1 << 27])),
    st.builds(inputs.Interact, CALLS, st.builds(wire.Update, prompt=TEXTS), st.sampled_from([40, 20_000])),
    st.builds(inputs.End, CALLS),
    st.builds(inputs.Abandon, CALLS),
    st.builds(inputs.Disconnect, st.none() | ERRORS),
    st.builds(inputs.Authenticated),
    st.builds(inputs.SessionGranted, SESSIONS),
    st.builds(inputs.StreamerUnavailable, ERRORS),
    st.builds(inputs.SlotUnavailable, ERRORS, st.none() | TEXTS),
    st.builds(inputs.StepFailed, ERRORS),
    st.builds(inputs.SignalingOpened, LINKS),
    st.builds(inputs.SignalingClosed, LINKS),
    st.builds(inputs.LinkFailed, LINKS, ERRORS, st.booleans()),
    st.builds(inputs.LinkReady, LINKS),
    st.builds(inputs.BroadcastEnded, LINKS),
    st.builds(inputs.Answered, LINKS, TEXTS),
    st.builds(inputs.VideoReceived, LINKS),
    st.builds(inputs.ChannelOpened, LINKS, st.sampled_from([0, 1000, 16_384])),
    st.builds(inputs.Received, LINKS, MESSAGES),
    st.builds(inputs.Unreadable, LINKS, MALFORMED),
    st.builds(
        inputs.VideoSeen,
        LINKS,
        st.none() | NUMBERS,
        st.none() | st.integers(0, 10**12),
        figures=st.none() | FIGURES,
    ),
    st.builds(inputs.VideoResumed, NUMBERS),
    st.builds(inputs.SignOfLife, LINKS),
    st.builds(inputs.Broken, ERRORS),
    st.builds(inputs.Forgotten),
)
PAUSES: Final = st.sampled_from([0.0, 0.0, 0.001, 1.0, 2.6, 10.0, 41.0, 1e6])
# A run begins with some of these inputs, which lead somewhere; then comes anything.
CONNECTING: Final[list[Any]] = [
    inputs.Connect(0),
    inputs.Authenticated(),
    inputs.SessionGranted(wire.SessionResponse(session_id="s-1", signalling_url="ws://host/signaling")),
    inputs.SignalingOpened(1),
    inputs.VideoReceived(1),
    inputs.ChannelOpened(1, 16_384),
    inputs.Start(1, START, 60),
    inputs.Received(1, wire.StreamStarted(stream_id="st-1")),
]
WATCHING: Final[list[Any]] = [inputs.Watch(0), inputs.LinkReady(1)]
COMMANDS: Final = (*(inputs.Connect, inputs.Join, inputs.Watch, inputs.Start, inputs.Interact, inputs.End),)
LONG_S: Final = 100.0
STEPS: Final = st.lists(st.tuples(INPUTS, PAUSES), max_size=40)
SETTINGS: Final = st.builds(
    AdvancedConfig,
    max_retries=st.integers(0, 100),
    initial_retry_delay_ms=st.sampled_from([0, 10, 1000, 9e11]),
    max_retry_delay_ms=st.sampled_from([0, 10, 2000, 9e11]),
    retry_backoff_multiplier=st.sampled_from([1, 2.0, 1e6, 9e11]),
    queue_timeout_s=st.sampled_from([0, 30, 9e11]),
)


def run(core: Protocol | SpectatorMachine, steps: list[tuple[Any, float]], links: type[Any]) -> None:
    """Feed ``steps`` to a machine, and do what is due whenever it is due, as a driver does."""
    now = 100.0
    opened: list[int] = []
    for item, pause in steps:
        now += pause
        while pause < LONG_S and core.next_due is not None and core.next_due <= now:
            core.advance(core.next_due)
        core.advance(now)  # a process that was stopped for a while does all at once
        assert core.next_due is None or core.next_due > now
        before = core.snapshot()
        try:
            core.receive(item, now)
        except OdysseyError as error:
            refused = error
        else:
            refused = None
        if refused is not None:
            assert isinstance(item, COMMANDS)
            assert refused.code != "internal"
            assert core.snapshot() == before, "a refusal changes nothing"
        for output in core.outputs():
            if isinstance(output, links):
                opened.append(output.link)
                assert output.timeout > 0
        assert opened == sorted(set(opened)), "each link has a number of its own"
        assert core.outputs() == []
    core.receive(inputs.Disconnect(), now)
    for _ in range(1000):
        if core.next_due is None:
            break
        core.advance(core.next_due)
    else:
        raise AssertionError("it never comes to rest")
    assert core.is_over
    core.snapshot()


@target(SETTINGS, st.booleans(), st.integers(0, len(CONNECTING)), STEPS, refuses=())
def test_a_session(config: AdvancedConfig, reconnect: bool, begun: int, steps: list[tuple[Any, float]]) -> None:
    run(
        Protocol(config, reconnect=reconnect),
        [*((item, 0.0) for item in CONNECTING[:begun]), *steps],
        effects.OpenLink,
    )


@target(
    SETTINGS,
    st.booleans(),
    st.sampled_from([(effects.Way.WEBRTC,), (effects.Way.HLS,), (effects.Way.WEBRTC, effects.Way.HLS)]),
    st.integers(0, len(WATCHING)),
    STEPS,
    refuses=(),
)
def test_a_spectator(
    config: AdvancedConfig,
    reconnect: bool,
    ways: tuple[effects.Way, ...],
    begun: int,
    steps: list[tuple[Any, float]],
) -> None:
    machine = SpectatorMachine(config, ways, reconnect=reconnect)
    run(machine, [*((item, 0.0) for item in WATCHING[:begun]), *steps], effects.OpenBroadcast)
