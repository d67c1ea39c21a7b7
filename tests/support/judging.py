"""Longer time limits of the conformance kit, for clients on a slow machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    import pytest

__all__ = ["allow_a_busy_machine"]


def allow_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow keepalives and repeated requests to come late, and a keepalive to come soon after a late one."""
    monkeypatch.setattr("odyssey_proto.conformance._judges._KEEPALIVE_S", (0.0, PATIENCE_S))
    monkeypatch.setattr("odyssey_proto.conformance._judges._ASK_AGAIN_S", (0.7, PATIENCE_S))
