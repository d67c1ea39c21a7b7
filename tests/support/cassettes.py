"""Live cassettes for tests: recorded sessions of an emulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from odyssey_proto._model import cassette
from tests.support.live import number_of, take
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from odyssey_proto import Session

__all__ = ["NOON", "START", "film", "messages_in", "records_in"]

START: Final = "A cat at night"
NOON: Final = "noon in the desert"


def film(session: Session, path: Path, *, frames: int, **options: Any) -> list[int]:
    """Capture one stream with one change in its middle; return the numbers of the pictures that were received."""
    with session.capture(path) as capture:
        pictures = session.frames(queue_size=1000)
        session.start_stream(START, **options)
        numbers = [number_of(frame) for frame in take(pictures, frames)]
        session.interact(NOON, timeout=PATIENCE_S)
        numbers += [number_of(frame) for frame in take(pictures, frames)]
        session.end_stream(timeout=PATIENCE_S)
    assert capture.dropped == 0
    assert capture.frames >= len(numbers)
    assert not capture.is_capturing
    return numbers


def records_in(path: Path) -> list[tuple[dict[str, Any], bytes]]:
    """Return pairs of the head and the payload of each record of a cassette."""
    with path.open("rb") as file:
        return [(record.head, record.payload(file)) for record in cassette.index(file)[0]]


def messages_in(path: Path, sender: str, place: str) -> list[dict[str, Any]]:
    """Return the messages of a cassette that were sent by one side at one place."""
    return [
        json.loads(payload)
        for head, payload in records_in(path)
        if (head["kind"], head.get("from"), head.get("place")) == ("message", sender, place)
    ]
