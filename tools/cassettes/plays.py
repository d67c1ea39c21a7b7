"""The calls of the scenes, made with the library: with methods of its client where there are any.

Each function returns the results of its calls, or raises their error. The expected results are not stated here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import odyssey_models as wire

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._model.signaling_url import config_url
from odyssey_proto._net.service_api import Operation
from odyssey_proto._net.signed_file import Fetched, fetch

from .scrub import UNKNOWN_ID

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

    from .stage import Stage

__all__ = [
    "CUT_AT",
    "SCRIPT",
    "all_jobs",
    "all_recordings",
    "beginning_of_video",
    "beyond_the_end",
    "cancel_done",
    "cancel_foreign",
    "cancel_unknown",
    "credentials",
    "download",
    "download_after_a_cut",
    "foreign_job",
    "job",
    "jobs",
    "page_of_none",
    "recording",
    "recordings",
    "recordings_page",
    "session",
    "session_via_api",
    "simulate",
    "simulate_address",
    "simulate_batch",
    "simulate_nothing",
    "take_back",
    "telemetry",
    "token",
    "unknown_job",
    "unknown_recording",
    "unknown_session",
]

SCRIPT: Final[Any] = [
    {"timestamp_ms": 0, "start": {"prompt": "A cat sitting on a windowsill"}},
    {"timestamp_ms": 300, "interact": {"prompt": "The cat stretches"}},
    {"timestamp_ms": 600, "end": {}},
]
"""A script of one short stream."""
CUT_AT: Final = 100
"""Number of bytes of a file that its interrupted download had written."""

_PATIENCE: Final = 30.0  # s


def _soon() -> Deadline:
    return Deadline(_PATIENCE, MonotonicClock())


# --- tokens and sessions


def token(stage: Stage) -> Any:
    return stage.api().access_token(_soon())


def credentials(stage: Stage) -> Any:
    return stage.client().create_client_credentials()


def session(stage: Stage) -> Any:
    credentials = stage.client().create_client_credentials()
    return credentials, stage.api().signaling_config(config_url(credentials.signaling_url), _soon())


def session_via_api(stage: Stage) -> Any:
    api = stage.api()
    session = api.request_session(_soon())
    return session, api.signaling_config(config_url(session.signalling_url), _soon())


def unknown_session(stage: Stage) -> Any:
    return stage.api().session_token(UNKNOWN_ID, _soon())


def telemetry(stage: Stage) -> None:
    known: dict[str, Any] = {
        "sdk_version": "0",
        "sdk_platform": "python",
        "platform_info": "Linux 6.1.0 / Python 3.12.1",
        "api_key_prefix": stage.api_key[:8],
    }
    events = (
        wire.TelemetryEvent(**known, event=wire.TelemetryEventName.SESSION_CONNECTED, connect_duration_ms=850),
        wire.TelemetryEvent(
            **known,
            error_type=wire.TelemetryErrorType.CONNECTION,
            error_message="No streamers available",
            error_code="no_streamers",
            connection_status="connecting",
        ),
    )
    api = stage.api()
    for event in events:
        api.report(wire.TelemetryRequest(events=[event]), _soon())


# --- recordings


def recording(stage: Stage) -> Any:
    return stage.client().get_recording(stage.given["stream_id"])


def unknown_recording(stage: Stage) -> Any:
    return stage.client().get_recording(UNKNOWN_ID)


def recordings(stage: Stage) -> Any:
    return stage.client().list_stream_recordings()


def recordings_page(stage: Stage) -> Any:
    return stage.client().list_stream_recordings(limit=1, offset=1)


def all_recordings(stage: Stage) -> Any:
    return list(stage.client().iter_stream_recordings(page_size=1))


def download(stage: Stage) -> Any:
    client = stage.client()
    return client.download_recording(stage.given["stream_id"], stage.folder, ["events"])["events"].read_bytes()


def download_after_a_cut(stage: Stage) -> Any:
    """Create the files that a process killed during a download leaves, and resume from them."""
    client, stream_id = stage.client(), stage.given["stream_id"]
    url = client.get_recording(stream_id).events_url
    whole, etag = _fetch(stage, url, {})
    part = stage.folder / f"{stream_id}_events.jsonl.part"
    part.write_bytes(whole[:CUT_AT])
    note = {"validator": etag, "size": len(whole)}
    part.with_name(f"{part.name}.json").write_text(json.dumps(note), "utf-8")
    return whole, client.download_recording(stream_id, stage.folder, ["events"])["events"].read_bytes()


def beginning_of_video(stage: Stage) -> Any:
    url = stage.client().get_recording(stage.given["stream_id"]).video_url
    return _fetch(stage, url, {"Range": "bytes=0-31"})[0]


def beyond_the_end(stage: Stage) -> Any:
    url = stage.client().get_recording(stage.given["stream_id"]).events_url
    with _fetched(stage, url, {"Range": "bytes=99999999-"}) as answer:
        return answer.status


def _fetch(stage: Stage, url: str | None, headers: dict[str, str]) -> tuple[bytes, str]:
    with _fetched(stage, url, headers) as answer:
        return b"".join(answer.pieces), answer.headers["ETag"]


def _fetched(stage: Stage, url: str | None, headers: dict[str, str]) -> contextlib.AbstractContextManager[Fetched]:
    assert url is not None
    return fetch(stage.api().http, url, headers, _soon(), Abort())


# --- simulations


def simulate(stage: Stage) -> Any:
    return stage.client().simulate(script=SCRIPT, portrait=False)


def simulate_batch(stage: Stage) -> Any:
    return stage.client().simulate(scripts=[SCRIPT, SCRIPT], bypass_prompt_expansion=True)


def simulate_address(stage: Stage) -> Any:
    return stage.client().simulate(script_url="https://files.example.org/script.json")


def simulate_nothing(stage: Stage) -> Any:
    nothing: Any = {"portrait": True}  # the model itself would refuse it
    return stage.api().simulate(nothing, _soon())


def take_back(stage: Stage) -> Any:
    client = stage.client()
    made = client.simulate(script=SCRIPT, portrait=False)
    found = client.get_simulate_status(made.job_id)
    active = client.list_simulations(active=True, limit=10)
    taken_back = client.cancel_simulation(made.job_id)
    cancelled = client.list_simulations(status="cancelled", limit=1, offset=0)
    return made, found, active, taken_back, cancelled


def job(stage: Stage) -> Any:
    return stage.client().get_simulate_status(stage.given["job_id"])


def jobs(stage: Stage) -> Any:
    return stage.client().list_simulations()


def all_jobs(stage: Stage) -> Any:
    return list(stage.client().iter_simulations(page_size=1))


def unknown_job(stage: Stage) -> Any:
    return stage.client().get_simulate_status(UNKNOWN_ID)


def foreign_job(stage: Stage) -> Any:
    return stage.client().get_simulate_status(stage.given["foreign_job_id"])


def cancel_done(stage: Stage) -> Any:
    return stage.client().cancel_simulation(stage.given["job_id"])


def cancel_unknown(stage: Stage) -> Any:
    return stage.client().cancel_simulation(UNKNOWN_ID)


def cancel_foreign(stage: Stage) -> Any:
    return stage.client().cancel_simulation(stage.given["foreign_job_id"])


def page_of_none(path: str) -> Callable[[Stage], Any]:
    """Return a play that requests a page of 0 entries, which no method of the client does."""
    operation = Operation("GET", path, repeat=True)
    return lambda stage: stage.api().perform(operation, bytes, _soon(), path=f"{path}?limit=0")
