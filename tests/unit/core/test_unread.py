"""Guards for messages that cannot be read: which message was intended."""

from __future__ import annotations

import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto.core.inputs import Unreadable
from odyssey_proto.core.unread import meant


@pytest.mark.parametrize(("kind", "fits"), [("offer", True), ("error", False), (None, False)])
def test_a_guard_is_for_one_type(kind: str | None, fits: bool) -> None:
    guard = meant("offer")
    assert guard(None, Unreadable(1, MalformedMessageError("no", message_type=kind))) is fits
    assert guard.__name__ == "meant_offer"
