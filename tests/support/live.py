"""Common steps of live tests: taking pictures, reading their numbers, losing the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import OdysseyConnectionTimeoutError, OdysseyStreamError
from odyssey_proto._video import stamp
from odyssey_proto.emulator._faults.script import Fault
from tests.support.processes import PATIENCE_S, growing_timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import Odyssey, Session, VideoFrame
    from odyssey_proto.emulator._server import Emulator

__all__ = ["CALLS", "DEAF", "LOSSES", "frame_has_come", "lose", "number_of", "take", "timed_out"]

CALLS: Final[dict[str, Callable[[Any], object]]] = {
    "start stream": lambda target: target.start_stream("A cat"),
    "interact": lambda target: target.interact("Night"),
    "end stream": lambda target: target.end_stream(),
}


def number_of(frame: VideoFrame) -> int:
    """Return the frame number in the stamp of a picture."""
    found = stamp.read(frame.to_ndarray("gray"))
    assert found is not None, f"{frame} has no stamp"
    return found.frame_number


def take(frames: Iterator[VideoFrame], count: int) -> list[VideoFrame]:
    return [next(frames) for _ in range(count)]


LOSSES: Final = {
    "dropped": Fault(step="stream update", action="drop"),
    "closed with 1011": Fault(step="stream update", action="close", code=1011),
    "closed with 4000": Fault(step="stream update", action="close", code=4000),
    "channels closed": Fault(step="stream update", action="close_channel"),
}
"""Each strikes during an interact, which then raises."""

DEAF: Final = Fault(step="signaling handshake", action="reset", times=None)
"""Makes every further handshake fail."""


def lose(emulator: Emulator, session: Session, how: str = "dropped") -> OdysseyStreamError:
    """Lose the connection during a call, and return the error of the call."""
    emulator.faults.add(LOSSES[how])
    with pytest.raises(OdysseyStreamError) as caught:
        session.interact("Night", timeout=PATIENCE_S)
    return caught.value


def frame_has_come(session: Session, index: int) -> bool:
    latest = session.latest_frame
    return latest is not None and latest.index >= index


def timed_out(
    client: Odyssey, is_there: Callable[[OdysseyConnectionTimeoutError], object], **options: Any
) -> tuple[OdysseyConnectionTimeoutError, float]:
    """Connect with growing timeouts until ``is_there`` accepts the error; return that error and its timeout."""
    for timeout_s in growing_timeouts(0.5):
        with pytest.raises(OdysseyConnectionTimeoutError) as caught:
            client.connect(timeout=timeout_s, **options)
        if is_there(caught.value):
            return caught.value, timeout_s
    raise AssertionError("the connect did not get to where it hangs")
