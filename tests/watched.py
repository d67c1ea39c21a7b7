"""``python tests/watched.py REPORT ARGUMENT …``: the command ``odyssey-proto``, with a witness in its process.

Whatever its emulator, or our client, does against ``spec/`` is written to REPORT as it happens: the process may be
killed.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from odyssey_proto.emulator.traffic import watching
from tests.contract import contract

if TYPE_CHECKING:
    from odyssey_proto.emulator.traffic import Seen


def main() -> None:
    """Run the command."""
    report = Path(sys.argv.pop(1))
    rules = contract()  # now: reading the documents would hold up the emulator

    def write(seen: Seen) -> None:
        for objection in rules.violations(seen):
            with report.open("a", encoding="utf-8") as lines:
                lines.write(f"{objection}\n")

    with watching(write):
        runpy.run_module("odyssey_proto", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
