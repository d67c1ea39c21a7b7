"""140 sessions in two processes: at the end, each process holds as many resources as after its first 20."""

from __future__ import annotations

import json
import statistics
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from odyssey_proto._version import __version__
from tests.support.leaks import MEASURE
from tests.support.processes import emulator_process, script
from tools.soak import Growth, Sample, growth, main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.measures

CYCLES: Final = 60
"""Number of sessions of each process before its last sample."""
WARM: Final = 20
GROWTH_MB: Final = 10.0
SAMPLE: Final = 10
"""Number of cycles whose median memory is compared, because single figures vary by some MB."""


@pytest.mark.timeout(400)
def test_140_sessions_leave_nothing_behind() -> None:
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
    # The emulator is in a separate process, so that its memory does not count. Its pictures are small, but a leak
    # of one in each of 40 sessions is still three times the limit.
    with ExitStack() as running:
        _, url = running.enter_context(emulator_process(concurrent_sessions=2, size=(512, 512)))
        for process in [running.enter_context(script(code, url, fresh=True)) for _ in range(2)]:
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


def test_the_long_soak_writes_what_it_measured(tmp_path: Path) -> None:
    told = tmp_path / "soak.json"
    main(["--connects", "3", "--minutes", "0.1", "--out", str(told)])
    content = json.loads(told.read_text("utf-8"))
    assert (content["version"], content["connects"]) == (__version__, 3)
    assert content["growth"].keys() == content["samples"].keys() == {"connects", "stream"}
    assert content["stream"]["frames"] > 0
    assert len(content["samples"]["connects"]) == 3


def test_what_grows_is_noticed_and_what_varies_is_not() -> None:
    flat = [Sample(float(at), 100.0 + at % 3, 9 + at % 2, 30 - at % 2) for at in range(60)]
    assert growth(flat).is_flat
    for name, step in (("resident_mb", 1.0), ("threads", 1), ("descriptors", 1)):
        leaking = [attrs.evolve(each, **{name: getattr(each, name) + at * step}) for at, each in enumerate(flat)]
        assert not growth(leaking).is_flat
    warming = [attrs.evolve(each, resident_mb=50.0) if at < 10 else each for at, each in enumerate(flat)]
    assert growth(warming) == Growth(resident_mb=0.0, threads=0, descriptors=0)
