"""The protocol without I/O, for SDKs of any kind: it makes the decisions, and has no thread, socket or clock.

A `Protocol` is the life of one session and its streams. Feed it *inputs*: your user's commands, and what the
network reports. Carry out, in order, the *effects* that it returns, and show your user the *events* among them:

>>> from odyssey_proto import AdvancedConfig
>>> from odyssey_proto.core import Authenticate, Authenticated, Connect, Protocol, RequestSession, StatusChanged
>>> protocol, now, todo = Protocol(AdvancedConfig()), 0.0, [Connect(call=1)]
>>> while todo:
...     protocol.receive(todo.pop(0), now)   # what the user and the network say, and when
...     for output in protocol.outputs():
...         match output:
...             case Authenticate():         # do it, and report the outcome
...                 todo.append(Authenticated())
...             case RequestSession():
...                 print("POST /sessions")
...             case StatusChanged():
...                 print(output.status)
authenticating
connecting
POST /sessions
>>> protocol.session, protocol.next_due      # None: it waits for an answer, not for a time
(<SessionState.QUEUEING: 'queueing'>, None)

The rules of the loop:

- ``now`` is the time, in s, of any clock that never jumps back. Only one thread at a time may call a protocol.
- `Protocol.receive` takes one input. A command that does not fit the current state raises and changes nothing;
  any other input that does not fit is returned as `Ignored`.
- When the clock reaches `Protocol.next_due`, call `Protocol.advance`. Call `Protocol.outputs` after either.
- An effect that asks for an answer names the inputs that answer it in its docstring. Some carry the number of a
  *link* (one attempt at a connection); the answer carries the same number.
- Calls carry a number that you choose, a different one for each; `Succeed` or `Fail` answers each once. These come
  last, so code that continues after a call finds all its effects. `Abandon` forgets a call: report it even if the
  answer has come, but too late for your user.
- Report a message that the readers cannot read as `Unreadable`: that answers the call that it was meant for.

A `SpectatorMachine` is the same for watching a broadcast. The rest of what an SDK needs is here too: `encode` and
the readers of messages (`signaling_from_server`, `channel_from_streamer`), `Queueing`, the rule for waiting for a
streamer, and `refusal`, which turns the `HttpAnswer` (status, headers, body) of a REST call into a typed error.

`tests/sdk/python/odyssey_async.py` in the repository is a whole SDK on this module, for asyncio.

Importing this loads attrs and `odyssey_models` at most; cattrs is loaded when a message is first read or written.
Errors and settings are in `odyssey_proto`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._base.lazy_names import lazy_names

if TYPE_CHECKING:
    from .._model.codec import UnknownMessage as UnknownMessage
    from .._model.codec import channel_from_client as channel_from_client
    from .._model.codec import channel_from_streamer as channel_from_streamer
    from .._model.codec import decode as decode
    from .._model.codec import encode as encode
    from .._model.codec import signaling_from_client as signaling_from_client
    from .._model.codec import signaling_from_server as signaling_from_server
    from .._model.events import BroadcastInfo as BroadcastInfo
    from .._model.events import BroadcastReady as BroadcastReady
    from .._model.events import ConnectionStatus as ConnectionStatus
    from .._model.events import ErrorOccurred as ErrorOccurred
    from .._model.events import Event as Event
    from .._model.events import GapEvent as GapEvent
    from .._model.events import InteractAcknowledged as InteractAcknowledged
    from .._model.events import LinkProblem as LinkProblem
    from .._model.events import LinkQuality as LinkQuality
    from .._model.events import LinkQualityChanged as LinkQualityChanged
    from .._model.events import StatusChanged as StatusChanged
    from .._model.events import StreamEnded as StreamEnded
    from .._model.events import StreamFailed as StreamFailed
    from .._model.events import StreamStarted as StreamStarted
    from .._model.events import VideoPaused as VideoPaused
    from .effects import AcceptOffer as AcceptOffer
    from .effects import AddCandidate as AddCandidate
    from .effects import AskForKeyframe as AskForKeyframe
    from .effects import AskForSignOfLife as AskForSignOfLife
    from .effects import Authenticate as Authenticate
    from .effects import BeginFrames as BeginFrames
    from .effects import CheckVideo as CheckVideo
    from .effects import CloseLink as CloseLink
    from .effects import DiscardLink as DiscardLink
    from .effects import Effect as Effect
    from .effects import EndFrames as EndFrames
    from .effects import Fail as Fail
    from .effects import Ignored as Ignored
    from .effects import OpenBroadcast as OpenBroadcast
    from .effects import OpenLink as OpenLink
    from .effects import Output as Output
    from .effects import PauseFrames as PauseFrames
    from .effects import PrepareLink as PrepareLink
    from .effects import RequestSession as RequestSession
    from .effects import SayGoodbye as SayGoodbye
    from .effects import SendChannel as SendChannel
    from .effects import SendSignaling as SendSignaling
    from .effects import Succeed as Succeed
    from .effects import Way as Way
    from .inputs import Abandon as Abandon
    from .inputs import Answered as Answered
    from .inputs import Authenticated as Authenticated
    from .inputs import BroadcastEnded as BroadcastEnded
    from .inputs import Broken as Broken
    from .inputs import CandidateFound as CandidateFound
    from .inputs import ChannelOpened as ChannelOpened
    from .inputs import Command as Command
    from .inputs import Connect as Connect
    from .inputs import Disconnect as Disconnect
    from .inputs import Due as Due
    from .inputs import End as End
    from .inputs import Fault as Fault
    from .inputs import Forgotten as Forgotten
    from .inputs import Input as Input
    from .inputs import Interact as Interact
    from .inputs import Join as Join
    from .inputs import LinkFailed as LinkFailed
    from .inputs import LinkFigures as LinkFigures
    from .inputs import LinkReady as LinkReady
    from .inputs import Occurrence as Occurrence
    from .inputs import Received as Received
    from .inputs import SessionGranted as SessionGranted
    from .inputs import SignalingClosed as SignalingClosed
    from .inputs import SignalingOpened as SignalingOpened
    from .inputs import SignOfLife as SignOfLife
    from .inputs import SlotUnavailable as SlotUnavailable
    from .inputs import Start as Start
    from .inputs import StepFailed as StepFailed
    from .inputs import StreamerUnavailable as StreamerUnavailable
    from .inputs import Unreadable as Unreadable
    from .inputs import VideoReceived as VideoReceived
    from .inputs import VideoResumed as VideoResumed
    from .inputs import VideoSeen as VideoSeen
    from .inputs import Watch as Watch
    from .protocol import Protocol as Protocol
    from .queueing import Queueing as Queueing
    from .queueing import refused_request as refused_request
    from .refusals import REFUSALS as REFUSALS
    from .refusals import HttpAnswer as HttpAnswer
    from .refusals import refusal as refusal
    from .session_machine import SessionState as SessionState
    from .snapshot import Snapshot as Snapshot
    from .spectator_machine import SpectatorMachine as SpectatorMachine
    from .spectator_machine import SpectatorState as SpectatorState
    from .stream_machine import StreamState as StreamState

_MODULES = {
    ".._model.codec": (
        "UnknownMessage",
        "channel_from_client",
        "channel_from_streamer",
        "decode",
        "encode",
        "signaling_from_client",
        "signaling_from_server",
    ),
    ".._model.events": (
        "BroadcastInfo",
        "BroadcastReady",
        "ConnectionStatus",
        "ErrorOccurred",
        "Event",
        "GapEvent",
        "InteractAcknowledged",
        "LinkProblem",
        "LinkQuality",
        "LinkQualityChanged",
        "StatusChanged",
        "StreamEnded",
        "StreamFailed",
        "StreamStarted",
        "VideoPaused",
    ),
    ".effects": (
        "Way",
        "SayGoodbye",
        "OpenBroadcast",
        "AcceptOffer",
        "AddCandidate",
        "AskForKeyframe",
        "AskForSignOfLife",
        "Authenticate",
        "BeginFrames",
        "CheckVideo",
        "CloseLink",
        "DiscardLink",
        "Effect",
        "EndFrames",
        "Fail",
        "Ignored",
        "OpenLink",
        "Output",
        "PauseFrames",
        "PrepareLink",
        "RequestSession",
        "SendChannel",
        "SendSignaling",
        "Succeed",
    ),
    ".inputs": (
        "Watch",
        "LinkReady",
        "BroadcastEnded",
        "Abandon",
        "Answered",
        "Authenticated",
        "Broken",
        "CandidateFound",
        "ChannelOpened",
        "Command",
        "Connect",
        "Disconnect",
        "Due",
        "End",
        "Fault",
        "Forgotten",
        "Input",
        "Interact",
        "Join",
        "LinkFailed",
        "LinkFigures",
        "Occurrence",
        "Received",
        "SessionGranted",
        "SignOfLife",
        "SignalingClosed",
        "SignalingOpened",
        "SlotUnavailable",
        "Start",
        "StepFailed",
        "StreamerUnavailable",
        "Unreadable",
        "VideoReceived",
        "VideoResumed",
        "VideoSeen",
    ),
    ".protocol": ("Protocol",),
    ".queueing": (
        "Queueing",
        "refused_request",
    ),
    ".session_machine": ("SessionState",),
    ".stream_machine": ("StreamState",),
    ".refusals": (
        "HttpAnswer",
        "REFUSALS",
        "refusal",
    ),
    ".spectator_machine": (
        "SpectatorMachine",
        "SpectatorState",
    ),
    ".snapshot": ("Snapshot",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # type checkers read the imports above, and find no other name
    __all__, __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
