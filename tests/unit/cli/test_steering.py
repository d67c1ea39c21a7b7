"""Prompts that steer a stream: when they are sent, and what is reported of them."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import OdysseyStreamError
from odyssey_proto.cli._steering import Steered, Steering, typed_lines
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Session:
    """A session that notes each prompt, and refuses the prompt ``bad``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def interact(self, prompt: str) -> str:
        self.asked.append(prompt)
        assert self.may_answer.wait(PATIENCE_S)
        if prompt == "bad":
            raise OdysseyStreamError("refused", code="moderation")
        return f"{prompt}, applied"


def steering(session: _Session, *schedule: tuple[float, str], **options: Any) -> tuple[Steering, list[Steered]]:
    sent: list[Steered] = []
    return Steering(session, schedule, sent.append, **options), sent  # type: ignore[arg-type]


def test_prompts_are_sent_in_the_order_of_their_times() -> None:
    steer, sent = steering(_Session(), (0.05, "second"), (0, "first"), (0.05, "third"))
    with steer:
        steer.begin(time.monotonic())
        eventually(lambda: len(sent) == 3)
    assert [one.prompt for one in sent] == ["first", "second", "third"]
    assert [one.at_s >= due for one, due in zip(sent, (0, 0.05, 0.05), strict=True)] == [True] * 3
    assert sent[0].to_dict() == {
        "at_s": sent[0].at_s,
        "prompt": "first",
        "applied_prompt": "first, applied",
        "error": None,
        "is_typed": False,
    }


def test_nothing_is_sent_before_the_first_picture() -> None:
    session = _Session()
    first = threading.Event()
    steer, sent = steering(session, (0, "due"), first=first.set)
    with steer:
        steer.type("typed")
        assert first.wait(PATIENCE_S)
        assert session.asked == []
        steer.begin(time.monotonic())
        eventually(lambda: len(sent) == 2)
    assert {(one.prompt, one.is_typed) for one in sent} == {("typed", True), ("due", False)}


def test_a_prompt_that_is_refused_does_not_end_the_steering() -> None:
    steer, sent = steering(_Session(), (0, "bad"))
    with steer:
        steer.begin(time.monotonic())
        eventually(lambda: sent)
        steer.type("good")
        eventually(lambda: len(sent) == 2)
    assert sent[0].error is not None
    assert sent[0].to_dict()["error"]["code"] == "moderation"
    assert (sent[1].applied_prompt, sent[1].error) == ("good, applied", None)


def test_what_fails_because_the_stream_has_ended_is_not_reported() -> None:
    session = _Session()
    session.may_answer.clear()
    steer, sent = steering(session, (0, "bad"))

    def answer_at_the_end() -> None:
        eventually(lambda: steer._is_over)
        session.may_answer.set()

    with steer:
        steer.begin(time.monotonic())
        eventually(lambda: session.asked)
        threading.Thread(target=answer_at_the_end).start()
    steer._thread.join(PATIENCE_S)
    assert sent == []
    assert not steer._thread.is_alive()


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Replace stdin by a pipe, and return the end to write to."""
    read, write = os.pipe()
    with os.fdopen(read, "r") as file:
        monkeypatch.setattr(sys, "stdin", file)
        yield write


def test_lines_are_taken_as_they_are_typed(stdin: int) -> None:
    lines: list[str] = []
    with typed_lines(lines.append):
        os.write(stdin, b"It ra")
        os.write(stdin, "ins\n\n  \n Füße \r\n".encode())
        eventually(lambda: len(lines) == 2)
        os.write(stdin, b"the last")
        os.close(stdin)
        eventually(lambda: len(lines) == 3)
    assert lines == ["It rains", "Füße", "the last"]


def test_without_stdin_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    before = {*threading.enumerate()}
    with typed_lines(lambda _: None):
        assert {*threading.enumerate()} <= before
