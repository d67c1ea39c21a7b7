"""The command `python -m tools.codegen`, which writes `generated/`; with `--check` it only reports differences."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tools.codegen.asyncapi import asyncapi_document
from tools.codegen.bundle import bundled
from tools.codegen.docs.site import write_docs
from tools.codegen.documents import as_json, as_yaml, read_envelope, write_text
from tools.codegen.models import write_package
from tools.codegen.openapi import openapi_documents
from tools.codegen.outputs import differences, replace
from tools.codegen.project import write_project
from tools.codegen.sources import SpecError, read
from tools.codegen.tables import read_tables
from tools.codegen.typescript import write_package as write_npm_package

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
            write(options.spec, fresh)
        except SpecError as exc:
            print(exc, file=sys.stderr)
            return 1
        if not options.check:
            replace(options.output, fresh)
            return 0
        found = differences(options.output, fresh)
    print("\n".join(found) or "generated/ is up to date")
    return 1 if found else 0


def write(spec: Path, folder: Path) -> None:
    """Write everything generated from the folder `spec` into the empty folder `folder`."""
    files = read(spec / "schemas")
    openapi, asyncapi = read_envelope(spec / "openapi.yaml"), read_envelope(spec / "asyncapi.yaml")
    write_package(files, read_tables(spec / "asyncapi.yaml", files), folder / "python" / "odyssey_models")
    write_project(folder / "python")
    write_text(
        folder / "schema" / "odyssey.schema.json", bundled(files, (spec / "VERSION").read_text("utf-8").strip())
    )
    for name, document in openapi_documents(files, openapi, asyncapi).items():
        write_text(folder / "openapi" / f"{name}.openapi.yaml", as_yaml(document))
        write_text(folder / "openapi" / f"{name}.openapi.json", as_json(document))
    live = asyncapi_document(files, openapi, asyncapi)
    write_text(folder / "asyncapi" / "odyssey.asyncapi.yaml", as_yaml(live))
    write_npm_package(files, openapi, asyncapi, folder / "typescript")
    write_docs(spec, files, folder / "docs")


if __name__ == "__main__":
    sys.exit(main())
