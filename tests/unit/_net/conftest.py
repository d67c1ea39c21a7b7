"""A raw-socket server that answers like the service, and the calls of its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.apis import REGION_LIMITS, give_time, made_api
from tests.support.leaks import nothing_left
from tests.support.servers import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto._net.service_api import ServiceApi


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with nothing_left(), HttpServer() as made:
        yield made


@pytest.fixture
def regions_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let regions be listed, and answer in time, on a busy machine, too."""
    give_time(monkeypatch, 10.0, REGION_LIMITS)


@pytest.fixture
def api(server: HttpServer, regions_have_time: None) -> Iterator[ServiceApi]:
    with made_api(server) as made:
        yield made
