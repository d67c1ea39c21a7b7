"""The command `python -m tools.codegen`, which writes `generated/`; with `--check` it only reports differences."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tools.codegen.bundle import bundled
from tools.codegen.models import write_package
from tools.codegen.outputs import differences, replace
from tools.codegen.project import write_project
from tools.codegen.sources import SpecError, read
from tools.codegen.tables import read_tables

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.codegen", description="Generate generated/ from spec/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything differs")
    parser.add_argument("--spec", type=Path, default=_ROOT / "spec", help="folder to read (default: spec/)")
    parser.add_argument(
        "--output", type=Path, default=_ROOT / "generated", help="folder to write (default: generated/)"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        try:
            write(options.spec / "schemas", fresh)
        except SpecError as exc:
            print(exc, file=sys.stderr)
            return 1
        if not options.check:
            replace(options.output, fresh)
            return 0
        found = differences(options.output, fresh)
    print("\n".join(found) or "generated/ is up to date")
    return 1 if found else 0


def write(schemas: Path, folder: Path) -> None:
    """Write everything generated from the folder `schemas` into the empty folder `folder`."""
    files = read(schemas)
    tables = read_tables(schemas.parent / "asyncapi.yaml", files)
    write_package(files, tables, folder / "python" / "odyssey_models")
    write_project(folder / "python")
    (folder / "schema").mkdir()
    (folder / "schema" / "odyssey.schema.json").write_text(bundled(files), "utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
