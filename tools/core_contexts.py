"""A pytest plug-in for coverage: it records which test of the core's own files ran each line.

It replaces pytest-cov's ``--cov-context=test``, which takes longer, because it does so for all tests.
Lines that run before the first test, at import, have no context; those of all other tests share one.

    python -m pytest -p tools.core_contexts --cov …
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coverage import Coverage

from tools.core_coverage import test_files

if TYPE_CHECKING:
    import pytest

__all__: list[str] = []

_OTHERS: Final = "other tests"
_FILES: Final = frozenset(test_files())


class _Contexts:
    """Switches the context from test to test. Each process has one."""

    def __init__(self) -> None:
        self._current = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Switch to the context of a test that is about to be set up."""
        context = nodeid if nodeid.partition("::")[0] in _FILES else _OTHERS
        measured = Coverage.current()
        if measured is not None and context != self._current:
            self._current = context
            measured.switch_context(context)


def pytest_configure(config: pytest.Config) -> None:
    """Take part in the run."""
    config.pluginmanager.register(_Contexts())
