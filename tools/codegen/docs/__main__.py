"""The command `python -m tools.codegen.docs`, which writes only `generated/docs`: enough if diagrams changed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.codegen.docs.site import write_docs
from tools.codegen.outputs import replace
from tools.codegen.sources import SpecError, read

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Run the command and return its exit status."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch, "docs")
        try:
            write_docs(_ROOT / "spec", read(_ROOT / "spec" / "schemas"), fresh)
        except SpecError as exc:
            print(exc, file=sys.stderr)
            return 1
        replace(_ROOT / "generated" / "docs", fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
