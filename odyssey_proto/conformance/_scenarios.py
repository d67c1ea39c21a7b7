"""The scenarios through which the emulator leads a client: its steps, the faults, and the expected results.

They are data: `odyssey_proto.conformance._live` carries them out, with the checks of
`odyssey_proto.conformance._judges`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

__all__ = ["OTHER_HOST", "SCENARIOS", "SIZE", "Scenario", "ScenarioCheck", "ScenarioStep"]

SIZE: Final = (640, 352)
"""Width and height of the pictures in landscape, in px: those of the service, halved."""

OTHER_HOST: Final = "localhost"
"""Another name of the host of an emulator, and so another origin."""

Expected = Literal["ok", "error", "any"]


@attrs.frozen
class ScenarioStep:
    """One action of the client."""

    do: str
    """Its name; ``spec/conformance.md`` lists all, with their arguments and reports."""
    arguments: dict[str, Any] = attrs.field(factory=dict)
    expected: Expected = "ok"
    """Its expected outcome; ``any``: it only has to end."""
    value: dict[str, Any] = attrs.field(factory=dict)
    """The expected report; a dict with ``at_least`` stands for that number or a larger one."""
    written: str = ""
    """Where the protocol says so."""

    def to_dict(self) -> dict[str, Any]:
        """Return the step as the client gets it."""
        return {"do": self.do, **self.arguments, "expect": self.expected}


@attrs.frozen
class ScenarioCheck:
    """One check of the client's traffic."""

    name: str
    """A function of `odyssey_proto.conformance._judges`."""
    written: str
    """Where the protocol says so."""
    arguments: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Scenario:
    """One run of the client."""

    name: str
    about: str
    """Its subject, in one sentence."""
    steps: tuple[ScenarioStep, ...]
    checks: tuple[ScenarioCheck, ...] = ()
    settings: dict[str, Any] = attrs.field(factory=dict)
    """Settings of its emulator."""
    faults: tuple[dict[str, Any], ...] = ()
    """Its faults, in the form of the emulator's fault script; ``{port}`` in a header is the emulator's port."""
    key: str | None = None
    """The key that the client gets; None for a valid one."""
    limit_s: float = 60.0
    """The time limit of the client for the whole scenario, in s."""

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario as the client gets it."""
        return {"scenario": self.name, "about": self.about, "steps": [step.to_dict() for step in self.steps]}


def _step(
    do: str, written: str = "", expected: Expected = "ok", value: Any = None, **arguments: Any
) -> ScenarioStep:
    return ScenarioStep(do, arguments, expected, value or {}, f"behaviour.md#{written}" if written else "")


def _check(name: str, written: str, **arguments: Any) -> ScenarioCheck:
    return ScenarioCheck(name, f"behaviour.md#{written}", arguments)


_CONNECT: Final = _step("connect", "connected")
_DISCONNECT: Final = _step("disconnect", "goodbye")
_START: Final = _step("start", "starting", prompt="A cat", portrait=False)
_END: Final = _step("end", "ending")
_ONE_SESSION: Final = _check("one_session", "queueing")
_GOODBYE: Final = _check("goodbye", "goodbye")
_CONFIG: Final = _check("config_before_each_handshake", "ice-servers")
_ONE_JOB: Final = _check("requests", "jobs", call="POST /simulation-jobs", times=1)
_LIVE: Final = (_ONE_SESSION, _CONFIG, _GOODBYE)
_STARTED_ONCE: Final = _check("stream_requests", "order-of-answers", start=1, end=1)

_LIMIT: Final = {
    "action": "answer",
    "status": 429,
    "times": None,
    "body": {
        "detail": {
            "error": "MONTHLY_LIMIT_REACHED",
            "message": "You have used all of your 10 hours this month",
            "action": "Wait until the month is over",
            "details": {"used_hours": 10, "limit_hours": 10, "reset_date": "2026-02-01"},
        }
    },
}
# A PNG of 4×4 px.
_IMAGE: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAFElEQVR4nGM8UaHBAANMDEgANwcAR/QBcCY7mNgAAAAASUVORK5CYII="
)
_SCRIPT: Final = (
    {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
    {"timestamp_ms": 500, "interact": {"prompt": "Night"}},
    {"timestamp_ms": 1000, "end": {}},
)


_FORBIDDEN: Final = (
    {"timestamp_ms": 0, "start": {"prompt": "Something forbidden"}},
    {"timestamp_ms": 500, "end": {}},
)
_LIST: Final = _step("list_recordings", "access-tokens")
_SIMULATE: Final = _step("simulate", "jobs", script=_SCRIPT, portrait=False)
_COMPLETED: Final = _step("wait_job", "jobs", value={"status": "completed"})
_DOWNLOAD: Final = _step("download", "downloads", value={"bytes": {"at_least": 1000}})


def _redirected(*calls: tuple[str, int]) -> tuple[dict[str, Any], ...]:
    """Return the faults that redirect each call, once, to its own address."""
    return tuple(
        {
            "step": call,
            "action": "answer",
            "status": status,
            "body": "",
            "headers": {"Location": call.partition(" ")[2]},
        }
        for call, status in calls
    )


def _stream(name: str, about: str, *, portrait: bool) -> Scenario:
    width, height = reversed(SIZE) if portrait else SIZE
    return Scenario(
        name=name,
        about=about,
        steps=(
            _CONNECT,
            _step("start", "starting", prompt="A cat", portrait=portrait),
            _step("frames", "frames", value={"frames": 5, "width": width, "height": height}, count=5),
            _END,
            _DISCONNECT,
        ),
        checks=(*_LIVE, _STARTED_ONCE, _check("start_says", "starting", field="portrait", value=portrait)),
    )


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        name="connect",
        about="A client connects, and leaves.",
        steps=(_CONNECT, _DISCONNECT),
        checks=(*_LIVE, _check("pings_before_session", "regions")),
    ),
    _stream("portrait", "A stream in portrait, from its start to its end.", portrait=True),
    _stream("landscape", "A stream in landscape, from its start to its end.", portrait=False),
    Scenario(
        name="interact",
        about="A stream is steered twice; then moderation refuses a prompt, and the stream continues.",
        steps=(
            _CONNECT,
            _START,
            _step("interact", "interacting", prompt="Night"),
            _step("interact", "interacting", prompt="Day"),
            _step("interact", "errors-of-a-stream", "error", prompt="Something forbidden"),
            _step("interact", "errors-of-a-stream", prompt="Rain"),
            _END,
            _DISCONNECT,
        ),
        checks=(*_LIVE, _check("stream_requests", "order-of-answers", start=1, update=4, end=1)),
    ),
    Scenario(
        name="image",
        about="A stream starts from an image, which goes over signaling.",
        steps=(
            _CONNECT,
            _step("start", "images", prompt="A cat", portrait=False, image_base64=_IMAGE),
            _END,
            _DISCONNECT,
        ),
        checks=(*_LIVE, _STARTED_ONCE, _check("start_has_image", "messages-and-their-size")),
    ),
    Scenario(
        name="image without the capability",
        about="A session cannot start from an image, and the client does not send one.",
        settings={"image_to_video": False},
        steps=(
            _CONNECT,
            _step("start", "images", "error", prompt="A cat", portrait=False, image_base64=_IMAGE),
            _DISCONNECT,
        ),
        checks=(*_LIVE, _check("no_start", "images")),
    ),
    Scenario(
        name="long prompt",
        about="A start that may not fit the data channel arrives all the same.",
        steps=(
            _CONNECT,
            _step("start", "messages-and-their-size", prompt="A cat. " * 20_000, portrait=False),
            _END,
            _DISCONNECT,
        ),
        checks=(*_LIVE, _STARTED_ONCE, _check("start_fits", "messages-and-their-size")),
    ),
    Scenario(
        name="keepalive",
        about="A client stays connected for 23 s, and keeps its session alive.",
        steps=(_CONNECT, _step("wait", seconds=23), _DISCONNECT),
        checks=(*_LIVE, _check("keepalives", "keepalive", at_least=2)),
    ),
    Scenario(
        name="queueing",
        about="No streamer is free at first (503), so the client asks again.",
        faults=({"step": "POST /sessions/request", "action": "answer", "status": 503, "times": 2},),
        steps=(_step("connect", "queueing"), _DISCONNECT),
        checks=(*_LIVE, _check("asks_again", "queueing", times=3)),
    ),
    Scenario(
        name="limit of the account",
        about="The account has reached a limit (429): the client reports it, and does not ask again.",
        faults=({"step": "POST /sessions/request", **_LIMIT},),
        steps=(_step("connect", "limits-of-the-account", "error", {"code": "MONTHLY_LIMIT_REACHED"}),),
        checks=(_check("requests", "limits-of-the-account", call="POST /sessions/request", times=1),),
    ),
    Scenario(
        name="refused key",
        about="The key is refused: the client reports it, and asks for nothing else.",
        key="refused",
        steps=(_step("connect", "access-tokens", "error"),),
        checks=(_check("requests", "access-tokens", call="POST /sessions/request", times=0),),
    ),
    Scenario(
        name="one token",
        about="A token that is valid serves several calls.",
        steps=(_LIST, _LIST),
        checks=(_check("requests", "access-tokens", call="POST /auth/token", times=1),),
    ),
    Scenario(
        name="expired token",
        about="A token that expires within 60 s is replaced before the next call.",
        settings={"token_ttl_s": 30},
        steps=(_LIST, _LIST),
        checks=(_check("requests", "access-tokens", call="POST /auth/token", times=2),),
    ),
    Scenario(
        name="closed before the offer",
        about="A WebSocket closes with 1011 before the offer: the client tries again, as the same session.",
        faults=({"step": "signaling offer", "action": "close", "code": 1011},),
        steps=(_step("connect", "backoff"), _START, _END, _DISCONNECT),
        checks=(*_LIVE, _check("handshakes", "backoff", at_least=2)),
    ),
    Scenario(
        name="refused handshake",
        about="The first handshake is refused: the client tries again, as the same session.",
        faults=({"step": "signaling handshake", "action": "answer", "status": 404},),
        steps=(_step("connect", "handshake"), _DISCONNECT),
        checks=(*_LIVE, _check("handshakes", "backoff", at_least=2)),
    ),
    Scenario(
        name="signaling error",
        about="The service reports that the streamer is gone: the connect fails, and nothing hangs.",
        faults=({"step": "signaling offer", "action": "error", "reason": "streamer_not_available"},),
        steps=(_step("connect", "end-of-signaling", "error"),),
        checks=(_check("handshakes", "end-of-signaling", at_least=1, at_most=1),),
    ),
    Scenario(
        name="lost link",
        about="The connection breaks during a call: the call ends, and the client can still leave.",
        faults=({"step": "stream update", "action": "drop"},),
        steps=(
            _CONNECT,
            _START,
            _step("interact", "rejoining", "any", prompt="Night"),
            ScenarioStep("disconnect", written="behaviour.md#goodbye"),
        ),
        checks=(_ONE_SESSION,),
    ),
    Scenario(
        name="vanished streamer",
        about="The streamer vanishes as the stream is ended: the call ends, and the client can still leave.",
        faults=({"step": "stream end", "action": "kill_peer"},),
        steps=(
            _CONNECT,
            _START,
            _step("end", "order-of-answers", "any"),
            ScenarioStep("disconnect", written="behaviour.md#goodbye"),
        ),
        checks=(_ONE_SESSION,),
    ),
    Scenario(
        name="two streams",
        about="A stream begins right after another one: the end of the first is not that of the second.",
        steps=(
            _CONNECT,
            *(_START, _step("frames", "order-of-reports", value={"frames": 3}, count=3), _END),
            *(_START, _step("frames", "order-of-reports", value={"frames": 3}, count=3), _END),
            _DISCONNECT,
        ),
        checks=(*_LIVE, _check("stream_requests", "order-of-answers", start=2, end=2)),
    ),
    Scenario(
        name="rejoining",
        about="The connection breaks in a stream: the client reconnects, and the stream continues.",
        faults=({"step": "stream update", "action": "drop"},),
        steps=(
            _CONNECT,
            _START,
            _step("interact", "rejoining", "any", prompt="Night"),
            _step("rejoin", "rejoining"),
            _step("frames", "rejoining", value={"frames": 3}, count=3),
            _step("interact", "rejoining", prompt="Day"),
            _END,
            _DISCONNECT,
        ),
        checks=(*_LIVE, _check("handshakes", "rejoining", at_least=2)),
    ),
    Scenario(
        name="late acknowledgement",
        about="A call is abandoned; its late answer is not mistaken for that of the next call.",
        faults=({"step": "stream update", "action": "delay", "seconds": 1.0},),
        steps=(
            _CONNECT,
            _START,
            _step("interact", "order-of-answers", "error", prompt="Night", timeout_s=0.2),
            _step("interact", "order-of-answers", prompt="Day"),
            _END,
            _DISCONNECT,
        ),
        checks=(*_LIVE, _check("stream_requests", "order-of-answers", start=1, update=2, end=1)),
    ),
    Scenario(
        name="unknown messages",
        about="Unknown messages and fields come in between, and change nothing.",
        faults=(
            {"step": "stream start", "action": "send", "text": '{"type": "x-conformance-a06d52"}'},
            {"step": "stream update", "action": "send", "text": "<html>"},
            {"step": "signaling offer", "action": "send", "text": '{"type": "x-conformance-a06d52"}'},
            {"step": "keepalive", "action": "send", "text": '{"type": "x-conformance-a06d52"}'},
        ),
        steps=(_CONNECT, _START, _step("interact", "messages-and-their-size", prompt="Night"), _END, _DISCONNECT),
        checks=_LIVE,
    ),
    Scenario(
        name="redirects",
        about="Calls are redirected on the same origin, with their bodies and tokens.",
        faults=_redirected(
            ("POST /auth/token", 307),
            ("GET /regions", 302),
            ("POST /sessions/request", 307),
            ("POST /sessions/token", 308),
            ("GET /signaling/config", 302),
        ),
        steps=(_step("connect", "redirects"), _DISCONNECT),
        checks=(_GOODBYE, _check("answered", "redirects", call="POST /sessions/request", at_least=1)),
    ),
    Scenario(
        name="redirect to another origin",
        about="A call is redirected to another name of the same host, which may not get the token.",
        faults=(
            {
                "step": "GET /stream-recordings",
                "action": "answer",
                "status": 307,
                "body": "",
                # Not a call of the protocol: following it without the token is right, and breaks no schema.
                "headers": {"Location": f"http://{OTHER_HOST}:{{port}}/_emulator/elsewhere"},
            },
        ),
        steps=(_step("list_recordings", "redirects", "any"),),
        checks=(_check("no_token_elsewhere", "redirects", host=OTHER_HOST),),
    ),
    Scenario(
        name="odd answers",
        about="A lenient service sends the same content in forms that only a tolerant reader accepts.",
        settings={"sloppy": 7},
        steps=(
            _CONNECT,
            _START,
            _step("frames", "frames", value={"frames": 3}, count=3),
            _step("interact", "interacting", prompt="Night"),
            _END,
            _DISCONNECT,
        ),
        checks=(_GOODBYE,),
    ),
    Scenario(
        name="broadcast",
        about="A stream is broadcast, and the client watches it as a spectator.",
        steps=(
            _CONNECT,
            _step("start", "broadcast-addresses", prompt="A cat", portrait=False, broadcast=True),
            _step("broadcast", "broadcast-addresses"),
            _step("watch", "whep", value={"frames": 3}, count=3),
            _END,
            _DISCONNECT,
        ),
        checks=(
            *_LIVE,
            _STARTED_ONCE,
            _check("start_says", "broadcast-addresses", field="broadcast", value=True),
            _check("answered", "whep", call="POST /live/{stream_id}/whep", at_least=1),
            _check("answered", "whep", call="DELETE /live/{stream_id}/whep/{resource}", at_least=1),
        ),
    ),
    Scenario(
        name="job and download",
        about="A script is filmed as a job, and its video is downloaded.",
        steps=(_SIMULATE, _COMPLETED, _DOWNLOAD),
        checks=(_ONE_JOB, _check("artifacts_without_token", "downloads")),
    ),
    Scenario(
        name="failed job",
        about="Moderation refuses a prompt, so a job fails: the client reports it, and stops waiting.",
        steps=(
            _step("simulate", "jobs", script=_FORBIDDEN, portrait=False),
            _step("wait_job", "jobs", value={"status": "failed"}),
        ),
        checks=(_ONE_JOB,),
    ),
    Scenario(
        name="refused job",
        about="A job is refused with 503: the client reports it, and does not ask for another one.",
        faults=({"step": "POST /simulation-jobs", "action": "answer", "status": 503},),
        steps=(_step("simulate", "jobs", "error", script=_SCRIPT, portrait=False),),
        checks=(_ONE_JOB,),
    ),
    Scenario(
        name="limit of jobs",
        about="The account has reached a limit (429) when a job is asked for: the client reports it.",
        faults=({"step": "POST /simulation-jobs", **_LIMIT},),
        steps=(
            _step(
                *("simulate", "limits-of-the-account", "error", {"code": "MONTHLY_LIMIT_REACHED"}),
                script=_SCRIPT,
                portrait=False,
            ),
        ),
        checks=(_ONE_JOB,),
    ),
    Scenario(
        name="refused key in a call",
        about="The key is refused: the client reports it, and makes no call without a token.",
        key="refused",
        steps=(_step("list_recordings", "access-tokens", "error"),),
        checks=(_check("requests", "access-tokens", call="GET /stream-recordings", times=0),),
    ),
    Scenario(
        name="busy service",
        about="A call is refused with 429 and Retry-After: a client that retries it waits for that long.",
        faults=(
            {
                "step": "GET /stream-recordings",
                "action": "answer",
                "status": 429,
                "headers": {"Retry-After": "1"},
            },
        ),
        steps=(_step("list_recordings", "retry-after", "any"),),
        checks=(_check("waits", "retry-after", call="GET /stream-recordings", at_least_s=1.0),),
    ),
    Scenario(
        name="redirected calls",
        about="Calls without a session are redirected on the same origin, with their bodies and tokens.",
        faults=_redirected(
            ("POST /auth/token", 307), ("GET /stream-recordings", 302), ("POST /simulation-jobs", 308)
        ),
        steps=(_step("list_recordings", "redirects"), _SIMULATE, _COMPLETED),
        checks=(
            _check("answered", "redirects", call="GET /stream-recordings", at_least=1),
            _check("answered", "redirects", call="POST /simulation-jobs", at_least=1),
        ),
    ),
    Scenario(
        name="odd answers to calls",
        about="A lenient service, as in `odd answers`, and no session: calls, a job, and its video.",
        settings={"sloppy": 7},
        steps=(_LIST, _SIMULATE, _COMPLETED, _DOWNLOAD),
        checks=(_check("artifacts_without_token", "downloads"),),
    ),
)
"""All scenarios, in the order of the scorecard."""
