"""The steps of a check without a stream: recordings, simulations, credentials, telemetry, and error answers."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .._base.errors import NotCancellableError, OdysseyAuthError, OdysseyConnectionError, OdysseyNotFoundError
from .._base.hosts import is_loopback
from .._model.config import AdvancedConfig
from .._model.credentials import ClientCredentials
from .._rest.event_log import read_event_log
from ._coverage import covered_by_data
from ._schemas import schemas
from ._service_run import ANSWER_S, SkipError, Step, StepFailedError
from ._violation import Rule, masked, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._model.traffic import Exchange
    from ._service_run import Run

__all__ = ["STEPS"]

_UNKNOWN: Final = "no-such-id"
_WRITTEN_WITHIN_S: Final = 90.0
_JOB_WITHIN_S: Final = 300.0
_JOB_LOOK_EVERY_S: Final = 1.0
_EVENT: Final = Rule("schemas/recordings.yaml", ("$defs", "RecordedEvent"))
_ORIGIN: Final = "https://conformance.example"
_LOCAL_ORIGIN: Final = "http://localhost:5173"
"""The origin of pages that call a server on this machine, which need not admit pages of other origins."""
_BROWSERS: Final = "spec/behaviour.md#browsers"
_LISTS: Final = ("/stream-recordings", "/simulation-jobs")
_SCRIPT: Final[list[dict[str, Any]]] = [
    {"timestamp_ms": 0, "start": {"prompt": "A field of sunflowers"}},
    {"timestamp_ms": 1500, "interact": {"prompt": "Wind moves them"}},
    {"timestamp_ms": 3000, "end": {}},
]


def credentials(run: Run) -> None:
    """Reserve a session, and join it with credentials instead of a key; report that, too."""
    with run.make_client(enable_telemetry=True) as owner, run.make_client("", enable_telemetry=True) as guest:
        minted = owner.create_client_credentials(timeout=ANSWER_S)
        guest.connect_with_credentials(minted, timeout=ANSWER_S).disconnect()


def refused_handshake(run: Run) -> None:
    """Open signaling with a token that the service did not sign."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"session_id": _UNKNOWN})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    forged = ClientCredentials(
        signaling_url=run.signaling_url(), session_token=f"{'.'.join(encoded)}.Zm9yZ2Vk", expires_in=600
    )
    with run.make_client("", advanced=AdvancedConfig(max_retries=0)) as guest:
        _expect(OdysseyConnectionError, lambda: guest.connect_with_credentials(forged, timeout=ANSWER_S))


def recordings(run: Run) -> None:
    """List the recordings, get that of the first stream, and download its files."""
    client = run.client
    client.list_stream_recordings(limit=5, offset=0)
    client.list_stream_recordings()
    if not run.stream_id:
        raise SkipError("no stream was recorded")
    gives_up_at = time.monotonic() + _WRITTEN_WITHIN_S
    try:
        while not client.get_recording(run.stream_id).video_url:
            if time.monotonic() > gives_up_at:
                raise SkipError(f"the recording was not ready within {_WRITTEN_WITHIN_S:.0f} s")
            time.sleep(_JOB_LOOK_EVERY_S)
    except OdysseyNotFoundError:
        raise SkipError("the service does not record the streams of this account") from None
    files = client.download_recording(run.stream_id, run.folder, timeout=_WRITTEN_WITHIN_S)
    if (log := files.get("events")) is None:
        raise SkipError("the recording has no event log; the other files were downloaded")
    names = run.facts.rules
    for event in read_event_log(log):
        for misfit in schemas().misfits(_EVENT, event):
            fact = "RecordedEventType" if misfit.kind == "unknown value" else "RecordedEvent"
            run.facts.contradict(fact, f"event log: {masked(misfit.at)}: {misfit.what}")
        for rule in covered_by_data(schemas(), _EVENT, event):
            if rule in names:
                run.facts.confirm(names[rule])


def cancelled_simulation(run: Run) -> None:
    """Create two jobs, look for them in the lists, and cancel the second, which probably waits for the first."""
    run.job_id = run.client.simulate(scripts=[_SCRIPT], portrait=True).job_id
    run.unfinished_jobs.add(run.job_id)
    job = run.client.simulate(script=_SCRIPT, portrait=False)
    run.unfinished_jobs.add(job.job_id)
    with contextlib.suppress(NotCancellableError):  # it has begun; that answer is checked, too
        run.client.cancel_simulation(job.job_id)
    run.unfinished_jobs.discard(job.job_id)
    run.client.get_simulate_status(job.job_id)
    run.client.list_simulations(limit=5, offset=0)
    run.client.list_simulations(active=True)
    run.client.list_simulations(status="cancelled")


def simulation(run: Run) -> None:
    """Wait for the first job, and check its streams; then try to cancel it."""
    if not run.job_id:
        raise SkipError("no job was created")
    job = run.client.wait_for_simulation(run.job_id, timeout=_JOB_WITHIN_S, poll=_JOB_LOOK_EVERY_S)
    run.unfinished_jobs.discard(run.job_id)
    _expect(NotCancellableError, lambda: run.client.cancel_simulation(job.job_id))
    if job.status != "completed":
        raise StepFailedError(f"the job is {named(str(job.status))}")


def wrong_keys(run: Run) -> None:
    """Authenticate with an invalid key and without one, and make a call without a token."""
    with run.make_client("ody_invalid_conformance") as stranger:
        _expect(OdysseyAuthError, stranger.list_stream_recordings)
    probes = run.probes
    _expect_refused(
        run,
        probes.call("POST", "/auth/token", body={}),
        *(probes.call("GET", path) for path in ("/regions", "/stream-recordings", "/simulation-jobs")),
        probes.call("POST", "/sessions/request", token="wrong", body={}),  # noqa: S106  # not a secret
    )


def unknown_ids(run: Run) -> None:
    """Request a recording, a job and a session that do not exist."""
    client = run.client
    _expect(OdysseyNotFoundError, lambda: client.get_recording(_UNKNOWN))
    _expect(OdysseyNotFoundError, lambda: client.get_simulate_status(_UNKNOWN))
    _expect(OdysseyNotFoundError, lambda: client.cancel_simulation(_UNKNOWN))
    body = {"session_id": _UNKNOWN}
    _expect_refused(run, run.probes.call("POST", "/sessions/token", token=run.bearer(), body=body))


def malformed_requests(run: Run) -> None:
    """Send arguments and bodies that break their schemas."""
    probes, token = run.probes, run.bearer()
    bodies: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/sessions/request", {"region_latencies": "near"}),
        ("/sessions/token", {}),
        ("/simulation-jobs", {"portrait": False}),
    )
    _expect_refused(
        run,
        *(probes.call("GET", path, token=token, query="?limit=0") for path in _LISTS),
        *(probes.call("POST", path, token=token, body=body) for path, body in bodies),
    )


def browsers(run: Run) -> None:
    """Send the preflight requests of a browser for a page's calls to another origin."""
    api_url, content, token = run.client.config.api_url.rstrip("/"), "content-type", "authorization"
    asked = [
        ("POST", f"{api_url}/auth/token", "/auth/token", {content}),
        ("GET", f"{api_url}/regions", "/regions", {token}),
        ("POST", f"{api_url}/sessions/request", "/sessions/request", {token, content}),
        ("DELETE", f"{api_url}/simulation-jobs/{_UNKNOWN}", "/simulation-jobs/{job_id}", {token}),
    ]
    if run.broadcast is not None:
        asked.append(("POST", f"{run.broadcast.webrtc_url.rstrip('/')}/whep", "/whep", {content}))
    origin = _LOCAL_ORIGIN if is_loopback(urlsplit(api_url).hostname or "") else _ORIGIN
    wrong = []
    for method, url, route, names in asked:
        sent = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ", ".join(sorted(names)),
        }
        answer = run.probes.send("OPTIONS", url, route, sent)
        if why := _refused_to_browser(answer, origin, method, names):
            wrong.append(f"{method} {route}: {why}")
    if wrong:
        raise StepFailedError(f"no page of another origin can call it ({_BROWSERS}): {'; '.join(wrong)}")


def _refused_to_browser(answer: Exchange, origin: str, method: str, names: set[str]) -> str:
    """Return why a browser does not send a call after this answer to its preflight request."""
    if answer.status is None or not 200 <= answer.status < 300:
        return f"OPTIONS was answered with {answer.status}"
    if answer.headers.get("Access-Control-Allow-Origin") not in ("*", origin):
        return "the origin is not allowed"
    methods = _words(answer, "Access-Control-Allow-Methods") | {"get", "post"}
    if not methods & {method.lower(), "*"}:
        return "the method is not allowed"
    allowed = _words(answer, "Access-Control-Allow-Headers")
    if "*" in allowed:  # which does not stand for Authorization
        names = names & {"authorization"}
    return f"the header {min(names - allowed)} is not allowed" if names - allowed else ""


def _words(answer: Exchange, header: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(header, "").split(",")}


def _expect(error: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except error:
        return
    raise StepFailedError("the service accepted an invalid request")


def _expect_refused(run: Run, *answers: Exchange) -> None:
    accepted = [answer for answer in answers if answer.status is None or answer.status < 400]
    for answer in accepted:
        run.give_back(answer)
    if accepted:
        calls = ", ".join(f"{answer.method} {answer.route} with {answer.status}" for answer in accepted)
        raise StepFailedError(f"the service accepted an invalid request: {calls}")


STEPS: Final = (
    Step("credentials and telemetry", credentials),
    Step("a handshake with a wrong token", refused_handshake),
    Step("recordings", recordings),
    Step("a simulation that is cancelled", cancelled_simulation),
    Step("a simulation that is done", simulation),
    Step("wrong keys and tokens", wrong_keys),
    Step("unknown ids", unknown_ids),
    Step("malformed requests", malformed_requests),
    Step("calls from a browser", browsers),
)
