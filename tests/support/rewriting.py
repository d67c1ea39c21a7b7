"""Shares the rewriting of asserts between the workers of pytest-xdist.

All workers collect all tests in the same order and at the same time. In a fresh clone, each of them would rewrite
each file, which takes as long as the rest of the collection: a file that one worker caches comes too late for the
others.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["rewrite_share"]


def rewrite_share(config: pytest.Config, folder: Path) -> None:
    """Rewrite this worker's share of the test files, and cache it where pytest looks for it."""
    worker: dict[str, object] | None = getattr(config, "workerinput", None)
    if worker is None or sys.dont_write_bytecode:
        return
    try:
        from _pytest.assertion.rewrite import (
            PYC_TAIL,
            _read_pyc,
            _rewrite_test,
            _write_pyc,
            assertstate_key,
            get_cache_dir,
        )
    except ImportError:  # these names are private: if pytest changes them, collecting only takes longer
        return
    number, count = int(str(worker["workerid"]).removeprefix("gw")), int(str(worker["workercount"]))
    largest_first = sorted(folder.rglob("test_*.py"), key=lambda path: (-path.stat().st_size, path))
    for path in largest_first[number::count]:
        cached = get_cache_dir(path) / f"{path.stem}{PYC_TAIL}"
        if _read_pyc(path, cached) is None:
            with contextlib.suppress(OSError, SyntaxError, ValueError):  # the collection reports these errors
                status, code = _rewrite_test(path, config)
                cached.parent.mkdir(parents=True, exist_ok=True)
                _write_pyc(config.stash[assertstate_key], code, status, cached)
