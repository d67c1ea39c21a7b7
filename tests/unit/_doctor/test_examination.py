"""Checks in a row: none keeps the others from running."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from odyssey_proto import OdysseyAuthError, OdysseyConnectionError
from odyssey_proto._doctor import examination
from odyssey_proto._doctor.examination import Check, findings_of
from odyssey_proto._doctor.finding import CheckResult

if TYPE_CHECKING:
    import pytest

    from odyssey_proto._doctor.examination import Findings

FINE = CheckResult(name="fine", outcome="ok", text="the key is ody_secret_1")


def found(*checks: Check, secrets: tuple[str, ...] = ()) -> list[CheckResult]:
    return list(findings_of(checks, lambda: secrets, lambda _: None))


def fine() -> Findings:
    return FINE


def test_what_fails_is_a_finding_and_the_next_check_is_made() -> None:
    error = OdysseyAuthError("No API key", code="missing_api_key")

    def refused() -> Findings:
        raise error

    def broken() -> Findings:
        raise ZeroDivisionError("oops")

    first, second, third = found(Check("key", 30, refused), Check("odd", 30, broken), Check("fine", 30, fine))
    assert (first.outcome, first.text, first.error) == ("failed", "No API key", error)
    assert "set ODYSSEY_API_KEY" in first.advice
    assert (second.outcome, second.text) == ("failed", "the check itself failed: ZeroDivisionError: oops")
    assert third == FINE


def test_what_hangs_is_given_up_and_the_next_check_is_made() -> None:
    is_enough = threading.Event()

    def hang() -> Findings:
        is_enough.wait(30)
        return FINE

    first, second = found(Check("hung", 0.05, hang), Check("fine", 30, fine))
    is_enough.set()
    assert (first.name, first.outcome) == ("hung", "failed")
    assert first.text == "it took more than 0.05 s and was given up"
    assert second == FINE


def test_a_check_may_find_several_things_and_no_secret_is_in_any() -> None:
    both = found(Check("both", 30, lambda: [FINE, FINE]), secrets=("ody_secret_1",))
    assert [finding.text for finding in both] == ["the key is ..."] * 2


def test_whoever_watches_hears_of_each_check_before_it_is_made() -> None:
    heard: list[str] = []
    findings = findings_of([Check("a", 30, fine), Check("b", 30, fine)], tuple, heard.append)
    assert heard == []
    next(findings)
    assert heard == ["a"]
    assert len(list(findings)) == 1
    assert heard == ["a", "b"]


def test_a_system_without_threads_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise OdysseyConnectionError("no more threads", code="no_resources")

    monkeypatch.setattr(examination, "start", no_thread)
    (finding,) = found(Check("fine", 30, fine))
    assert (finding.outcome, finding.code) == ("failed", "no_resources")
