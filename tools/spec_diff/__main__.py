"""The command `python -m tools.spec_diff REF [REF]`: the changes of `spec/`, and whom they break.

It compares the work tree, or the second ref, with the first. The exit status is 1 if a change breaks somebody, and
2 if there is no spec at a ref.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tools import yaml_text
from tools.spec_diff.changes import READERS, WRITERS, Breaks
from tools.spec_diff.envelopes import between_calls, between_messages
from tools.spec_diff.schemas import between_definitions

if TYPE_CHECKING:
    from tools.spec_diff.changes import Change
    from tools.spec_diff.schemas import Definitions

__all__ = ["Spec", "changes", "main"]

_ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen
class Spec:
    """One version of the spec."""

    definitions: Definitions
    openapi: dict[str, Any]
    asyncapi: dict[str, Any]
    version: str
    """What `VERSION` states; empty if there was no such file yet."""

    @classmethod
    def of(cls, texts: dict[str, str]) -> Spec:
        """Read a spec from its files, by their paths below `spec/`."""
        files = {path: yaml_text.parsed(text) for path, text in texts.items() if path.endswith(".yaml")}
        schemas = [document for path, document in sorted(files.items()) if path.startswith("schemas/")]
        return cls(
            definitions={name: schema for document in schemas for name, schema in document["$defs"].items()},
            openapi=files.get("openapi.yaml", {}),
            asyncapi=files.get("asyncapi.yaml", {}),
            version=texts.get("VERSION", "").strip(),
        )


def changes(old: Spec, new: Spec) -> list[Change]:
    """Return every change from `old` to `new`: those that break somebody first."""
    found = [
        *between_definitions(old.definitions, new.definitions),
        *between_calls(old.openapi, new.openapi, old.definitions, new.definitions),
        *between_messages(old.asyncapi, new.asyncapi),
    ]
    return sorted(dict.fromkeys(found), key=lambda change: (-change.breaks.value, change))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.spec_diff", description="What changed in spec/, and whom it breaks."
    )
    parser.add_argument("old", metavar="REF", help="the git ref to compare with")
    parser.add_argument("new", metavar="REF", nargs="?", help="the ref to compare (default: the work tree)")
    parser.add_argument("--repository", type=Path, default=_ROOT, help="where to look (default: this repository)")
    options = parser.parse_args(arguments)
    try:
        old = Spec.of(_at(options.repository, options.old))
        new = Spec.of(_at(options.repository, options.new) if options.new else _in(options.repository / "spec"))
    except LookupError as exc:
        print(exc, file=sys.stderr)
        return 2
    found = changes(old, new)
    for change in found:
        print(change)
    readers, writers = (sum(bool(change.breaks & side) for change in found) for side in (READERS, WRITERS))
    compatible = sum(change.breaks is Breaks.NOBODY for change in found)
    print(f"changes: {len(found)}; breaking readers: {readers}; breaking writers: {writers};", end=" ")
    print(f"compatible: {compatible}")
    print(f"version: {old.version or 'none'}, now {new.version or 'none'}")
    return int(bool(readers or writers))


def _in(folder: Path) -> dict[str, str]:
    """Return the texts of a spec in a folder, by their paths there, without the vectors."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "vectors" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}


def _at(repository: Path, ref: str) -> dict[str, str]:
    """Return the texts of the spec at a git ref, without the vectors. Raises `LookupError` if there is none."""
    command = ["git", "-C", str(repository), "archive", "--format=tar", "--end-of-options", ref, "spec"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise LookupError(f"no spec at {ref}: {done.stderr.decode(errors='replace').strip()}")
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            if (file := archive.extractfile(member)) is not None and "/vectors/" not in member.name:
                texts[member.name.removeprefix("spec/")] = file.read().decode()
    return texts


if __name__ == "__main__":
    sys.exit(main())
