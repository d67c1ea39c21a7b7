"""For tests of REST: a `ServiceApi` whose service is a raw-socket server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net.service_api import ServiceApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from odyssey_proto._base.clock import Clock
    from tests.support.servers import Connection, HttpServer, Request

KEY = "ody_live_secret-key-1"
LONG = 30.0

REGION_LIMITS: Final = ("service_api.LISTING_TIMEOUT_S", "regions._PING_TIMEOUT_S")
HELPFUL_LIMITS: Final = (*REGION_LIMITS, "service_api._CONFIG_TIMEOUT_S")
"""The time limits of the auxiliary calls, which give up by themselves."""


def until(seconds: float | None = LONG) -> Deadline:
    return Deadline(seconds, MonotonicClock())


def give_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float = LONG, limits: Sequence[str] = HELPFUL_LIMITS
) -> None:
    """Give the auxiliary calls enough time, even on a busy machine."""
    for limit in limits:
        monkeypatch.setattr(f"odyssey_proto._net.{limit}", seconds)


@contextlib.contextmanager
def made_api(server: HttpServer, *, clock: Clock | None = None, api_key: str = KEY) -> Iterator[ServiceApi]:
    """Yield a `ServiceApi` whose service is ``server``."""
    config = ClientConfig(api_key=api_key, api_url=server.url)
    with contextlib.closing(ServiceApi(config, clock or MonotonicClock())) as made:
        yield made


def reset(connection: Connection, _: Request) -> None:
    connection.reset()
