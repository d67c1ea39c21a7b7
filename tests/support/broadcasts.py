"""Broadcasts to watch: a session of our own client starts one, and keeps it until the test ends it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs

from odyssey_proto import AdvancedConfig, BroadcastInfo, Odyssey
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto import Session

__all__ = ["Broadcaster", "broadcasting"]


@attrs.frozen
class Broadcaster:
    """The broadcasting session."""

    info: BroadcastInfo
    _session: Session

    def end(self) -> None:
        """End the stream, and wait until the streamer confirms it."""
        self._session.end_stream(timeout=PATIENCE_S)


@contextlib.contextmanager
def broadcasting(api_url: str, *, key: str = "ody_broadcaster", portrait: bool = False) -> Iterator[Broadcaster]:
    """Broadcast from the emulator at ``api_url`` during the ``with``."""
    quickly = AdvancedConfig(initial_retry_delay_ms=10, max_retry_delay_ms=50)
    with Odyssey(key, api_url=api_url, advanced=quickly) as client:
        session = client.connect(timeout=PATIENCE_S)
        session.start_stream("A cat", portrait=portrait, broadcast=True, timeout=PATIENCE_S)
        yield Broadcaster(session.wait_for_broadcast(timeout=PATIENCE_S), session)
