"""The REST calls for recordings and jobs, with requests and no code of this library; PyAV reads the files."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import av
import requests

from tests.support.plain_client import PATIENCE_S, bearer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from odyssey_proto.emulator._server import Emulator

__all__ = ["PlainRest", "events_of", "frames_of", "get", "script", "until"]

_NOT_DONE = ("pending", "dispatched", "processing")
_DONE = ("completed", "failed", "cancelled")


def until(condition: Callable[[], Any]) -> Any:
    """Call ``condition`` until its result is true, and return that."""
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.02)
    return found


def script(prompt: str = "A cat", *changes: tuple[int, str], length_ms: int = 500, **start: Any) -> list[Any]:
    """Return a script of one stream."""
    return [
        {"timestamp_ms": 0, "start": {"prompt": prompt, **start}},
        *[{"timestamp_ms": at, "interact": {"prompt": change}} for at, change in changes],
        {"timestamp_ms": length_ms, "end": {}},
    ]


def get(url: str, **headers: str) -> requests.Response:
    """Download a file."""
    return requests.get(url, headers={"Accept-Encoding": "identity", **headers}, timeout=PATIENCE_S)


def frames_of(url: str) -> list[np.ndarray[Any, Any]]:
    """Return the pictures of the video at ``url``, as RGB."""
    with av.open(io.BytesIO(get(url).content)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def events_of(url: str) -> list[dict[str, Any]]:
    """Return the event log at ``url``."""
    return [json.loads(line) for line in get(url).text.splitlines()]


class PlainRest:
    """One account."""

    def __init__(self, emulator: Emulator, api_key: str | None = None) -> None:
        self._url = emulator.api_url
        self._headers = bearer(emulator.api_url, api_key or emulator.api_key)

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Make a call."""
        return requests.request(method, self._url + path, headers=self._headers, timeout=PATIENCE_S, **more)

    def get(self, path: str, **query: Any) -> Any:
        """Make a GET call that must succeed, and return its JSON."""
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refusal(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Make a call that must fail, and return status and detail."""
        answer = self.call(method, path, **more)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["detail"]

    def simulate(self, **request: Any) -> str:
        """Create a job and return its id."""
        answer = self.call("POST", "/simulation-jobs", json={"portrait": False, "output_video": True, **request})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Return the detail of a job."""
        found = self.get(f"/simulation-jobs/{job_id}")
        assert isinstance(found, dict)
        return found

    def done(self, job_id: str) -> dict[str, Any]:
        """Wait until a job is done."""
        until(lambda: self.job(job_id)["status"] in _DONE)
        return self.job(job_id)

    def in_status(self, job_id: str, status: str) -> dict[str, Any]:
        """Wait until a job is in ``status``; fail if it is done before."""

        def found() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["status"] in (status, *_NOT_DONE), job
            return job if job["status"] == status else None

        job: dict[str, Any] = until(found)
        return job

    def completed(self, **request: Any) -> dict[str, Any]:
        """Create a job and wait until it is completed."""
        job = self.done(self.simulate(**request))
        assert job["status"] == "completed", job["error_message"]
        return job
