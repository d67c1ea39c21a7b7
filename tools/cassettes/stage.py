"""The stage of a scene: clients of one service, closed when the scene ends.

This module does not know whether an emulator, the service or a cassette answers.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Self

from odyssey_proto import AdvancedConfig, Odyssey
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net.service_api import ServiceApi

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["Stage"]

_NO_QUEUE: Final = AdvancedConfig(queue_timeout_s=0, max_retries=0)


class Stage:
    """The place of a scene: a service, a key for it, a folder, and ids of existing objects (``given``)."""

    def __init__(self, api_url: str, api_key: str, folder: Path, given: Mapping[str, str]) -> None:
        self.api_url = api_url
        self.api_key = api_key
        self.folder = folder
        self.given = given
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def client(self) -> Odyssey:
        """Return a client that does not queue for streamers. It is closed with the stage."""
        return self._open.enter_context(Odyssey(self.api_key, api_url=self.api_url, advanced=_NO_QUEUE))

    def api(self) -> ServiceApi:
        """Return the layer below a client, for calls that a client makes only while it connects."""
        config = ClientConfig(api_key=self.api_key, api_url=self.api_url, advanced=_NO_QUEUE)
        return self._open.enter_context(contextlib.closing(ServiceApi(config, MonotonicClock())))
