"""Wrong arguments: for every parameter of every public call, values that cannot work, and their errors.

A new call needs a row in `CALLS`; a new parameter needs one only if `BY_NAME` lacks it. A parameter that may be
anything is listed with the reason. `test_wrong_arguments.py` finds what is missing here.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from odyssey_proto import BroadcastInfo, ClientCredentials, Event, OdysseyConfigError, StreamEnded

__all__ = ["BY_NAME", "CALLS", "NOT_CALLED", "Call", "Rows", "rows_of"]

Rows: TypeAlias = list[tuple[Any, type[Exception]]]

VALUE: Final = OdysseyConfigError
TYPE: Final = TypeError


class Thing:
    """A value that no parameter accepts."""

    def __repr__(self) -> str:
        return "a thing"  # without an address, so that the names of tests stay the same


def values(error: type[Exception], *wrong: Any) -> Rows:
    return [(value, error) for value in wrong]


IDS: Final = [
    *values(TYPE, None, 7, b"s-1"),
    *values(VALUE, "", "  ", ".", "..", "a\nb", "a\0b", "\ud800", "a" * 1000),
]
LIMITS: Final = [*values(TYPE, "10", 1.5, True), *values(VALUE, 0, 101, -1, 10**5000)]
FLAGS: Final = values(TYPE, 1, "yes")
SURE_FLAGS: Final = [*FLAGS, *values(TYPE, None)]
FUNCTIONS: Final = values(TYPE, "print", 7)
TEXTS: Final = [*values(TYPE, None, 7, b"A cat"), *values(VALUE, "\ud800")]
ENTRY: Final = {"timestamp_ms": 0, "start": {"prompt": "A cat"}}
ADDRESSES: Final = [
    *values(TYPE, 7, b"https://api.odyssey.ml"),
    *values(
        VALUE, "", "api.odyssey.ml", "ftp://x.example", "https://", "http://h:0", "http://u:p@h", "http://h?a=b"
    ),
    *values(VALUE, "http://a b", "http://h/\n/x", "http://[::1"),
]


def at_least(least: float) -> Rows:
    wrong = (least - 1, math.nan, math.inf, -math.inf, 10**400, -(10**5000))
    return [*values(TYPE, "1", None, True, [1]), *values(VALUE, *wrong)]


BY_NAME: Final[dict[str, Rows]] = {
    "active": FLAGS,
    "broadcast": SURE_FLAGS,
    "bypass_prompt_expansion": FLAGS,
    "cancel_on_timeout": SURE_FLAGS,
    "job_id": IDS,
    "limit": LIMITS,
    "offset": [*values(TYPE, "0", 1.0, False), *values(VALUE, -1, 10**5000, -(10**5000))],
    "page_size": LIMITS,
    "poll": at_least(0),
    "portrait": SURE_FLAGS,
    "prompt": TEXTS,
    "script": [*values(TYPE, "A cat", {}, 7), *values(VALUE, [], [{}], [7], [{**ENTRY, "timestamp_ms": -1}])],
    "script_url": [
        *values(TYPE, 7, b"https://x.example"),
        *values(VALUE, "", "x.json", "file:///etc/passwd", "http://", "https://[::1", "https://h/a b"),
    ],
    "scripts": [*values(TYPE, "A cat", 7), *values(VALUE, [], [[]], [[{}]])],
    "status": [*values(TYPE, 7, ["pending"]), *values(VALUE, "running", "")],
    "stream_id": IDS,
    "watcher": [*FUNCTIONS, *values(TYPE, None)],
    "timeout": [*values(TYPE, "30", True, [1]), *values(VALUE, -1, math.nan)],
}
"""Wrong values by the name of a parameter, in every call. Parameters that begin with ``on_`` are functions."""


def common(name: str) -> Rows | None:
    return FUNCTIONS if name.startswith("on_") else BY_NAME.get(name)


@attrs.frozen(kw_only=True)
class Call:
    """A public call."""

    works: dict[str, Any] = attrs.field(factory=dict)
    """Arguments that it needs and would accept."""
    wrong: dict[str, Rows] = attrs.field(factory=dict)
    """Wrong values of parameters that `BY_NAME` lacks, or for which it differs."""
    never_wrong: dict[str, str] = attrs.field(factory=dict)
    """Parameters that may be anything, and why."""
    together: list[tuple[dict[str, Any], type[Exception]]] = attrs.field(factory=list)
    """Combinations of arguments that are refused."""
    instead: tuple[str, ...] = ()
    """Parameters of which only one may be given."""


SOURCES: Final = ("script", "scripts", "script_url")
SIMULATING: Final[dict[str, Any]] = {
    "works": {"script": [ENTRY]},
    "instead": SOURCES,
    "together": [
        ({"script": None}, VALUE),
        ({"script": [ENTRY], "script_url": "https://x.example/s.json"}, VALUE),
        ({"script": [ENTRY], "scripts": [[ENTRY]]}, VALUE),
        ({"script": [{**ENTRY, "interact": {"prompt": "Two actions"}}]}, VALUE),
        ({"script": [ENTRY, {**ENTRY, "start": {"prompt": "Two streams"}}]}, VALUE),
        ({"script": [{"timestamp_ms": 0, "start": {"prompt": "A cat", "image": b"none"}}]}, VALUE),
    ],
}
STREAMING: Final = Call(
    wrong={
        "image": [*values(TYPE, 7, 1.5, Thing()), *values(VALUE, "", "nowhere.png", b"", b"no image", "data:,")],
        "image_path": [*values(TYPE, 7, b"x.png"), *values(VALUE, "nowhere.png")],
    },
    together=[({"image": b"x", "image_path": "x.png"}, VALUE), ({"image": np.zeros((4, 4), np.uint8)}, VALUE)],
)
FRAMES: Final = Call(
    wrong={
        "policy": values(VALUE, "newest", None, 7, []),
        "queue_size": [*values(TYPE, "4", 1.5, None, True), *values(VALUE, 0, -1)],
        "pace": values(VALUE, "slow", None, 7, [], True),
    }
)
READING: Final = Call(wrong={"source": values(TYPE, 7, None, b"{}")})
RECORDING: Final = Call(
    wrong={
        "path": [
            *values(TYPE, None, 7, [], b"cat.mp4"),
            ("nowhere/at/all.mp4", FileNotFoundError),
            ("/", IsADirectoryError),
        ]
    }
)
WAITING: Final = Call(
    works={"kind": StreamEnded}, wrong={"kind": values(TYPE, None, "StreamEnded", int, Event, [])}
)
CONFIGURING: Final[dict[str, Rows]] = {
    "api_key": values(TYPE, 7, b"ody_key"),
    "api_url": ADDRESSES,
    "debug": SURE_FLAGS,
    "reconnect": SURE_FLAGS,
    "enable_telemetry": SURE_FLAGS,
    "ice_servers": [*values(TYPE, 7, "stun:a.example", {}, [7], [{}]), *values(VALUE, [{"urls": "http://a"}])],
    "ice_policy": values(VALUE, "none", None, 7),
    "codec": values(VALUE, "av1", None, 7, []),
}

ABOVE_ZERO: Final = values(VALUE, 0, -1, "1", True, math.nan, math.inf)
COUNTS: Final = values(VALUE, -1, 1.5, "1", True)
EMULATING: Final[dict[str, Rows]] = {
    "host": values(VALUE, "", " ", None, 7),
    "allow_hosts": values(VALUE, "a.example", ["a.example:80"], [""], [7], None),
    "allow_origins": values(VALUE, "https://a.example", ["a.example"], [""], [7], None),
    "size": values(VALUE, None, 7, "512x32", (1280,), (1281, 704), (1280, 30), (True, 704)),
    "port": [*COUNTS, (65536, VALUE), (None, VALUE)],
    "seed": COUNTS,
    "sloppy": COUNTS,
    "codec": values(VALUE, "av1", None, 7),
    "stamp": values(VALUE, 1, "yes"),
    "second_connection": values(VALUE, "ends", None, 7),
    "fps": [*COUNTS, *values(VALUE, 0, 61)],
    "pace": values(VALUE, 0, -1, "1", None, True, math.nan),
    "replay": values(VALUE, 7, "", b"x"),
    "bitrate": values(VALUE, 0, 999_999, 16_000_001, 4e6, "4000000", True),
    "congestion_control": values(VALUE, True, 1, None),
    "grain": [*COUNTS, (17, VALUE)],
    "data_dir": values(VALUE, 7, "", b"x"),
    "world": values(VALUE, 7, "", " ", b"clip.mp4", []),
    "world_fps": ABOVE_ZERO,
    "record": values(VALUE, 1, None),
    "streamers": COUNTS,
    "image_to_video": values(VALUE, 1, None),
    "bypass_privilege": values(VALUE, 1, None),
    "blocked_words": values(VALUE, "word", [7], [""], None),
    "regions": values(VALUE, "us-west", {"us west": 0}, {"here": -1}, {"here": "0"}, 7, None),
    "ice_servers": values(VALUE, "stun:x", [{}], [7], 7),
    "concurrent_sessions": COUNTS,
    "monthly_hours": ABOVE_ZERO,
    "rate_limit": [*COUNTS, (0, VALUE)],
    "concurrent_simulations": COUNTS,
    "max_simulation_s": ABOVE_ZERO,
    "simulation_workers": [*COUNTS, (17, VALUE)],
    "url_ttl_s": ABOVE_ZERO,
    "token_ttl_s": ABOVE_ZERO,
    "session_token_ttl_s": ABOVE_ZERO,
    "stale_after_s": ABOVE_ZERO,
    "max_stream_s": ABOVE_ZERO,
    "max_session_s": ABOVE_ZERO,
}
MAKERS: Final = {"camera": values(TYPE, None, 7)}
TOKEN: Final = "e30.eyJzZXNzaW9uX2lkIjoicy0xIn0.c2ln"  # a token of the session s-1
CREDENTIALS: Final = {"signaling_url": "wss://x.example", "session_token": TOKEN, "expires_in": 600}

WATCHED: Final[dict[str, Any]] = {"webrtc_url": "http://127.0.0.1:9/live/s", "spectator_token": "token"}
BARE_TEXTS: Final = [*values(TYPE, None, 7, b"x"), *values(VALUE, "", "  ", "a\nb", "\ud800")]
WATCHING: Final = [
    *BARE_TEXTS,
    *values(VALUE, "h/live", "ftp://h/live", "http://", "http://h:0/x", "http://a b/c"),
]

PIXELS: Final = np.zeros((2, 4, 3), np.uint8)
PIXEL_LIMITS: Final = [*values(TYPE, "1", None, True, 1.5), *values(VALUE, 0, -1)]
RECOVERY: Final = [*values(TYPE, None, 1, True), *values(VALUE, "", "all")]
SIDES: Final = [*values(TYPE, "2", None, 1.5, True), *values(VALUE, 0, -1)]
NUMBERED: Final[dict[str, Rows]] = {
    "timestamp_ms": values(TYPE, "0", None, 1.5, True),
    "index": [*values(TYPE, "0", None, 1.5, True), *values(VALUE, -1)],
    "received_at": [*values(TYPE, "0", None, True), *values(VALUE, math.nan, math.inf)],
}

CALLS: Final[dict[str, Call]] = {
    # --- configuration
    "Odyssey": Call(wrong={**CONFIGURING, "advanced": values(TYPE, {}, 7), "close_on_sigterm": SURE_FLAGS}),
    "ClientConfig": Call(wrong={**CONFIGURING, "advanced": values(TYPE, {}, None)}),
    "AdvancedConfig": Call(
        wrong={
            "max_retries": [*values(TYPE, "1", None, True, 1.5, math.inf), *values(VALUE, -1, 10**400)],
            "initial_retry_delay_ms": at_least(0),
            "max_retry_delay_ms": at_least(0),
            "retry_backoff_multiplier": at_least(1),
            "queue_timeout_s": at_least(0),
            "video_timeout_s": at_least(1),
            "max_pixels": PIXEL_LIMITS,
        }
    ),
    "AdvancedConfig.retry_delay": Call(wrong={"attempt": values(TYPE, "0", None)}),
    # --- a live connection
    "Odyssey.connect": Call(wrong={"wait_for_slot": SURE_FLAGS, "replace": SURE_FLAGS, "recovery": RECOVERY}),
    "Odyssey.connect_with_credentials": Call(
        works={"credentials": ClientCredentials.from_dict(CREDENTIALS)},
        wrong={"credentials": values(TYPE, None, {}, TOKEN, CREDENTIALS), "recovery": RECOVERY},
    ),
    "Odyssey.start_stream": STREAMING,
    "Odyssey.interact": Call(works={"prompt": "It runs"}),
    "Odyssey.end_stream": Call(),
    "Odyssey.frames": FRAMES,
    "Session.start_stream": STREAMING,
    "Session.interact": Call(works={"prompt": "It runs"}),
    "Session.end_stream": Call(),
    "Session.frames": FRAMES,
    "Session.wait": Call(),
    "Session.record": RECORDING,
    "Session.capture": Call(wrong={"path": [*RECORDING.wrong["path"], *values(VALUE, "a\0b")]}),
    "Session.events": Call(),
    "Session.wait_for_broadcast": Call(),
    # --- watching
    "connect_to_stream": Call(
        works=WATCHED,
        wrong={
            "webrtc_url": WATCHING,
            "spectator_token": BARE_TEXTS,
            "hls_url": [*values(TYPE, 7, b"x"), *values(VALUE, "", "  ", "a\nb", "\ud800")],
            "max_pixels": PIXEL_LIMITS,
            **{name: CONFIGURING[name] for name in ("debug", "reconnect", "ice_servers", "ice_policy")},
        },
    ),
    "Odyssey.watch": Call(
        works={"info": BroadcastInfo(**WATCHED)},
        wrong={
            "info": values(TYPE, None, {}, 7, "http://h")
            + [(BroadcastInfo(**{**WATCHED, "webrtc_url": url}), error) for url, error in WATCHING]
            + [(BroadcastInfo(**{**WATCHED, "spectator_token": token}), error) for token, error in BARE_TEXTS]
            + [(BroadcastInfo(**WATCHED, hls_url=""), VALUE)]
        },
    ),
    "SpectatorConnection.events": Call(),
    "SpectatorConnection.frames": FRAMES,
    "SpectatorConnection.record": RECORDING,
    "SpectatorConnection.wait": Call(),
    "SpectatorConnection.wait_for": WAITING,
    "Session.wait_for": WAITING,
    # --- recordings
    "Odyssey.get_recording": Call(works={"stream_id": "s-1"}),
    "Odyssey.list_stream_recordings": Call(),
    "Odyssey.iter_stream_recordings": Call(),
    "Odyssey.download_recording": Call(
        works={"stream_id": "s-1", "directory": "new"},
        wrong={
            "stream_id": [*IDS, *values(VALUE, "a/b", "a\\b", ".a", "é")],
            "directory": [*values(TYPE, None, 7), *values(VALUE, "", "a\0b", "a\ud800", __file__)],
            "artifacts": [*values(TYPE, "video", None, 7, [7]), *values(VALUE, ["audio"])],
            "resume": SURE_FLAGS,
        },
    ),
    "iter_events": READING,
    "read_event_log": READING,
    # --- simulations
    "Odyssey.simulate": Call(**SIMULATING),
    "Odyssey.get_simulate_status": Call(works={"job_id": "j-1"}),
    "Odyssey.list_simulations": Call(),
    "Odyssey.iter_simulations": Call(),
    "Odyssey.cancel_simulation": Call(works={"job_id": "j-1"}),
    "Odyssey.wait_for_simulation": Call(works={"job_id": "j-1"}),
    "Odyssey.wait_for_simulations": Call(
        works={"job_ids": ["j-1"]},
        wrong={"job_ids": [*values(TYPE, "j-1", 7, None, [7]), *values(VALUE, ["j-1", ""])]},
    ),
    "Odyssey.simulate_and_wait": Call(**SIMULATING),
    # --- credentials
    "Odyssey.create_client_credentials": Call(),
    "ClientCredentials": Call(
        works=CREDENTIALS,
        wrong={
            "signaling_url": values(VALUE, "", None, 7, "wss://x\n.example", "nonsense://x", "wss://"),
            "session_token": values(VALUE, "", None, 7, "no token", "a.b.c"),
            "expires_in": values(VALUE, "600", None, True, -1, 1.5),
            "capabilities": values(VALUE, {}, True),
        },
    ),
    "ClientCredentials.from_dict": Call(
        wrong={
            "data": values(VALUE, None, [], "{}", {}, {**CREDENTIALS, "session_token": "x"})
            + values(VALUE, {**CREDENTIALS, "expires_in": "soon"})
        }
    ),
    "StreamerCapabilities": Call(wrong={"image_to_video": values(VALUE, 1, "yes", None)}),
    "StreamerCapabilities.from_dict": Call(wrong={"data": values(VALUE, None, [], "yes")}),
    # --- frames
    "VideoFrame": Call(
        works={"data": PIXELS, "width": 4, "height": 2, "timestamp_ms": 0},
        wrong={
            "data": values(VALUE, None, [[1], [1, 2]], np.zeros((2, 4), np.uint8), np.zeros((2, 4, 3))),
            "width": SIDES,
            "height": SIDES,
            **NUMBERED,
        },
        together=[({"data": PIXELS, "width": 2, "height": 4, "timestamp_ms": 0}, VALUE)],
    ),
    "VideoFrame.from_ndarray": Call(
        works={"array": np.zeros((2, 2, 3), np.uint8)},
        wrong={
            "array": values(VALUE, None, [[1], [1, 2]], np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3)))
            + values(VALUE, np.zeros((0, 2, 3), np.uint8)),
            **NUMBERED,
        },
    ),
    "VideoFrame.to_ndarray": Call(wrong={"format": values(VALUE, "bgr", None, 7, [])}),
    # --- the emulator
    "Emulator": Call(
        wrong={**EMULATING, "config": values(TYPE, 7, {}), "clock": values(TYPE, 7, Thing()), **MAKERS},
        together=[({"nonsense": 1}, TYPE)],
    ),
    "EmulatorConfig": Call(wrong=EMULATING),
    "Emulator.wait_until": Call(
        works={"condition": bool, "timeout": 1}, wrong={"condition": [*FUNCTIONS, *values(TYPE, None)]}
    ),
    "Fault": Call(
        works={"step": "media", "action": "stop"},
        wrong={
            "step": values(VALUE, "nonsense", "", None, 7),
            "action": values(VALUE, "nonsense", "answer", None, 7),
            "times": values(VALUE, 0, "1", True),
            "after": COUNTS,
            "after_bytes": COUNTS,
            "status": values(VALUE, 199, 600, "500", None),
            "body": values(VALUE, Thing(), {1, 2}, math.nan),
            "headers": values(VALUE, None, [], {"a": 1}),
            "seconds": values(VALUE, -1, "1", None, math.nan),
            "code": values(VALUE, 999, 5000, "1011", None),
            "reason": values(VALUE, None, 7),
            "message": values(VALUE, None, 7),
            "text": values(VALUE, None, b""),
            "artifact": values(VALUE, None, "film"),
        },
    ),
    "Fault.from_dict": Call(
        wrong={"data": values(VALUE, None, [], {}, {"step": "media", "action": "stop", "nonsense": 1})}
    ),
    "FaultScript.add": Call(wrong={"faults": values(TYPE, "media", None, {})}),
    "FaultScript.load": Call(wrong={"data": values(VALUE, None, "media", [7], {})}),
    "read_stamp": Call(never_wrong={"picture": "an array, as a frame gives it; NumPy says what is wrong"}),
    "stamp_latency_ms": Call(
        never_wrong={
            "found": "what `read_stamp` returned",
            "now": "a clock's answer: Python says what is no number",
        }
    ),
    "FaultScript.take": Call(never_wrong={"step": "the emulator's own question: no fault is for what is no step"}),
}

NOT_CALLED: Final = {
    "Exchange": "made by the emulator",
    "Message": "made by the emulator",
    "SeenMessage": "made by the emulator",
    "SeenRequest": "made by the emulator",
    "SeenSession": "made by the emulator",
    "SeenStream": "made by the emulator",
    "Stamp": "made by `read_stamp`",
    "LiveCapture": "made by `Session.capture`",
    "LiveRecording": "made by `Session.record`",
    "RawCalls": "made by `Odyssey.with_raw_response`",
    "RawResponse": "made by `Odyssey.with_raw_response`",
    "Session": "made by `Odyssey.connect`",
    "SessionStats": "made by `Session.stats`",
    "SimulationJobDetail": "made by `Odyssey.simulate`",
    "SpectatorConnection": "made by `connect_to_stream`",
}
"""Classes that users do not instantiate, except errors, enums, dicts, events and answers of the service."""


def rows_of(name: str, parameters: list[str]) -> list[tuple[dict[str, Any], type[Exception], str | None]]:
    """Return the wrong arguments of the call ``name``, each with its error and the parameter that is wrong."""
    call = CALLS.get(name, Call())
    rows: list[tuple[dict[str, Any], type[Exception], str | None]] = [
        ({**_but(call, parameter), parameter: value}, error, parameter)
        for parameter in parameters
        for value, error in call.wrong.get(parameter) or common(parameter) or ()
    ]
    return rows + [(arguments, error, None) for arguments, error in call.together]


def _but(call: Call, parameter: str) -> dict[str, Any]:
    dropped = call.instead if parameter in call.instead else ()
    return {name: value for name, value in call.works.items() if name not in dropped}


def lacking(name: str, parameters: list[str]) -> list[str]:
    """Return the parameters of the call ``name`` that are not covered here."""
    call = CALLS.get(name, Call())
    return [
        parameter
        for parameter in parameters
        if not (parameter in call.wrong or parameter in call.never_wrong or common(parameter))
    ]
