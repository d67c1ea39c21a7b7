"""The texts and codes of a spectator's errors."""

from __future__ import annotations

from odyssey_proto.core.spectator_errors import GONE, broadcast_lost, broadcast_over, left_early


def test_a_lost_broadcast_may_come_back() -> None:
    error = broadcast_lost("No video for 2.5 s")
    assert (str(error), error.code, error.operation, error.recoverable) == (
        "No video for 2.5 s",
        "peer_lost",
        "watch",
        True,
    )


def test_a_broadcast_that_is_over_does_not_come_back() -> None:
    error = broadcast_over()
    assert (str(error), error.code, error.operation, error.recoverable) == (
        "The broadcast has ended",
        GONE,
        "watch",
        False,
    )


def test_who_leaves_before_the_connection_learns_that() -> None:
    error = left_early()
    assert (str(error), error.code, error.recoverable) == (
        "The broadcast was left before it was connected",
        "closed",
        False,
    )
