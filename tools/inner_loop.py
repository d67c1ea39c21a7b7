"""The inner loop: the tests for every save. `python -m tools.inner_loop` prints them as arguments for pytest.

The loop leaves out tests that start processes, and those that only test the generators in `tools/`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["INNER_LOOP"]

_LEFT_OUT: Final = (
    "tests/unit/test_cli.py",
    *(
        f"tests/wire/test_{name}.py"
        for name in (
            *("cassettes_recording", "codegen", "codegen_rules", "docs"),
            *("documents", "manifest", "names", "spec_diff"),
        )
    ),
)

INNER_LOOP: Final = ("tests/unit", "tests/wire", *(f"--ignore={path}" for path in _LEFT_OUT))
"""Arguments for pytest."""

if __name__ == "__main__":
    print(*INNER_LOOP)
