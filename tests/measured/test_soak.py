"""200 sessions in two processes: each then holds as many resources as after its first 20."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from typing import Any, Final

import pytest

from tests.support.leaks import MEASURE
from tests.support.processes import emulator_process, script

pytestmark = pytest.mark.measures

CYCLES: Final = 100
"""Number of sessions of each process."""
WARM: Final = 20
GROWTH_MB: Final = 10.0
SAMPLE: Final = 10
"""Number of cycles whose median memory is compared, because single figures vary by some MB."""


@pytest.mark.timeout(400)
def test_200_sessions_leave_nothing_behind() -> None:
    code = f"""
{MEASURE}
for number in range({CYCLES + SAMPLE}):
    if number and number % 2 == 0:
        client = Odyssey(sys.argv[2], api_url=sys.argv[1])
    cycle(client)
    if number % 2:  # each client has two sessions; an open one keeps some idle connections
        client.close()
    if number in range({WARM}, {WARM + SAMPLE}) or number >= {CYCLES}:
        say(left())
"""
    # The emulator is in a separate process, so that its memory does not count. Its pictures are small, and 100 of
    # them are still many times the limit.
    with ExitStack() as running:
        _, url = running.enter_context(emulator_process(concurrent_sessions=2))
        for process in [running.enter_context(script(code, url)) for _ in range(2)]:
            warm: list[dict[str, Any]] = [process.said(120)[0] for _ in range(SAMPLE)]
            after: list[dict[str, Any]] = [process.said(300)[0] for _ in range(SAMPLE)]
            assert process.ended() == 0
            assert process.stderr == ""
            growth_mb = resident_mb(after) - resident_mb(warm)
            print(f"memory grew by {growth_mb:.1f} MB, to {resident_mb(after):.1f} MB")
            assert fewest(after) == fewest(warm)
            assert growth_mb < GROWTH_MB


def fewest(samples: list[dict[str, Any]]) -> list[Any]:
    """Return the fewest of each resource: a leak raises them, and a socket that closes a moment later does not."""
    return [min((sample[name] for sample in samples), key=len) for name in ("descriptors", "threads", "kept")]


def resident_mb(samples: list[dict[str, Any]]) -> float:
    return statistics.median(sample["resident_mb"] for sample in samples)
