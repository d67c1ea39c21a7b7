"""The command `python -m tools.codegen.docs`, which writes only `generated/docs`, after a change of diagrams."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools.codegen.docs.site import write_docs
from tools.codegen.outputs import replace
from tools.codegen.sources import read

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    """Run the command."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch, "docs")
        write_docs(_ROOT / "spec", read(_ROOT / "spec" / "schemas"), fresh)
        replace(_ROOT / "generated" / "docs", fresh)


if __name__ == "__main__":
    main()
