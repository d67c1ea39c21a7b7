"""The type of a live message that is not JSON."""

from __future__ import annotations

import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._model.message_types import note_type


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('{"type": "stream_started", "stream_id": "st-', "stream_started"),
        ('{"stream_id": "st-1", "type":"stream_started"', "stream_started"),
        (b'\xef\xbb\xbf{"type":\n"offer", "sdp": "\xff', "offer"),
        ('{"type": "stream_started", "more": {"type": "other"}', "stream_started"),
        ('{"type": ["stream_started"], "stream_id": "st-1"}', "stream_started"),
        ('[{"type": "stream_started"}', "stream_started"),
        ("{'type': 'stream_started'}", "stream_started"),
        ('{"typ\\u0065": "stream\\u005fstarted"', "stream_started"),
        ('{"type": "stream_started"}'.encode("utf-16"), "stream_started"),
        ('{"type": "stream_started"}'.encode("utf-32-be"), "stream_started"),
        ("[" * 5_000 + '"type": "offer"', "offer"),
        ('{"sdp": "' + "x" * 1_000_000 + '", "type": "offer"', "offer"),
        ('{"type": "off', None),
        ('{"type": 5', None),
        ("", None),
        (b"\x00\xff", None),
        ("x" * 70_000 + '"type": "offer"' + "x" * 70_000, None),
    ],
)
def test_the_type_is_the_first_that_the_text_names(message: str | bytes, kind: str | None) -> None:
    error = MalformedMessageError("no")
    note_type(error, message)
    assert error.message_type == kind


def test_a_type_that_is_known_stays() -> None:
    error = MalformedMessageError("no", message_type="error")
    note_type(error, '{"type": "offer"')
    assert error.message_type == "error"
