"""The scenes on the cassettes, one each. The client plays them both for recording and in the tests.

This is a table of the calls (`tools.cassettes.plays`), their requirements, their faults and the error at the end.
All other expectations are in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from odyssey_proto import (
    AccountSuspendedError,
    ConcurrentLimitReachedError,
    MonthlyLimitReachedError,
    NotCancellableError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyNotFoundError,
    OdysseyRequestError,
    OdysseyUnauthorizedError,
    OdysseyUsageError,
    RateLimitError,
    StreamDurationExceededError,
)

from . import plays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .stage import Stage

__all__ = ["SCENES", "USAGE", "Scene"]


@attrs.frozen(kw_only=True)
class Scene:
    """One cassette."""

    name: str
    play: Callable[[Stage], Any]
    raises: type[OdysseyError] | None = None
    """Exact class of the error that it raises; None if it succeeds."""
    status: int | None = None
    """The status of that error."""
    code: str | None = None
    """The code of that error."""
    api_key: str | None = None
    """The key to play it with, if not the usual one."""
    only: str | None = None
    """Reason to record it only from the emulator; None if the service shows it by itself."""
    filmed: bool = False
    """Whether it needs a completed simulation, given by ``job_id``, ``stream_id`` and ``foreign_job_id``."""
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    """Settings of the emulator, unless the scene is `filmed`."""
    faults: tuple[Mapping[str, Any], ...] = ()
    before: Callable[[Stage], object] | None = None
    """Calls made first, without recording."""


# --- injected failures


def _fails(step: str, status: int, detail: Any, times: int | None = None, **more: Any) -> Mapping[str, Any]:
    return {"step": step, "action": "answer", "status": status, "body": detail, "times": times, **more}


_DENIED: Final = {"detail": "Invalid or expired token"}
_INVALID: Final = {"detail": [{"loc": ["body", "session_id"], "msg": "Field required", "type": "missing"}]}
_REQUEST: Final = "POST /sessions/request"
_NO_REGIONS: Final[Mapping[str, Any]] = {"regions": {}}
_FAULT: Final = "the service cannot be made to fail like this"
_LIMIT: Final = "the account would have to be at its limit"
_OTHERS: Final = "it would show what else the account has"
_COSTS: Final = "it would cost hours of the account"
_EXPIRED: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
)
_STORE_REFUSES: Final = _fails("artifact", 403, _EXPIRED, headers={"Content-Type": "application/xml"})

USAGE: Final[Mapping[str, tuple[type[OdysseyUsageError], Mapping[str, Any]]]] = {
    "MONTHLY_LIMIT_REACHED": (
        MonthlyLimitReachedError,
        {"used_hours": 10.0, "limit_hours": 10, "reset_date": "2026-02-01"},
    ),
    "CONCURRENT_LIMIT_REACHED": (ConcurrentLimitReachedError, {"active_count": 1, "limit": 1}),
    "STREAM_DURATION_EXCEEDED": (StreamDurationExceededError, {"max_duration_seconds": 300}),
    "ACCOUNT_SUSPENDED": (AccountSuspendedError, {"reason": "payment overdue"}),
    "RATE_LIMITED": (RateLimitError, {"retry_after_seconds": 12}),
}
"""The usage errors by code, with their classes and details."""


def _usage(code: str, details: Mapping[str, Any] | None, field: str = "error") -> dict[str, Any]:
    return {
        field: code,
        "message": f"A limit was met: {code}",
        "action": "Do something about it",
        "action_url": "https://example.org/usage",
        "details": details,
    }


def _refused_session(name: str, status: int, body: Any, raises: type[OdysseyError], code: str) -> Scene:
    return Scene(
        name=f"session_request_{name}",
        play=plays.credentials,
        raises=raises,
        status=status,
        code=code,
        only=_FAULT,
        settings=_NO_REGIONS,
        faults=(_fails(_REQUEST, status, body),),
    )


def _token_refused(name: str, step: str, play: Callable[[Stage], Any], *, filmed: bool = False) -> Scene:
    return Scene(
        name=f"{name}_unauthorized",
        play=play,
        raises=OdysseyAuthError if "/sessions/" in step else OdysseyUnauthorizedError,
        status=401,
        code="unauthorized",
        only=_FAULT,
        filmed=filmed,
        settings={} if filmed else _NO_REGIONS,
        faults=(_fails(step, 401, _DENIED),),
    )


def _too_often(name: str, step: str, play: Callable[[Stage], Any]) -> Scene:
    return Scene(
        name=f"{name}_too_often",
        play=play,
        raises=RateLimitError,
        status=429,
        code="RATE_LIMITED",
        only=_LIMIT,
        settings=_NO_REGIONS,
        faults=(_fails(step, 429, _usage("RATE_LIMITED", {"retry_after_seconds": 12})),),
    )


_ALL: Final = (
    # tokens
    Scene(name="token", play=plays.token),
    Scene(
        name="token_invalid_key",
        play=plays.recordings,
        api_key="ody_invalid_0123456789",
        raises=OdysseyUnauthorizedError,
        status=401,
        code="invalid_api_key",
    ),
    Scene(
        name="token_malformed_key",
        play=plays.recordings,
        api_key="0123456789",
        raises=OdysseyUnauthorizedError,
        status=422,
        code="malformed_api_key",
    ),
    Scene(
        name="token_suspended_account",
        play=plays.recordings,
        api_key="ody_suspended_0123456789",
        raises=OdysseyUnauthorizedError,
        status=403,
        code="access_denied",
        only="the account would have to be suspended",
    ),
    Scene(
        name="token_renewed",
        play=plays.recordings,
        only=_FAULT,
        faults=(_fails("GET /stream-recordings", 401, _DENIED, times=1),),
    ),
    # sessions
    Scene(name="session", play=plays.session, settings={"regions": {"us-west": 0.0, "us-east": 0.0}}),
    Scene(
        name="session_with_turn",
        play=plays.session_via_api,
        only="the servers are what the service happens to use",
        settings={
            **_NO_REGIONS,
            "ice_servers": [
                {"urls": "stun:stun.example.org:3478"},
                {
                    "urls": ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349"],
                    "username": "1767225600:someone",
                    "credential": "c2VlZGVkLXR1cm4tc2VjcmV0",
                },
            ],
        },
    ),
    Scene(
        name="session_without_regions",
        play=plays.credentials,
        only=_FAULT,
        faults=(_fails("GET /regions", 500, None),),
    ),
    Scene(
        name="session_with_a_region_out_of_order",
        play=plays.credentials,
        only=_FAULT,
        settings={"regions": {"us-west": 0.0}},
        faults=(_fails("ping", 500, None),),
    ),
    _token_refused("session_request", _REQUEST, plays.credentials),
    _refused_session("unprocessable", 422, _INVALID, OdysseyConnectionError, "http_422"),
    _refused_session("forbidden", 403, {"detail": "Streaming is off"}, OdysseyAuthError, "forbidden"),
    Scene(
        name="session_request_no_streamers",
        play=plays.credentials,
        raises=OdysseyConnectionError,
        status=503,
        code="no_streamers",
        only="a streamer would have to be missing",
        settings={**_NO_REGIONS, "streamers": 0},
    ),
    *(
        _refused_session(f"{code.lower()}_{place}", 429, body, kind, code)
        for code, (kind, details) in USAGE.items()
        for place, body in (
            ("plain", _usage(code, details)),
            ("by_code", _usage(code, details, field="code")),
            ("in_detail", {"detail": _usage(code, details)}),
        )
    ),
    _refused_session(
        "unknown_limit", 429, _usage("FRAMES_USED_UP", {"limit": 7}), OdysseyUsageError, "FRAMES_USED_UP"
    ),
    _refused_session(
        "error_before_code",
        429,
        {**_usage("RATE_LIMITED", None), "code": "ACCOUNT_SUSPENDED"},
        RateLimitError,
        "RATE_LIMITED",
    ),
    _refused_session("too_many_without_message", 429, {"detail": "Slow down"}, OdysseyConnectionError, "http_429"),
    Scene(
        name="session_request_second_session",
        play=plays.credentials,
        before=plays.credentials,
        raises=ConcurrentLimitReachedError,
        status=429,
        code="CONCURRENT_LIMIT_REACHED",
        only=_LIMIT,
        settings=_NO_REGIONS,
    ),
    Scene(
        name="session_request_too_often",
        play=plays.credentials,
        raises=RateLimitError,
        status=429,
        code="RATE_LIMITED",
        only=_LIMIT,
        settings={**_NO_REGIONS, "rate_limit": 1},
    ),
    Scene(
        name="session_token_unknown",
        play=plays.unknown_session,
        raises=OdysseyConnectionError,
        status=404,
        code="unknown_session",
    ),
    Scene(
        name="session_token_unprocessable",
        play=plays.unknown_session,
        raises=OdysseyConnectionError,
        status=422,
        code="http_422",
        only=_FAULT,
        settings=_NO_REGIONS,
        faults=(_fails("POST /sessions/token", 422, _INVALID),),
    ),
    _token_refused("session_token", "POST /sessions/token", plays.unknown_session),
    _too_often("session_token", "POST /sessions/token", plays.unknown_session),
    Scene(name="telemetry", play=plays.telemetry, only="no telemetry is sent for sessions that never existed"),
    # recordings
    Scene(name="recording", play=plays.recording, filmed=True),
    Scene(
        name="recording_unknown",
        play=plays.unknown_recording,
        raises=OdysseyNotFoundError,
        status=404,
        code="not_found",
    ),
    _token_refused("recording", "GET /recordings/{stream_id}", plays.unknown_recording),
    _too_often("recording", "GET /recordings/{stream_id}", plays.unknown_recording),
    Scene(
        name="recording_asked_again",
        play=plays.recording,
        filmed=True,
        only=_FAULT,
        faults=(_fails("GET /recordings/{stream_id}", 503, {"detail": "Starting"}, times=1),),
    ),
    Scene(name="recordings", play=plays.recordings, filmed=True, only=_OTHERS),
    Scene(name="recordings_page", play=plays.recordings_page, filmed=True),
    Scene(name="recordings_all", play=plays.all_recordings, filmed=True, only=_OTHERS),
    Scene(
        name="recordings_invalid",
        play=plays.page_of_none("/stream-recordings"),
        raises=OdysseyConnectionError,
        status=422,
        code="http_422",
    ),
    _token_refused("recordings", "GET /stream-recordings", plays.recordings),
    _too_often("recordings", "GET /stream-recordings", plays.recordings),
    # files
    Scene(name="download", play=plays.download, filmed=True),
    Scene(name="download_after_a_cut", play=plays.download_after_a_cut, filmed=True),
    Scene(name="download_beginning_of_video", play=plays.beginning_of_video, filmed=True),
    Scene(name="download_beyond_the_end", play=plays.beyond_the_end, filmed=True),
    Scene(
        name="download_with_a_fresh_address",
        play=plays.download,
        filmed=True,
        only=_FAULT,
        faults=({**_STORE_REFUSES, "times": 1},),
    ),
    Scene(
        name="download_refused",
        play=plays.download,
        filmed=True,
        raises=OdysseyConnectionError,
        status=403,
        code="http_403",
        only=_FAULT,
        faults=(_STORE_REFUSES,),
    ),
    # simulations
    Scene(name="simulation_taken_back", play=plays.take_back, settings={"simulation_workers": 0}),
    Scene(
        name="simulate_several_scripts", play=plays.simulate_batch, only=_COSTS, settings={"simulation_workers": 0}
    ),
    Scene(
        name="simulate_script_url", play=plays.simulate_address, only=_COSTS, settings={"simulation_workers": 0}
    ),
    Scene(
        name="simulate_invalid",
        play=plays.simulate_nothing,
        raises=OdysseyRequestError,
        status=422,
        code="invalid_request",
    ),
    Scene(
        name="simulate_refused",
        play=plays.simulate,
        raises=OdysseyRequestError,
        status=400,
        code="invalid_request",
        only=_FAULT,
        faults=(_fails("POST /simulation-jobs", 400, {"detail": "A prompt was refused by moderation"}),),
    ),
    Scene(
        name="simulate_too_large",
        play=plays.simulate,
        raises=OdysseyRequestError,
        status=413,
        code="invalid_request",
        only=_FAULT,
        faults=(_fails("POST /simulation-jobs", 413, {"detail": "Request Entity Too Large"}),),
    ),
    Scene(
        name="simulate_without_privilege",
        play=plays.simulate_batch,
        raises=OdysseyRequestError,
        status=403,
        code="forbidden",
        only="the account may have the privilege",
        settings={"bypass_privilege": False},
    ),
    Scene(
        name="simulate_at_the_limit",
        play=plays.simulate,
        raises=ConcurrentLimitReachedError,
        status=429,
        code="CONCURRENT_LIMIT_REACHED",
        only=_LIMIT,
        settings={"concurrent_simulations": 0},
    ),
    _token_refused("simulate", "POST /simulation-jobs", plays.simulate),
    Scene(name="simulation", play=plays.job, filmed=True),
    Scene(
        name="simulation_unknown",
        play=plays.unknown_job,
        raises=OdysseyNotFoundError,
        status=404,
        code="not_found",
    ),
    Scene(
        name="simulation_foreign",
        play=plays.foreign_job,
        raises=OdysseyRequestError,
        status=403,
        code="forbidden",
        only="it needs a second account",
        filmed=True,
    ),
    _token_refused("simulation", "GET /simulation-jobs/{job_id}", plays.unknown_job),
    _too_often("simulation", "GET /simulation-jobs/{job_id}", plays.unknown_job),
    Scene(name="simulations", play=plays.jobs, filmed=True, only=_OTHERS),
    Scene(name="simulations_all", play=plays.all_jobs, filmed=True, only=_OTHERS),
    Scene(
        name="simulations_invalid",
        play=plays.page_of_none("/simulation-jobs"),
        raises=OdysseyConnectionError,
        status=422,
        code="http_422",
    ),
    _token_refused("simulations", "GET /simulation-jobs", plays.jobs),
    _too_often("simulations", "GET /simulation-jobs", plays.jobs),
    Scene(
        name="cancel_done",
        play=plays.cancel_done,
        raises=NotCancellableError,
        status=400,
        code="not_cancellable",
        filmed=True,
    ),
    Scene(
        name="cancel_unknown", play=plays.cancel_unknown, raises=OdysseyNotFoundError, status=404, code="not_found"
    ),
    Scene(
        name="cancel_foreign",
        play=plays.cancel_foreign,
        raises=OdysseyRequestError,
        status=403,
        code="forbidden",
        only="it needs a second account",
        filmed=True,
    ),
    _token_refused("cancel", "DELETE /simulation-jobs/{job_id}", plays.cancel_unknown),
    _too_often("cancel", "DELETE /simulation-jobs/{job_id}", plays.cancel_unknown),
)

SCENES: Final = {scene.name: scene for scene in _ALL}
"""All scenes, by name."""
