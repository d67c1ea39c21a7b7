"""The transitions of a session and its stream: two states, one table, and nothing that acts.

Two states side by side make the whole state:

- the session: IDLE → AUTHENTICATING → QUEUEING → CONNECTING → CONNECTED, and from there RECONNECTING and back,
  until DISCONNECTED (as wished) or FAILED;
- the stream in it, only while the session is connected: NONE → STARTING → STREAMING → ENDING → NONE.

Every step of both is a row of `TABLE`: in one of these states, on this input, if this guard holds, go to that
state and do this. The first row whose guard holds wins. Guards and actions are methods of
`odyssey_proto.core.protocol.Protocol`, by name. Of what happens where there is no row, see there.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import odyssey_models as wire

from .inputs import (
    Answered,
    Authenticated,
    ChannelOpened,
    Connect,
    Disconnect,
    Due,
    End,
    Interact,
    Join,
    LinkFailed,
    SessionGranted,
    SignalingClosed,
    SignalingOpened,
    Start,
    StepFailed,
    StreamerUnavailable,
    VideoReceived,
    VideoResumed,
    VideoSeen,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OVER", "ROWS", "TABLE", "Key", "Row", "SessionState", "State", "StreamState"]


class SessionState(Enum):
    """Where the session stands."""

    IDLE = "idle"
    AUTHENTICATING = "authenticating"
    QUEUEING = "queueing"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    DISCONNECTED = "disconnected"
    FAILED = "failed"


class StreamState(Enum):
    """Where the stream stands."""

    NONE = "none"
    STARTING = "starting"
    STREAMING = "streaming"
    ENDING = "ending"


State: TypeAlias = SessionState | StreamState
Key: TypeAlias = "type[Any] | Due"


@attrs.frozen
class Row:
    """One step. ``target`` None keeps the state; ``guard`` and ``action`` name methods of `Protocol`."""

    states: tuple[State, ...]
    on: Key
    target: State | None
    action: str
    guard: str | None = None


S = SessionState
X = StreamState
_JOINING: Final = (S.CONNECTING, S.RECONNECTING)
_LINKED: Final = (*_JOINING, S.CONNECTED)
_LIVE: Final = (S.AUTHENTICATING, S.QUEUEING, *_LINKED)
OVER: Final = (S.DISCONNECTED, S.FAILED)

TABLE: Final[tuple[Row, ...]] = (
    # Getting a session.
    Row((S.IDLE,), Connect, S.AUTHENTICATING, "_authenticate"),
    Row((S.IDLE,), Join, S.CONNECTING, "_join"),
    Row((S.AUTHENTICATING,), Authenticated, S.QUEUEING, "_request"),
    Row((S.AUTHENTICATING, S.QUEUEING), StepFailed, S.FAILED, "_fail"),
    Row((S.QUEUEING,), StreamerUnavailable, None, "_wait_in_queue", "_may_queue"),
    Row((S.QUEUEING,), StreamerUnavailable, S.FAILED, "_fail_in_queue"),
    Row((S.QUEUEING,), Due.ASK_AGAIN, None, "_request_again"),
    Row((S.QUEUEING,), SessionGranted, S.CONNECTING, "_take_session"),
    # Making a link.
    Row(_JOINING, SignalingOpened, None, "_await_offer"),
    Row(_LINKED, wire.Offer, None, "_accept_offer"),
    Row(_LINKED, wire.IceCandidate, None, "_add_candidate"),
    Row(_LINKED, Answered, None, "_send_answer"),
    Row(_JOINING, VideoReceived, S.CONNECTED, "_connected", "_channel_is_open"),
    Row(_JOINING, VideoReceived, None, "_note_video"),
    Row(_JOINING, ChannelOpened, S.CONNECTED, "_connected", "_video_is_there"),
    Row(_JOINING, ChannelOpened, None, "_note_channel"),
    Row(_JOINING, Due.VIDEO, None, "_give_link_up"),
    Row(_LINKED, Due.KEEPALIVE, None, "_keep_alive"),
    # Watching that video comes.
    Row((S.CONNECTED,), Due.CHECK, None, "_check_video"),
    Row((X.STREAMING,), VideoSeen, None, "_note_frames", "_has_new_frames"),
    Row((X.STREAMING,), VideoSeen, None, "_lose_video", "_is_silent"),
    Row((X.STREAMING,), VideoSeen, None, "_wait_for_frames"),
    Row((X.STREAMING, X.ENDING), VideoResumed, None, "_tell_gap"),
    # Losing it.
    Row(_JOINING, LinkFailed, None, "_wait_to_rejoin", "_may_retry"),
    Row(_JOINING, LinkFailed, S.FAILED, "_fail"),
    Row((S.CONNECTED,), LinkFailed, S.RECONNECTING, "_lose_link", "_may_reconnect"),
    Row((S.CONNECTED,), LinkFailed, S.FAILED, "_fail"),
    Row(_JOINING, SignalingClosed, None, "_closed_too_early"),
    Row((S.CONNECTED,), SignalingClosed, S.DISCONNECTED, "_leave_as_told"),
    Row(_LINKED, wire.SignalingError, S.FAILED, "_fail_as_told"),
    Row(_JOINING, Due.REJOIN, S.FAILED, "_fail_expired", "_token_is_spent"),
    Row(_JOINING, Due.REJOIN, None, "_open_link"),
    Row((S.RECONNECTING,), Due.GIVE_UP, S.FAILED, "_give_session_up"),
    # Leaving. A session that is granted when nobody wants it any more is taken, to be given back.
    Row((S.IDLE, *_LIVE), Disconnect, S.DISCONNECTED, "_leave"),
    Row(OVER, Disconnect, None, "_nothing"),
    Row(OVER, SessionGranted, None, "_take_session"),
    Row(OVER, SignalingOpened, None, "_say_goodbye"),
    Row(OVER, LinkFailed, None, "_nothing"),
    # The stream; its commands wait while the session reconnects.
    Row((S.RECONNECTING,), Start, None, "_hold"),
    Row((S.RECONNECTING,), Interact, None, "_hold"),
    Row((S.RECONNECTING,), End, None, "_hold"),
    Row((X.NONE,), Start, X.STARTING, "_start"),
    Row((X.NONE, X.STARTING), wire.StreamStarted, X.STREAMING, "_stream_started"),
    Row((X.ENDING,), wire.StreamStarted, None, "_nothing"),
    Row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, "_tell_broadcast", "_can_be_watched"),
    Row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, "_tell_broadcast_error"),
    Row((X.STREAMING,), Interact, None, "_interact"),
    Row((X.STREAMING, X.ENDING), wire.UpdateAcknowledged, None, "_acknowledge", "_update_is_out"),
    Row((X.STARTING,), wire.InteractiveStreamError, X.NONE, "_stream_error"),
    Row((X.ENDING,), wire.InteractiveStreamError, X.NONE, "_cleared", "_is_clearing"),
    Row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, X.NONE, "_stream_error", "_error_ends_stream"),
    Row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, None, "_stream_error"),
    Row((X.NONE,), wire.InteractiveStreamError, None, "_tell_stream_error"),
    Row((X.STARTING, X.STREAMING), End, X.ENDING, "_end"),
    Row((X.NONE,), End, None, "_end_nothing", "_an_error_ended_it"),
    # A stream whose start or end met the loss of the link may still run: it is ended first, whatever comes next.
    Row((X.ENDING,), Start, None, "_hold", "_is_clearing"),
    Row((X.ENDING,), End, None, "_end_when_cleared", "_is_clearing"),
    Row((X.ENDING,), wire.StreamEnded, X.NONE, "_cleared", "_is_clearing"),
    Row((X.ENDING,), End, None, "_end_too"),
    Row((X.STARTING, X.STREAMING, X.ENDING), wire.StreamEnded, X.NONE, "_stream_ended"),
)


def _by_state(rows: Iterable[Row]) -> dict[tuple[State, Key], tuple[Row, ...]]:
    found: dict[tuple[State, Key], tuple[Row, ...]] = {}
    for row in rows:
        for state in row.states:
            found[state, row.on] = (*found.get((state, row.on), ()), row)
    return found


ROWS: Final = _by_state(TABLE)
"""The rows of `TABLE` by state and input, in their order."""
