"""The conformance kit on a machine that is slower than the clients it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    import pytest

__all__ = ["allow_a_busy_machine"]


def allow_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a client repeats come late, and a keepalive early after one that came late."""
    monkeypatch.setattr("odyssey_proto.conformance._judges._KEEPALIVE_S", (0.0, PATIENCE_S))
    monkeypatch.setattr("odyssey_proto.conformance._judges._ASK_AGAIN_S", (0.7, PATIENCE_S))
