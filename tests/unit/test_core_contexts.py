"""The tests whose coverage is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import LOADING_S

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_measured_is_there() -> None:
    contexts = pytest.importorskip("tools.core_contexts", reason="coverage is not installed")
    named = [name.partition("::") for name in (*contexts.MEASURED, *contexts.ELSEWHERE)]
    assert [path for path, _, _ in named if not (ROOT / path).exists()] == []
    tests = [(path, name) for path, _, name in named if name]
    assert [name for path, name in tests if f"\ndef {name}(" not in (ROOT / path).read_text("utf-8")] == []


def test_the_cores_own_tests_are_measured() -> None:
    contexts = pytest.importorskip("tools.core_contexts", reason="coverage is not installed")
    coverage = pytest.importorskip("tools.core_coverage")
    assert [path for path in coverage.test_files() if not path.startswith(contexts.MEASURED)] == []


def test_nothing_else_measures_while_it_does_not() -> None:
    pytest.importorskip("coverage", reason="coverage is not installed")
    code = """
import sys
from coverage import Coverage
from tools.core_contexts import _alone

earlier, later = Coverage(data_file=None), Coverage(data_file=None)
earlier.start(), later.start()
assert _alone() is later
assert sys.gettrace() is not None
later.stop()
assert sys.gettrace() is None
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=LOADING_S)
