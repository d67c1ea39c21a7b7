"""Statuses and events as the documentation has them."""

from __future__ import annotations

import json

import attrs
import pytest

from odyssey_proto.types import ConnectionStatus, Event, StatusChanged


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
