"""The asynchronous SDK in the live scenarios of the conformance kit: all points but those of a spectator.

The SDK reads messages with the core, so its points for vectors are those of this library.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.judging import allow_a_busy_machine
from tests.support.preloaded import preloaded

ROOT = Path(__file__).parents[3]


def test_the_sdk_has_all_points_but_those_of_spectators(monkeypatch: pytest.MonkeyPatch) -> None:
    live = pytest.importorskip("odyssey_proto.conformance._live", reason="the conformance kit is not here")
    allow_a_busy_machine(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'generated' / 'python'}")
    with preloaded("tests.sdk.python.adapter") as adapter:
        card = live.check_live(adapter)
    wrong = {(point.group, point.name): point.why for point in card.points if point.outcome == "failed"}
    assert wrong == {}
    assert {point.group for point in card.points if point.outcome == "skipped"} == {"broadcast"}
