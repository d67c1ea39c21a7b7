"""The command `python -m tools.cassettes [NAME…]`, which records the named cassettes again, or all.

With ``ODYSSEY_API_KEY``, it records as much as it can from the service (``ODYSSEY_API_URL``, or else the official
one). That films two streams of less than a second, and opens one session, which ends for lack of keepalives. The
rest, and everything without a key, comes from emulators; each file states its origin and the reason. Without
NAME, cassettes that have no scene are deleted from the folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .record import Service, record
from .scenes import SCENES
from .scrub import SERVICE
from .tape import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.cassettes", description="Record the cassettes again.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cassette to record (default: all)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where to write (default: tests/wire/cassettes)"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(SCENES):
        parser.error(f"there is no cassette {', '.join(sorted(unknown))}")
    api_key = os.environ.get("ODYSSEY_API_KEY")
    service = Service(os.environ.get("ODYSSEY_API_URL") or SERVICE, api_key) if api_key else None
    scenes = [SCENES[name] for name in options.names or SCENES]
    problems = record(scenes, options.folder, service)
    for problem in problems:
        print(f"not recorded: {problem}", file=sys.stderr)
    print(f"{len(scenes) - len(problems)} of {len(scenes)} cassettes are in {options.folder}")
    if not options.names:
        for left in sorted({path.stem for path in options.folder.glob("*.yaml")} - set(SCENES)):
            (options.folder / f"{left}.yaml").unlink()
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
