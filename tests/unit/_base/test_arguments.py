"""The checks of arguments: a valid one passes, any other raises a one-line error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import SimulationJobStatus
from odyssey_proto._base import arguments
from odyssey_proto._base.errors import OdysseyConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


class Text(str):
    """A string of a user's own class."""

    __slots__ = ()


def refusal(call: Callable[..., Any], *given: Any, **known: Any) -> str:
    with pytest.raises(OdysseyConfigError) as caught:
        call("thing", *given, **known)
    assert caught.value.code == "invalid_argument"
    assert str(caught.value).startswith("thing ")
    return str(caught.value)


def type_refusal(call: Callable[..., Any], *given: Any, **known: Any) -> str:
    with pytest.raises(TypeError) as caught:
        call("thing", *given, **known)
    assert not isinstance(caught.value, ValueError)
    return str(caught.value)


# --- ids


@pytest.mark.parametrize("value", ["s-1", "a/b?c", "é", "a b", ".a", "a" * 256, Text("s-1")])
def test_an_id_is_any_short_printable_text(value: str) -> None:
    checked = arguments.identifier("thing", value)
    assert (checked, type(checked)) == (value, str)


@pytest.mark.parametrize("value", ["a\n", "\0", "\ud800", "a" * 257, ".", "..", "....."])
def test_what_cannot_stand_in_a_path_is_no_id_and_is_not_repeated(value: str) -> None:
    assert refusal(arguments.identifier, value) == "thing is not a valid id"


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_an_empty_id_is_reported_as_empty(value: str) -> None:
    assert refusal(arguments.identifier, value) == "thing is empty"


@pytest.mark.parametrize("value", [None, 7, b"s-1", ["s-1"]])
def test_what_is_no_string_is_no_id(value: Any) -> None:
    assert type_refusal(arguments.identifier, value) == f"thing must be a string, not {type(value).__name__}"


@pytest.mark.parametrize(
    ("value", "segment"),
    [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("é %", "%C3%A9%20%25"), ("a-b_c.d~", "a-b_c.d~")],
)
def test_an_id_is_one_segment_of_a_path(value: str, segment: str) -> None:
    assert arguments.quoted(value) == segment


# --- numbers


@pytest.mark.parametrize("value", [None, 1, 50, 100])
def test_a_whole_number_within_its_span_or_none_passes(value: int | None) -> None:
    assert arguments.whole("thing", value, least=1, most=100) == value


@pytest.mark.parametrize(
    ("value", "most", "text"),
    [
        (0, 100, "thing must be from 1 to 100, not 0"),
        (101, 100, "thing must be from 1 to 100, not 101"),
        (0, None, "thing must be at least 1, not 0"),
        pytest.param(10**5000, 100, "thing must be from 1 to 100", id="more digits than Python shows"),
    ],
)
def test_a_whole_number_outside_its_range_is_reported_with_the_range(
    value: int, most: int | None, text: str
) -> None:
    assert refusal(arguments.whole, value, least=1, most=most) == text


@pytest.mark.parametrize("value", ["1", 1.0, True, False])
def test_what_is_not_an_integer_is_refused_even_a_bool(value: Any) -> None:
    assert "must be an integer" in type_refusal(arguments.whole, value, least=0)


@pytest.mark.parametrize("value", [0, 0.5, 5, 1e9])
def test_a_span_of_time_is_a_float(value: float) -> None:
    checked = arguments.seconds("thing", value)
    assert (checked, type(checked)) == (value, float)


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, 10**400, -(10**400)])
def test_a_span_of_time_is_neither_negative_nor_endless(value: float) -> None:
    assert refusal(arguments.seconds, value).startswith("thing must be from 0 to 1,000,000,000 s")


@pytest.mark.parametrize("value", [None, "5", True])
def test_what_is_no_number_is_no_span(value: Any) -> None:
    assert "must be a number of seconds" in type_refusal(arguments.seconds, value)


@pytest.mark.parametrize(("value", "known"), [(-5, {}), (0.5, {}), (3, {"whole": True, "least": 3})])
def test_a_number_passes(value: float, known: dict[str, Any]) -> None:
    arguments.number("thing", value, **known)


@pytest.mark.parametrize(
    ("value", "known", "text"),
    [
        (math.nan, {}, "thing must be finite, not nan"),
        (math.inf, {}, "thing must be finite"),
        (2, {"whole": True, "least": 3}, "thing must be at least 3, not 2"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_with_what_would_fit(value: float, known: Any, text: str) -> None:
    assert refusal(arguments.number, value, **known) == text


@pytest.mark.parametrize(("value", "known"), [("1", {}), (True, {}), (None, {}), (1.0, {"whole": True})])
def test_what_is_no_number_is_a_type_error(value: Any, known: dict[str, Any]) -> None:
    assert "must be a" in type_refusal(arguments.number, value, **known)


# --- the others


def test_a_flag_is_a_bool_and_nothing_else() -> None:
    assert (arguments.flag("thing", True), arguments.flag("thing", False)) == (True, False)
    for value in (0, 1, "", None):
        assert "must be True or False" in type_refusal(arguments.flag, value)


def test_one_of_several_values_is_plain_text_even_if_an_enum_was_given() -> None:
    known = tuple(status.value for status in SimulationJobStatus)
    checked = arguments.one_of("thing", SimulationJobStatus.PENDING, known)
    assert (checked, type(checked)) == ("pending", str)
    assert refusal(arguments.one_of, "running", ("a", "b")) == "thing must be one of a, b"
    assert "must be a string" in type_refusal(arguments.one_of, 7, ("a", "b"))


def test_a_function_is_what_can_be_called_or_none() -> None:
    for value in (None, print, lambda: None, Text):
        arguments.function("thing", value)
    assert type_refusal(arguments.function, "print") == "thing must be a function, not str"


@pytest.mark.parametrize("value", [None, 0, 1.5, float("inf")])
def test_a_timeout_is_a_span_or_none_or_endless(value: Any) -> None:
    arguments.timeout("timeout", value)


@pytest.mark.parametrize("value", [-1, float("nan"), -(10**400)])
def test_a_timeout_is_not_negative(value: float) -> None:
    with pytest.raises(OdysseyConfigError, match=r"^timeout must be 0 s or more"):
        arguments.timeout("timeout", value)


@pytest.mark.parametrize("value", ["1", True, [1]])
def test_what_is_no_number_is_no_timeout(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^timeout must be a number of seconds or None, not "):
        arguments.timeout("timeout", value)


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"cat.mp4"


def test_a_path_is_a_string_or_what_stands_for_one() -> None:
    for value in ("cat.mp4", Path("cat.mp4"), Text("cat.mp4")):
        assert arguments.path("path", value) == Path("cat.mp4")
    for value, kind in ((None, "NoneType"), (b"cat.mp4", "bytes"), (7, "int"), (BytesPath(), "BytesPath")):
        assert type_refusal(arguments.path, value) == f"thing must be a path, not {kind}"


def test_a_text_is_a_string_that_can_be_sent() -> None:
    assert arguments.text("prompt", "A cat 🐈") == "A cat 🐈"
    with pytest.raises(TypeError, match=r"^prompt must be a string, not bytes$"):
        arguments.text("prompt", b"A cat")
    with pytest.raises(OdysseyConfigError, match=r"^prompt must not contain lone surrogates"):
        arguments.text("prompt", "\ud800")
