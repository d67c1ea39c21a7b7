"""Checks that each module of the core is covered fully, with every branch, by the test file of its name.

    python -m tools.core_coverage --tests    # prints those files
    python -m tools.core_coverage            # reads the .coverage of a run of them

That run records which of these files ran each line (`tools.core_contexts`), and may include other tests. Lines
run when the module is imported count for every file, because no test can avoid them.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MODULES", "lacking", "main", "test_file", "test_files"]

_ROOT: Final = Path(__file__).resolve().parents[1]

MODULES: Final = (
    *("_base/errors", "_base/secrets", "_base/clock"),
    *("_model/config", "_model/events", "_model/codec", "_model/reading"),
    *("core/session_link", "core/effects", "core/inputs", "core/machine", "core/pending_calls", "core/protocol"),
    *("core/link_quality", "core/link_watch"),
    *("core/queueing", "core/session_machine", "core/silence", "core/refusals", "core/spectator_machine"),
    *("core/session_base", "core/session_errors", "core/stream_base", "core/stream_errors", "core/stream_machine"),
    *("core/gaps", "core/spare", "core/signs_of_life", "core/spectator_errors", "core/unread"),
    *("_video/frame", "_video/images"),
    *("_live/event_hub", "_live/dispatcher"),
)
"""The modules that make decisions, and those on which all others rely; below ``odyssey_proto``."""
_OF_ALL: Final = "tests/unit/test_values.py"
"""The tests of properties that values of every module share: JSON, copies and pickles. They count for each
module."""


def test_file(module: str) -> str:
    """Return the path of the test file of a module."""
    folder, _, name = module.rpartition("/")
    return f"tests/unit/{folder}/test_{name}.py"


def test_files() -> list[str]:
    """Return the paths of all test files that count."""
    return [*map(test_file, MODULES), _OF_ALL]


def lacking(coverage: Coverage, modules: Iterable[str] = MODULES) -> dict[str, str]:
    """Return the report of each module that its own tests do not cover fully, by its name."""
    found = {}
    for module in modules:
        report = io.StringIO()
        percent = coverage.report(
            include=[str(_ROOT / "odyssey_proto" / f"{module}.py")],
            contexts=["^$", f"^{test_file(module)}::", f"^{_OF_ALL}::"],
            show_missing=True,
            file=report,
        )
        if percent < 100:
            found[module] = report.getvalue()
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.core_coverage", description="Look at the core's coverage."
    )
    parser.add_argument("--tests", action="store_true", help="print the test files and do nothing else")
    if parser.parse_args(arguments).tests:
        print(*test_files())
        return 0
    coverage = Coverage(config_file=str(_ROOT / "pyproject.toml"))
    coverage.load()
    found = lacking(coverage)
    for module, report in found.items():
        print(f"{test_file(module)} does not cover {module} wholly:\n{report}", file=sys.stderr)
    if not found:
        print(f"{len(MODULES)} modules are covered wholly by their own tests")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
