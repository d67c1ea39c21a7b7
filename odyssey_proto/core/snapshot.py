"""A snapshot of a core's state after one input, frozen, for threads other than the driver. It does not change."""

from __future__ import annotations

import attrs
import odyssey_models as wire

from .._base import errors
from .._base.public_path import publish
from .._model.events import BroadcastInfo, ConnectionStatus

__all__ = ["Snapshot"]


@attrs.frozen(kw_only=True)
class Snapshot:
    """The state of a session or a spectator."""

    status: ConnectionStatus
    is_over: bool = False
    """Whether it has ended, for any reason."""
    error: errors.OdysseyError | None = None
    """The error that ended it, if it failed."""
    progress: str = ""
    """The step in progress, for the text of a timeout."""
    failure: errors.OdysseyError | None = None
    """The error of the preferred way of watching, while another way is tried."""
    remedy: str = "call connect() again"
    """The user's remedy after a failure, for the text of an error."""
    session_id: str | None = None
    capabilities: wire.StreamerCapabilities | None = None
    stream_id: str | None = None
    applied_prompt: str | None = None
    broadcast: BroadcastInfo | None = None

    def not_connected(self, what: str) -> errors.OdysseyStreamError:
        """Return the error for ``what``, which needs a connection, with the reason why there is none."""
        why = "" if self.error is None else f" ({self.error.message}); {self.remedy}"
        return errors.OdysseyStreamError(
            f"Cannot {what}: client is {self.status}{why}",
            code="not_connected",
            operation=what,
            session_id=self.session_id,
        )


publish("odyssey_proto.core", Snapshot)
