"""The cost of calls, waiting and downloads, compared with plain requests that do the same.

Calls go to an emulator in a separate process, ours and the plain ones in turns, over persistent connections.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Final

import requests

from odyssey_proto import Odyssey
from tools.bench.figures import Figure, middle_pair
from tools.bench.service import Service
from tools.bench.streaming import emulator

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["lists_by_round", "run"]

_KEY: Final = "ody_bench"
_UNFILMED: Final = "https://elsewhere.invalid/script.json"
"""The emulator asks no other host, so such a job fails at once and is never filmed during measurements."""
_LEAST_MB: Final = 0.1
"""Growth below this counts as this, because a ratio to almost nothing is meaningless."""


def run(*, short: bool) -> list[Figure]:
    """Measure calls, the wait for many jobs, and a large download."""
    jobs, size = (100, 5_000_000) if short else (1000, 1_000_000_000)
    return [
        *_calls(3 if short else 500),
        Figure(
            name=f"list requests a round, waiting for {jobs} jobs",
            reference="polling each job",
            unit="",
            ours=max(lists_by_round(jobs)),
            theirs=jobs,
        ),
        *_downloads(size, 1 if short else 3),
    ]


def lists_by_round(jobs: int) -> list[int]:
    """Wait for ``jobs`` jobs, a third of which end in each round; return the number of list requests by round."""
    with Service(jobs=jobs) as service, Odyssey(_KEY, api_url=service.url) as client:
        client.wait_for_simulations([f"job-{number}" for number in range(jobs)], timeout=120, poll=0.01)
        return service.lists


def _calls(rounds: int) -> list[Figure]:
    with (
        emulator("both") as url,
        Odyssey(_KEY, api_url=url) as client,
        requests.Session() as http,
    ):
        answer = http.post(f"{url}/auth/token", json={"api_key": _KEY}, timeout=30)
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        made = [client.simulate(script_url=_UNFILMED) for _ in range(100)]
        client.wait_for_simulations([job.job_id for job in made], timeout=60, poll=0.1)

        def get(path: str) -> Callable[[], object]:
            return lambda: http.get(url + path, timeout=30).json()

        one = made[0].job_id
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "get_simulate_status": (
                lambda: client.get_simulate_status(one),
                get(f"/simulation-jobs/{one}"),
            ),
            "list_simulations, 20 jobs": (
                client.list_simulations,
                get("/simulation-jobs"),
            ),
            "list_simulations, 100 jobs": (
                lambda: client.list_simulations(limit=100),
                get("/simulation-jobs?limit=100"),
            ),
            "list_stream_recordings": (
                client.list_stream_recordings,
                get("/stream-recordings"),
            ),
        }
        figures = []
        for name, (ours, plain) in pairs.items():
            values = middle_pair(_milliseconds(ours), _milliseconds(plain), rounds)
            figures.append(
                Figure(name=name, reference="requests.Session.get", unit="ms", ours=values[0], theirs=values[1])
            )
        return figures


def _milliseconds(call: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        call()
        return (time.perf_counter() - began) * 1000

    return measure


def _downloads(size: int, rounds: int) -> list[Figure]:
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "plain": []}
    call = [sys.executable, "-m", "tools.bench.service", str(size)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            for _ in range(rounds):
                for which, runs in found.items():
                    with tempfile.TemporaryDirectory() as folder:
                        script = [sys.executable, "-m", "tools.bench.downloads", which, url, folder]
                        runs.append(json.loads(subprocess.check_output(script, timeout=600)))
        finally:
            process.terminate()

    def median(which: str, key: str) -> float:
        values: list[float] = [run[key] for run in found[which]]
        return statistics.median(values)

    amount = f"{size / 1e9:g} GB"
    return [
        Figure(
            name=f"memory grown by a download of {amount}",
            reference="requests, streamed",
            unit="MB",
            ours=max(median("ours", "grown_mb"), _LEAST_MB),
            theirs=max(median("plain", "grown_mb"), _LEAST_MB),
        ),
        Figure(
            name=f"download of {amount}",
            reference="requests, streamed",
            unit="s",
            ours=median("ours", "seconds"),
            theirs=median("plain", "seconds"),
        ),
    ]
