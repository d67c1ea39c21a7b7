"""Rows of a state machine, to check that type checkers refuse a wrong action or guard. Never run."""

from __future__ import annotations

import odyssey_models as wire

from odyssey_proto.core.inputs import Connect, Due, Interact, Start
from odyssey_proto.core.machine import row
from odyssey_proto.core.session_machine import SessionState, may_queue
from odyssey_proto.core.stream_machine import StreamMachine, StreamState, ends_stream

S = SessionState
X = StreamState

row((X.NONE,), Start, X.STARTING, StreamMachine.start)
row((X.STREAMING,), Interact, X.STARTING, StreamMachine.start)  # type: ignore[arg-type]  # it takes another input
row((S.IDLE,), Connect, S.AUTHENTICATING, may_queue)  # type: ignore[arg-type]  # a guard is not an action
row((X.STREAMING,), wire.StreamEnded, None, StreamMachine.started)  # type: ignore[arg-type]  # another message
row((X.STREAMING,), Due.CHECK, None, StreamMachine.judge_video)  # type: ignore[arg-type]  # a time is not an input
row((X.NONE,), Start, None, StreamMachine.start, ends_stream)  # type: ignore[arg-type]  # its guard
