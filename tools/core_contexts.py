"""A pytest plug-in for coverage: it measures some of the tests, and records which of their files ran each line.

Measuring makes Python code take half as long again, so only the tests in `MEASURED` are measured: those with
processes, networks and browsers run the same lines. The plug-in replaces pytest-cov's ``--cov-context=test``,
which takes longer, because each test has a context there. Here, the tests in each of the core's own test files
share one, and so do all other tests. Lines that run before the first test, at import, have no context.

    python -m pytest -p tools.core_contexts --cov …
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coverage import Coverage

from tools.core_coverage import test_files

if TYPE_CHECKING:
    import pytest

__all__ = ["ELSEWHERE", "MEASURED"]

MEASURED: Final = (
    *("tests/unit/", "tests/emulator/", "tests/faults/", "tests/conformance/test_scorecards.py"),
    *(f"tests/wire/test_{name}.py" for name in ("cassettes", "components", "converter", "tables", "vectors")),
    *(
        f"tests/live/test_{name}.py"
        for name in (
            *("conformance_service", "connect", "demo", "logging", "peer", "rest_calls", "rest_emulator"),
            *("reconnect", "record", "spectator", "spectator_hls", "stream"),
            *("cassettes", "command_capture", "command_doctor", "command_jobs", "command_stream"),
            *("own_worlds", "prepared_links"),
        )
    ),
    *(
        f"tests/machine/test_{name}.py"
        for name in (
            "certificate_settings",
            "downloads_from_odd_stores",
            "hls_hiccups",
            "png_metadata",
            "socks_proxies",
        )
    ),
)
"""The tests that are measured."""
ELSEWHERE: Final = (
    *(f"tests/emulator/test_{name}.py" for name in ("browser", "contract")),
    *(f"tests/faults/test_{name}.py" for name in ("bounds", "signals", "stress", "turn", "wrong_moment")),
    "tests/unit/_net/webrtc/test_jitter.py::test_never_much_less_can_be_shown_than_with_aiortcs_buffer",
    "tests/unit/_video/test_playout.py::test_repaired_losses_are_hardly_seen_any_more",
    *(
        f"tests/unit/_net/webrtc/test_recovery.py::test_{name}"
        for name in (
            "whatever_is_lost_hardly_a_frame_is",
            "packets_that_only_overtake_each_other_are_hardly_requested",
            "a_sender_that_is_too_fast_for_the_link_at_first_is_seen_after_a_second",
            "a_sender_that_stays_too_fast_is_asked_for_no_more_than_can_come",
            "a_link_that_is_full_is_not_filled_with_requests",
            "over_links_of_any_kind_no_picture_is_ever_corrupt_and_video_resumes",
        )
    ),
)
"""The exceptions, which are not measured: most of their work happens in other processes, or a thousand times."""

_OTHERS: Final = "other tests"
_FILES: Final = frozenset(test_files())


class _Contexts:
    """Switches measuring on and off, and changes the context, before each test. Each process has one of these."""

    def __init__(self, *, runs_tests: bool) -> None:
        self._runs_tests = runs_tests
        self._context = ""
        self._coverage: Coverage | None = None
        self._measures = True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Switch for a test that is about to be set up."""
        if self._coverage is None:
            self._coverage = _alone()
            if self._coverage is None:
                return
        measures = self._runs_tests and nodeid.startswith(MEASURED) and not nodeid.startswith(ELSEWHERE)
        if measures != self._measures:
            self._measures = measures
            (self._coverage.start if measures else self._coverage.stop)()
        file, separator, _ = nodeid.partition("::")
        context = file + separator if file in _FILES else _OTHERS
        if measures and context != self._context:
            self._context = context
            self._coverage.switch_context(context)


def _alone() -> Coverage | None:
    """Return the one measurement that is saved, and end all others; None if nothing is measured.

    In a worker, pytest-cov starts two, and only saves the later one. The earlier one would go on whenever the
    later one is stopped.
    """
    current = Coverage.current()
    if current is None:
        return None
    # A restart would search all modules, for a warning about those that it has measured before.
    current._warn_preimported_source = False
    while (running := Coverage.current()) is not None:
        running.stop()
    current.start()
    return current


def pytest_configure(config: pytest.Config) -> None:
    """Take part in the run, both in processes that run tests and in the one in which xdist collects reports."""
    runs_tests = config.getoption("dist", "no") == "no" or hasattr(config, "workerinput")
    config.pluginmanager.register(_Contexts(runs_tests=runs_tests))
