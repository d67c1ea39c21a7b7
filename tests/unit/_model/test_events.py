"""Statuses and events as documented."""

from __future__ import annotations

import json

import attrs
import pytest

from odyssey_proto._live.handlers import OdysseyEventHandlers
from odyssey_proto._model.events import BroadcastInfo, ConnectionStatus, Event, StatusChanged


def test_the_statuses_are_the_documented_ones_and_strings() -> None:
    assert [str(status) for status in ConnectionStatus] == [
        "authenticating",
        "connecting",
        "reconnecting",
        "connected",
        "disconnected",
        "failed",
    ]
    assert json.dumps(ConnectionStatus.CONNECTED) == '"connected"'


def test_events_are_frozen_and_know_when_they_happened() -> None:
    event = StatusChanged(status=ConnectionStatus.FAILED, at=1.0)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.at = 2.0  # type: ignore[misc]  # that it cannot be set is the point
    assert all("at" in attrs.fields_dict(cls) for cls in Event.__args__)


def test_who_is_let_in_is_not_shown() -> None:
    assert "secret" not in repr(BroadcastInfo("http://host/live", "secret"))


def test_addresses_of_a_broadcast_are_shown_without_signatures() -> None:
    info = BroadcastInfo("http://host/live?sig=4711", "secret", "http://host/x.m3u8?sig=4711")
    assert repr(info) == "BroadcastInfo(webrtc_url='http://host/live?…', hls_url='http://host/x.m3u8?…')"
    assert repr(BroadcastInfo("http://host/live", "secret")).endswith("hls_url=None)")


class _Awaitable:
    async def __call__(self) -> None:
        """Do nothing."""


async def _coroutine_function() -> None:
    """Do nothing."""


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(OdysseyEventHandlers)])
@pytest.mark.parametrize("wrong", [1, "print", [], _coroutine_function, _Awaitable()])
def test_a_handler_is_something_that_can_be_called_and_is_not_awaited(name: str, wrong: object) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a "):
        OdysseyEventHandlers(**{name: wrong})
    assert getattr(OdysseyEventHandlers(**{name: print}), name) is print
