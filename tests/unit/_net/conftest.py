"""Fixtures: a raw-socket server that answers like the service, and a client of it."""

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
    """Raise the limits, so that regions are listed and answer in time even on a busy machine."""
    give_time(monkeypatch, 10.0, REGION_LIMITS)


@pytest.fixture
def api(server: HttpServer, regions_have_time: None) -> Iterator[ServiceApi]:
    with made_api(server) as made:
        yield made
