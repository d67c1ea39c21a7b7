"""Many cases in one test: all run, and the failure names those that failed."""

from __future__ import annotations

import inspect

import pytest

from tests.support.cases import every, run_all


def check(number: int) -> None:
    if number == 3:
        pytest.fail("three")
    assert number % 2 == 0


def test_all_cases_run_and_each_that_fails_is_named() -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        run_all(check, ((f"case {number}", number) for number in range(5)))
    assert str(caught.value).startswith("2 of 5 cases:\n  case 1\n  case 3\n")
    assert [error.__notes__ for error in caught.value.exceptions] == [
        ["the case was case 1"],
        ["the case was case 3"],
    ]


def test_cases_that_all_pass_raise_nothing() -> None:
    run_all(check, [("zero", 0), ("two", 2)])


def test_no_cases_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="there are no cases"):
        run_all(check, [])


def test_a_test_for_every_case_gets_the_case_and_its_fixtures() -> None:
    seen = []

    @every("letter", lambda: iter("xy"))
    def run(letter: str, of: str) -> None:
        seen.append((of, letter))

    assert [*inspect.signature(run).parameters] == ["of"]
    run(of="a")
    assert seen == [("a", "x"), ("a", "y")]
