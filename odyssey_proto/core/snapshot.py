"""The state of a core as threads other than its driver may read it: frozen, and as of one input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .._base import errors
from .._base.public_path import publish

if TYPE_CHECKING:
    import odyssey_models as wire

    from .._model.events import BroadcastInfo, ConnectionStatus

__all__ = ["Snapshot"]


@attrs.frozen(kw_only=True)
class Snapshot:
    """Where a session or a spectator stands."""

    status: ConnectionStatus
    is_over: bool = False
    """Whether it has ended, one way or the other."""
    error: errors.OdysseyError | None = None
    """Why it is over, if it failed."""
    progress: str = ""
    """The step that is being waited for, for the text of a timeout."""
    failure: errors.OdysseyError | None = None
    """What the better way failed with, while another one is tried."""
    session_id: str | None = None
    capabilities: wire.StreamerCapabilities | None = None
    stream_id: str | None = None
    applied_prompt: str | None = None
    broadcast: BroadcastInfo | None = None

    def not_connected(self, what: str) -> errors.OdysseyStreamError:
        """Make the error for something that needs a connection, with the reason why there is none."""
        why = "" if self.error is None else f" ({self.error.message}); call connect() again"
        return errors.OdysseyStreamError(
            f"Cannot {what}: client is {self.status}{why}",
            code="not_connected",
            operation=what,
            session_id=self.session_id,
        )


publish("odyssey_proto.core", Snapshot)
