"""What type checkers make of `odyssey_models`: enums stay open, tables and the converter are typed. Never run."""

# An `ignore` that is not needed is an error, and so is code that cannot be reached.
# mypy: warn-unreachable
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never, assert_type

import odyssey_models as models
from odyssey_models import SimulationJobStatus as Status


def with_a_branch_for_other_values(status: Status) -> str:
    match status:
        case Status.PENDING | Status.DISPATCHED | Status.PROCESSING:
            return "goes on"
        case Status.COMPLETED | Status.FAILED | Status.CANCELLED:
            return "is over"
        case _:
            if status == "paused":  # a value that is not listed is compared with its text
                return "goes on"
            assert_type(status, Status)
            return f"is {status}"


def without_such_a_branch(status: Status) -> str:  # type: ignore[return]  # there are other values
    match status:  # pyright: ignore[reportMatchNotExhaustive]
        case Status.PENDING | Status.DISPATCHED | Status.PROCESSING:
            return "goes on"
        case Status.COMPLETED | Status.FAILED | Status.CANCELLED:
            return "is over"


def with_a_branch_that_cannot_be_reached(status: Status) -> str:
    match status:
        case Status.PENDING | Status.DISPATCHED | Status.PROCESSING:
            return "goes on"
        case Status.COMPLETED | Status.FAILED | Status.CANCELLED:
            return "is over"
        case _:
            assert_never(status)  # type: ignore[arg-type]  # there are other values


def by_comparing(status: Status) -> bool:
    if status == Status.PENDING or status == Status.DISPATCHED or status == Status.PROCESSING:
        return False
    if status is Status.COMPLETED or status is Status.FAILED or status is Status.CANCELLED:
        return True
    assert_never(status)  # type: ignore[arg-type]  # there are other values


assert_type(Status.PENDING, Status)
assert_type(Status("paused"), Status)
assert_type(Status["PENDING"], Status)
assert_type(list(Status), list[Status])
assert_type(iter(Status), Iterator[Status])
assert_type((len(Status), "pending" in Status), tuple[int, bool])
assert_type((Status.PENDING.value, Status.PENDING.name, Status.PENDING.is_known), tuple[str, str, bool])
assert_type({status: status.value for status in Status}, dict[Status, str])
text: str = Status.PENDING
texts: dict[str, int] = {Status.PENDING: 1}
Status("pending", "completed")  # type: ignore[call-arg]  # unlike `Enum`, no call makes a class

one = models.converter()
message = one.structure({"type": "offer", "sdp": "v=0"}, models.SIGNALING_FROM_SERVER["offer"])
assert_type(message, models.Offer | models.IceCandidate | models.SignalingError)
assert_type(one.structure({}, models.StreamEnded), models.StreamEnded)
assert_type(models.StreamEnded().to_dict(), dict[str, Any])
server: models.SignalingServerMessage = message
