"""The pace and the latency of the demo, which a busy machine does not keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.measures


def test_ten_seconds_have_at_least_150_frames_and_few_losses(tmp_path: Path) -> None:
    with command("demo", "--json", "--seconds", "10", "--out", str(tmp_path)) as process:
        assert process.ended(60) == 0, process.stderr
        summary = json.loads(process.line())
    assert summary["frames"] >= 150
    assert summary["lost"] <= 0.25 * summary["frames"]
    assert summary["latency_ms_max"] < 5000
