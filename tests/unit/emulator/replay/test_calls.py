"""The REST calls of a cassette: their answers can be sent, whatever was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest
from aiohttp.test_utils import make_mocked_request

from odyssey_proto.emulator._replay.calls import RecordedCalls
from odyssey_proto.emulator._replay.tape import TapedCall

if TYPE_CHECKING:
    from aiohttp import web

    from odyssey_proto.emulator._replay.tape import Tape


@attrs.frozen
class Calls:
    """The part of a tape that `RecordedCalls` reads."""

    calls: tuple[TapedCall, ...]


def replayed(**fields: Any) -> web.Response | None:
    usual = {
        "method": "GET",
        "path": "/stream-recordings",
        "query": (),
        "status": 200,
        "headers": (),
        "answer": "{}",
    }
    calls = RecordedCalls(cast("Tape", Calls((TapedCall(**{**usual, **fields}),))))
    return calls.answer(make_mocked_request("GET", "/stream-recordings"))


@pytest.mark.parametrize(("status", "body"), [(200, b"{}"), (404, b"{}"), (204, None), (304, None)])
def test_an_answer_has_a_body_if_its_status_allows_one(status: int, body: bytes | None) -> None:
    found = replayed(status=status)
    assert found is not None
    assert (found.status, found.body) == (status, body)


def test_half_of_a_character_becomes_a_question_mark() -> None:
    found = replayed(answer='{"a": "\ud83d"}')
    assert found is not None
    assert found.body == b'{"a": "?"}'


def test_what_only_announces_an_answer_is_none() -> None:
    assert replayed(status=101) is None
