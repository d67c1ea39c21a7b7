"""The demo on a machine whose only network interface is ``lo``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.only_lo import LO_UP, UNSHARE, missing
from tests.support.processes import PATIENCE_S, Process

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [pytest.mark.netns, pytest.mark.skipif(bool(missing()), reason=missing())]


def test_the_demo_runs_with_no_network_but_lo(tmp_path: Path) -> None:
    demo = f"exec {sys.executable} -m odyssey_proto demo --json --seconds 1 --out {tmp_path}"
    with Process([*UNSHARE, "sh", "-c", LO_UP + demo]) as process:
        assert process.ended(4 * PATIENCE_S) == 0, process.stderr
        (line,) = process.rest()
    summary = json.loads(line)
    assert summary["frames"] > 5
    assert summary["unstamped"] == 0
