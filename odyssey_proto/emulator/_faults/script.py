"""The fault script: which step of the service goes wrong next, and how.

A script is data, from Python or JSON. This module only schedules and counts faults; the owners of the steps carry
them out: `api` and `artifact_server` of `odyssey_proto.emulator._http`, `signaling` and `streamer` of
`odyssey_proto.emulator._session`, and `odyssey_proto.emulator._jobs.queue`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import attrs

from ..._base.errors import OdysseyConfigError
from ..._base.public_path import publish

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Action", "Artifact", "Fault", "FaultScript", "Step"]

Action = Literal[
    "answer",
    "close",
    "close_channel",
    "delay",
    "drip",
    "drop",
    "error",
    "fail",
    "hang",
    "hold",
    "kill_peer",
    "lose",
    "replace",
    "reset",
    "send",
    "silence",
    "stop",
    "stream_error",
    "truncate",
]
"""The possible actions at a step; `Fault` describes each."""

Artifact = Literal["events", "preview", "thumbnail", "video"]
"""A file of a stream."""

_RestStep = Literal[
    "POST /auth/token",
    "GET /regions",
    "POST /sessions/request",
    "POST /sessions/token",
    "POST /telemetry",
    "GET /signaling/config",
    "GET /config",
    "POST /live/{stream_id}/whep",
    "DELETE /live/{stream_id}/whep/{resource}",
    "GET /live/{stream_id}/index.m3u8",
    "GET /live/{stream_id}/{segment}",
    "GET /recordings/{stream_id}",
    "GET /stream-recordings",
    "POST /simulation-jobs",
    "GET /simulation-jobs",
    "GET /simulation-jobs/{job_id}",
    "DELETE /simulation-jobs/{job_id}",
    "artifact",
    "ping",
    "signaling handshake",
]
_SignalingStep = Literal["signaling offer", "signaling answer", "signaling candidates", "keepalive"]
_StreamStep = Literal["stream start", "stream update", "stream end"]

Step = Literal[_RestStep, _SignalingStep, "channel open", _StreamStep, "media", "job"]
"""A step of the service at which a fault may happen; `Fault` lists the actions of each."""

_HTTP: Final = frozenset({"answer", "truncate", "delay", "hang", "reset", "drip"})
_SIGNALING: Final = frozenset({"close", "drop", "send", "replace", "error", "silence", "delay"})
_CHANNEL: Final = frozenset(
    {"stream_error", "silence", "close_channel", "kill_peer", "send", "close", "drop", "error", "delay"}
)
_MEDIA: Final = frozenset({"silence", "stop", "kill_peer", "stream_error", "close", "drop", "error", "delay"})

_JOB: Final = frozenset({"fail", "hold", "lose", "delay"})
_ACTIONS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(get_args(_RestStep), _HTTP),
    **dict.fromkeys(get_args(_SignalingStep), _SIGNALING),
    "channel open": _CHANNEL - {"silence", "delay"},
    **dict.fromkeys(get_args(_StreamStep), _CHANNEL),
    "media": _MEDIA,
    "job": _JOB,
}


_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _mapping_of_text(_: Any, __: Any, value: Any) -> None:
    for name, text in value.items():
        if not isinstance(name, str) or not _is_text(text):
            raise OdysseyConfigError("headers must map names to text")
        if not _HEADER_NAME.fullmatch(name) or _CONTROL.search(text):
            raise OdysseyConfigError(f"headers must be ones that HTTP can send, unlike {name!r}")


def _headers(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise OdysseyConfigError("headers must map names to text")
    return dict(value)


@attrs.frozen(kw_only=True)
class Fault:
    """One failure at one step.

    Raises:
        OdysseyConfigError: a field is not valid, or the step does not support the action.

    >>> Fault(step="POST /sessions/request", action="answer", status=503, times=2).times
    2
    >>> Fault(step="media", action="stop", after=40).action
    'stop'
    >>> Fault(step="job", action="fail", message="Out of memory").message
    'Out of memory'
    """

    step: Step
    """The step at which it happens, which determines the possible actions:

    - calls: ``POST /auth/token``, ``GET /regions``, ``ping`` (the measurement of a region), ``POST
      /sessions/request``, ``POST /sessions/token``, ``GET /signaling/config``, ``POST /telemetry``, ``GET
      /recordings/{stream_id}``, ``GET /stream-recordings``, ``POST /simulation-jobs``, ``GET /simulation-jobs``,
      ``GET /simulation-jobs/{job_id}``, ``DELETE /simulation-jobs/{job_id}``: ``answer``, ``truncate``, ``delay``,
      ``hang``, ``reset``, ``drip``. Braces are written literally, and stand for any id.
    - calls of spectators: ``GET /config``, ``POST /live/{stream_id}/whep``, ``DELETE
      /live/{stream_id}/whep/{resource}``, ``GET /live/{stream_id}/index.m3u8``, ``GET
      /live/{stream_id}/{segment}``: the same.
    - ``artifact``, every download of a file: the same; ``truncate``, ``hang``, ``reset`` and ``drip`` after
      ``after_bytes`` of the real answer.
    - ``signaling handshake``, the opening of the WebSocket: the same as for calls.
    - ``signaling offer`` (which is sent), ``signaling candidates`` (each one sent), ``signaling answer`` (which is
      received), ``keepalive`` (each one received): ``close``, ``drop``, ``send``, ``replace``, ``error``,
      ``silence``, ``delay``.
    - ``stream start``, ``stream update``, ``stream end``, the requests of a client: ``stream_error``, ``silence``,
      ``close_channel``, ``kill_peer``, ``send``, ``close``, ``drop``, ``error``, ``delay``.
    - ``channel open``, when the client can send requests: the same without ``silence`` and ``delay``.
    - ``media``, every picture: ``silence``, ``stop``, ``kill_peer``, ``stream_error``, ``close``, ``drop``,
      ``error``, ``delay``.
    - ``job``, every simulation that is accepted: ``fail``, ``hold``, ``lose``, ``delay``.
    """
    action: Action
    """What happens:

    - ``answer``: ``status``, ``body`` and ``headers`` replace the step's own answer.
    - ``truncate``: that answer, cut off before its end. ``drip``: that answer, one byte every ``seconds``.
    - ``delay``: the step takes ``seconds`` longer. ``hang``: it never answers.
    - ``reset``: the TCP connection is reset. ``drop``: the WebSocket's TCP connection breaks, without a close.
    - ``close``: the WebSocket closes with ``code``. ``error``: it sends an error with ``reason``, and the session
      ends.
    - ``send``: ``text`` is sent first, then the step continues. ``replace``: ``text`` is sent instead.
    - ``silence``: the step does not happen. ``stop``: no more pictures are sent in this session.
    - ``stream_error``: an ``interactive_stream_error`` with ``reason`` and ``message`` is sent instead.
    - ``close_channel``: the streamer closes its data channels. ``kill_peer``: it stops answering without notice.
    - ``fail``: the job fails with ``message``. ``hold``: it stays pending, until it is cancelled. ``lose``: it
      completes, but the file ``artifact`` of each of its streams is missing.
    """
    times: int | None = 1
    """How often it happens; None for always."""
    after: int = 0
    """How many times the step succeeds first."""
    after_bytes: int = 0
    """How many bytes of an ``artifact`` are sent first."""
    status: int = 500
    """HTTP status."""
    body: Any = None
    """Body: text is sent unchanged, anything else as JSON; None sends ``{"detail": "Injected fault"}``."""
    headers: dict[str, str] = attrs.field(factory=dict, converter=_headers, validator=_mapping_of_text)
    """Extra headers."""
    seconds: float = 0.1
    """Length of a ``delay``, or the time between the bytes of a ``drip``, in s."""
    code: int = 1011
    """WebSocket close code."""
    reason: str = "unknown"
    """Reason of an ``error`` or ``stream_error``."""
    message: str = "Injected fault"
    """Text of a ``stream_error``, or of the error of a job that ``fail`` makes fail."""
    text: str = ""
    """Text of ``send`` and ``replace``, sent unchanged."""
    artifact: Artifact = "video"
    """The file that ``lose`` removes: ``video``, ``events``, ``thumbnail`` or ``preview``."""

    def __attrs_post_init__(self) -> None:
        actions = _ACTIONS.get(self.step) if isinstance(self.step, str) else None
        if actions is None:
            raise OdysseyConfigError(f"step must be one of {', '.join(_ACTIONS)}, not {self.step!r}")
        if not isinstance(self.action, str) or self.action not in actions:
            raise OdysseyConfigError(
                f"action of {self.step!r} must be one of {', '.join(sorted(actions))}, not {self.action!r}"
            )
        if self.times is not None and (not _is_whole(self.times) or self.times < 1):
            raise OdysseyConfigError("times must be a whole number of at least 1, or None for always")
        if not _is_whole(self.after) or self.after < 0:
            raise OdysseyConfigError("after must be a whole number of at least 0")
        if not _is_whole(self.after_bytes) or self.after_bytes < 0:
            raise OdysseyConfigError("after_bytes must be a whole number of at least 0")
        if not _is_whole(self.status) or not 200 <= self.status <= 599:
            raise OdysseyConfigError("status must be from 200 to 599")
        if not isinstance(self.seconds, int | float) or not 0 <= self.seconds < 1e6:
            raise OdysseyConfigError("seconds must be a number of at least 0")
        if not _is_whole(self.code) or not 1000 <= self.code <= 4999:
            raise OdysseyConfigError("code must be from 1000 to 4999")
        if not all(map(_is_text, (self.reason, self.message, self.text))):
            raise OdysseyConfigError("reason, message and text must be text that UTF-8 can write")
        if self.artifact not in get_args(Artifact):
            raise OdysseyConfigError(f"artifact must be one of {', '.join(get_args(Artifact))}")
        if isinstance(self.body, str) and not _is_text(self.body):
            raise OdysseyConfigError("body must be text that UTF-8 can write")
        try:
            json.dumps(self.body, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as exc:
            raise OdysseyConfigError("body must be text or JSON-ready data") from exc

    @classmethod
    def from_dict(cls, data: Any) -> Fault:
        """Read a fault from parsed JSON."""
        if not isinstance(data, dict) or not {"step", "action"} <= data.keys():
            raise OdysseyConfigError('a fault is an object with at least "step" and "action"')
        unknown = data.keys() - {field.name for field in attrs.fields(cls)}
        if unknown:
            raise OdysseyConfigError(f"a fault has no {', '.join(sorted(map(str, unknown)))}")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """Return the fault as JSON-ready data."""
        return attrs.asdict(self)

    def body_bytes(self) -> tuple[bytes, str]:
        """Return the body to send and its content type."""
        if isinstance(self.body, str):
            kind = "text/html" if self.body.lstrip().startswith("<") else "text/plain"
            return self.body.encode(), self.headers.get("Content-Type", kind)
        content = {"detail": "Injected fault"} if self.body is None else self.body
        return json.dumps(content).encode(), "application/json"


class FaultScript:
    """The faults still to come, in order. Any thread may call, even while the emulator runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._pace = 1.0  # of the emulator whose script it is

    def add(self, *faults: Fault) -> None:
        """Append ``faults``. A step takes the first fault for it whose ``after`` is over and which is not used up.

        Raises:
            TypeError: one of them is not a `Fault`; nothing was added.
        """
        for fault in faults:
            if not isinstance(fault, Fault):
                raise TypeError(f"a fault must be a Fault, not {type(fault).__name__}")
        with self._lock:
            self._waiting.extend(_Waiting(fault=fault, skips=fault.after, left=fault.times) for fault in faults)

    def load(self, data: Any) -> None:
        """Append faults from parsed JSON: one object, or a list of them.

        Raises:
            OdysseyConfigError: one of them is not a valid fault; nothing was added.
        """
        items: Iterable[Any] = data if isinstance(data, list) else [data]
        self.add(*[Fault.from_dict(item) for item in items])

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._waiting.clear()

    @property
    def pending(self) -> list[Fault]:
        """The faults that are not used up."""
        with self._lock:
            return [waiting.fault for waiting in self._waiting]

    def take(self, step: str) -> Fault | None:
        """Return the fault for this run of ``step``, if any, and count it."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.fault.step != step:
                    continue
                if waiting.skips:
                    waiting.skips -= 1
                    continue
                if waiting.left is not None:
                    waiting.left -= 1
                    if not waiting.left:
                        self._waiting.remove(waiting)
                if self._pace == 1:
                    return waiting.fault
                return attrs.evolve(waiting.fault, seconds=waiting.fault.seconds / self._pace)
        return None


@attrs.define(eq=False, kw_only=True)
class _Waiting:
    fault: Fault
    skips: int
    left: int | None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


publish("odyssey_proto.emulator", Fault, FaultScript)
