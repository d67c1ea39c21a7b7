"""The tree of exceptions: their bases and their attributes."""

from __future__ import annotations

import errno
import json
import pickle
from unittest import mock

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors


@pytest.mark.parametrize(
    ("cls", "also"),
    [
        (errors.OdysseyConfigError, ValueError),
        (errors.OdysseyConnectionError, ConnectionError),
        (errors.OdysseyConnectionTimeoutError, TimeoutError),
        (errors.OdysseyStreamTimeoutError, TimeoutError),
        (errors.OdysseyStreamTimeoutError, errors.OdysseyStreamError),
        (errors.OdysseyConnectionTimeoutError, errors.OdysseyConnectionError),
        (errors.MalformedMessageError, errors.OdysseyConnectionError),
        (errors.MissingExtraError, ImportError),
        (errors.RateLimitError, errors.OdysseyUsageError),
        (errors.OdysseyUnauthorizedError, errors.OdysseyAuthError),
        (errors.OdysseyUnauthorizedError, ValueError),
        (errors.SpectatorTokenError, ValueError),
        (errors.OdysseyNotFoundError, ValueError),
        (errors.NotCancellableError, ValueError),
        (errors.OdysseyRequestError, ConnectionError),
        (errors.SimulationFailedError, errors.OdysseyError),
    ],
)
def test_each_is_caught_under_the_root_and_under_the_usual_name(
    cls: type[Exception], also: type[Exception]
) -> None:
    assert issubclass(cls, errors.OdysseyError)
    assert issubclass(cls, also)


def test_the_text_is_one_plain_line() -> None:
    assert str(errors.OdysseyConnectionTimeoutError("too late", code="timeout")) == "too late"


def test_what_is_known_is_kept() -> None:
    error = errors.OdysseyError(
        "m", code="c", status=503, request_id="r", session_id="s", operation="o", recoverable=True, retry_after=2.5
    )
    assert (error.message, error.code, error.status, error.request_id) == ("m", "c", 503, "r")
    assert (error.session_id, error.operation, error.recoverable, error.retry_after) == ("s", "o", True, 2.5)


@pytest.mark.parametrize(
    "error",
    [
        errors.OdysseyConnectionTimeoutError("late", code="timeout", status=504),
        errors.MalformedMessageError("bad", problems=("a", "b")),
        errors.usage_error("RATE_LIMITED", "slow", details={"retry_after_seconds": 3}, action="wait"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: errors.OdysseyError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("code", "cls", "recoverable"),
    [
        ("MONTHLY_LIMIT_REACHED", errors.MonthlyLimitReachedError, False),
        ("CONCURRENT_LIMIT_REACHED", errors.ConcurrentLimitReachedError, True),
        ("CONCURRENT_LIMIT_EXCEEDED", errors.ConcurrentLimitReachedError, True),
        ("STREAM_DURATION_EXCEEDED", errors.StreamDurationExceededError, True),
        ("ACCOUNT_SUSPENDED", errors.AccountSuspendedError, False),
        ("RATE_LIMITED", errors.RateLimitError, True),
        ("SOMETHING_NEW", errors.OdysseyUsageError, False),
    ],
)
def test_a_usage_code_means_its_exception(
    code: str, cls: type[errors.OdysseyUsageError], recoverable: bool
) -> None:
    error = errors.usage_error(code, "text", action="act", action_url="https://x.example", details={"limit": 1})
    assert type(error) is cls
    assert (error.code, error.recoverable, error.action, error.action_url) == (
        code,
        recoverable,
        "act",
        "https://x.example",
    )
    assert error.details == {"limit": 1}


@pytest.mark.parametrize(
    ("details", "told", "expected"),
    [
        ({"retry_after_seconds": 7}, None, 7.0),
        ({"retry_after_seconds": 7}, 2.0, 2.0),
        ({"retry_after_seconds": "x"}, None, None),
        ({"retry_after_seconds": True}, None, None),
        ({"retry_after_seconds": -1}, None, None),
        ({"retry_after_seconds": 1e300}, None, 86400.0),
        (None, None, None),
    ],
)
def test_the_wait_comes_from_the_caller_or_else_from_the_details(
    details: dict[str, object] | None, told: float | None, expected: float | None
) -> None:
    assert errors.usage_error("RATE_LIMITED", "slow", details=details, retry_after=told).retry_after == expected


@pytest.mark.parametrize(("text", "line"), [("You met\n  a limit", "You met a limit"), (" ", "RATE_LIMITED")])
def test_the_text_of_a_usage_error_is_one_line_whatever_the_service_sends(text: str, line: str) -> None:
    assert str(errors.usage_error("RATE_LIMITED", text)) == line


def test_a_fault_of_the_library_is_reported_by_its_type_only() -> None:
    error = errors.internal(ZeroDivisionError("SECRET"))
    assert (error.code, "ZeroDivisionError" in str(error), "SECRET" in str(error)) == ("internal", True, False)


def test_a_failure_of_a_mock_of_the_network_is_reported_with_its_message() -> None:
    with pytest.raises(RuntimeError) as caught:
        mock.Mock(side_effect=RuntimeError("no network\nin tests"))()
    error = errors.internal(caught.value)
    assert (error.code, error.recoverable) == ("internal", False)
    assert str(error) == (
        "unittest, which this program or its tests put in place of a part of Python or of requests, raised "
        "RuntimeError: no network in tests"
    )


def test_a_system_without_threads_may_have_some_later() -> None:
    for error in (None, RuntimeError("can't start new thread"), OSError(24, "Too many open files")):
        assert (errors.no_resources(error).code, errors.no_resources(error).recoverable) == ("no_resources", True)


def test_an_interpreter_that_shuts_down_has_no_threads_any_more() -> None:
    error = errors.no_resources(RuntimeError("can't create new thread at interpreter shutdown"))
    assert (error.code, error.recoverable) == ("shutting_down", False)


def test_an_error_that_is_raised_again_is_another_one_with_the_same_cause() -> None:
    first = errors.OdysseyStreamError("m", code="c", session_id="s")
    first.__cause__ = ValueError("why")
    again = errors.again(first)
    assert again is not first
    assert (type(again), str(again), vars(again), again.__cause__) == (
        type(first),
        "m",
        vars(first),
        first.__cause__,
    )


def test_an_error_that_is_raised_again_may_say_more() -> None:
    first = errors.OdysseyConnectionError("no WebRTC", code="refused")
    again = errors.again(first, "no HLS", "nothing")
    assert (str(again), again.message, again.code) == ("no WebRTC; no HLS; nothing",) * 2 + ("refused",)
    assert str(first) == first.message == "no WebRTC"


def test_an_error_as_another_kind_keeps_what_is_known() -> None:
    first = errors.OdysseyAuthError("m", code="c", status=401, operation="o")
    other = errors.as_kind(errors.OdysseyUnauthorizedError, first)
    assert (type(other), str(other), vars(other)) == (errors.OdysseyUnauthorizedError, "m", vars(first))


def test_an_error_that_is_not_ours_is_raised_again_as_it_is() -> None:
    assert str(errors.again(ValueError("why"), "more")) == "why"


def test_a_failed_simulation_is_json_without_the_addresses_of_its_job() -> None:
    address = "https://files.example.org/video.mp4?sig=4711"
    stream = wire.SimulationStream(stream_id="s-1", video_url=address)
    status = wire.SimulationJobStatus.FAILED
    job = wire.SimulationJobDetail(job_id="j-1", status=status, priority="", created_at="", streams=[stream])
    error = errors.SimulationFailedError("it failed", job=job, failed_scripts=(0, 2), code="simulation_failed")
    data = error.to_dict()
    assert (data["job_id"], data["failed_scripts"], data["code"]) == ("j-1", [0, 2], "simulation_failed")
    assert address not in json.dumps(data)
    assert errors.SimulationFailedError("it failed").to_dict()["job_id"] is None


def test_a_fault_for_want_of_a_descriptor_is_a_shortage() -> None:
    assert errors.internal(OSError(errno.EMFILE, "Too many open files")).code == "no_resources"


def test_a_sub_interpreter_may_start_no_threads() -> None:
    error = errors.no_resources(RuntimeError("thread is not supported for isolated subinterpreters"))
    assert (error.code, error.recoverable) == ("no_threads", False)
