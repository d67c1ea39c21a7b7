"""The tests whose coverage is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_measured_is_there() -> None:
    contexts = pytest.importorskip("tools.core_contexts", reason="coverage is not installed")
    named = [*contexts.MEASURED, *contexts.ELSEWHERE]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_cores_own_tests_are_measured() -> None:
    contexts = pytest.importorskip("tools.core_contexts", reason="coverage is not installed")
    coverage = pytest.importorskip("tools.core_coverage")
    assert [path for path in coverage.test_files() if not path.startswith(contexts.MEASURED)] == []
