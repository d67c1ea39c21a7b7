"""Tracebacks without the local variables of this library and of the libraries that it calls."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING

import pytest

from odyssey_proto._base.tracebacks import (
    Work,
    alone,
    is_from,
    is_from_here,
    sealed,
    without_frames,
    without_locals,
)
from odyssey_proto._model import codec

if TYPE_CHECKING:
    from collections.abc import Callable


def failure(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except Exception as exc:  # noqa: BLE001 - the test examines it
        return exc
    raise AssertionError


def variables(error: BaseException) -> dict[str, dict[str, str] | None]:
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    return {frame.name: frame.locals for frame in frames}


def test_frames_of_libraries_stay_without_their_variables() -> None:
    error = without_locals(failure(lambda: json.loads("[marked")))
    found = variables(error)
    assert "raw_decode" in found
    assert "marked" not in str(found["raw_decode"])


def test_frames_of_the_user_above_and_below_keep_their_variables() -> None:
    def callback(_: object) -> None:
        below = 1
        raise LookupError(below)

    def call() -> None:
        above = "{}"
        json.loads(above, object_hook=callback)

    found = variables(without_locals(failure(call)))
    assert (found["call"] or {})["above"] == "'{}'"
    assert (found["callback"] or {})["below"] == "1"
    assert not found["loads"]


def test_a_cause_loses_them_too_and_a_context_that_nobody_shows_is_dropped() -> None:
    def caused() -> None:
        try:
            json.loads("[marked")
        except ValueError as exc:
            raise LookupError from exc

    def by_itself() -> None:
        try:
            json.loads("[marked")
        except ValueError:
            raise LookupError from None

    error = without_locals(failure(caused))
    assert isinstance(error.__cause__, json.JSONDecodeError)
    assert "marked" not in str(variables(error.__cause__)["raw_decode"])
    assert without_locals(failure(by_itself)).__context__ is None


def test_the_exception_that_the_user_was_handling_stays_as_it_is() -> None:
    before = failure(lambda: json.loads("[marked"))
    error = LookupError()
    error.__context__ = before
    without_locals(error, before)
    assert "marked" in str(variables(before)["raw_decode"])


def test_a_circle_of_causes_has_an_end() -> None:
    first, second = LookupError(), LookupError()
    first.__cause__, second.__cause__ = second, first
    assert without_locals(first) is first
    assert without_frames(first) is first


def test_an_error_that_is_raised_elsewhere_has_no_frames() -> None:
    error = failure(lambda: json.loads("["))
    assert without_frames(error).__traceback__ is None


def test_an_error_that_is_alone_has_nothing_that_led_to_it() -> None:
    error = failure(lambda: json.loads("["))
    error.__context__ = KeyError("marked")
    error.__cause__ = ValueError("marked")
    assert alone(error) is error
    assert (error.__cause__, error.__context__, error.__traceback__) == (None, None, None)


def test_what_is_raised_through_a_sealed_function_shows_no_argument() -> None:
    decode = sealed(codec.signaling_from_server)
    found = variables(failure(lambda: decode("[marked")))
    assert "marked" not in str(found)
    assert decode('{"type": "ice_candidate", "candidate": ""}')


def test_work_shows_no_argument() -> None:
    work = Work(max, ("marked", "a"), {"key": len})
    assert work() == "marked"
    assert "marked" not in repr(work)


def test_an_error_of_c_code_is_distinguished_from_one_of_another_frame() -> None:
    def fail() -> None:
        raise ValueError

    def caught(call: Callable[[], object] | None) -> bool:
        try:
            int("x") if call is None else call()
        except ValueError as exc:
            return is_from_here(exc)
        raise AssertionError

    assert (caught(None), caught(fail)) == (True, False)


@pytest.mark.parametrize(("call", "expected"), [(lambda: json.loads("["), True), (lambda: int("x"), False)])
def test_an_error_is_from_the_module_whose_frame_is_the_innermost(
    call: Callable[[], object], expected: bool
) -> None:
    assert is_from(failure(call), "json") is expected
