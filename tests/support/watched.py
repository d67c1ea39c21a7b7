"""``python tests/support/watched.py REPORT SETTINGS``: an emulator whose own process checks its traffic.

The settings are JSON. Violations of ``spec/`` are written to REPORT as they happen, because the process may be
killed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from odyssey_proto.conformance._contract import Contract
from odyssey_proto.emulator._server import Emulator
from odyssey_proto.emulator._traffic import watching

if TYPE_CHECKING:
    from odyssey_proto._model.traffic import Seen


def load() -> None:
    """Load the modules that an emulator needs for a connection, without starting a thread."""
    for name in ("aiohttp.web", "aiortc", "av", "odyssey_proto.emulator"):
        importlib.import_module(name)
    Contract(("odyssey-proto/",))


def main() -> None:
    """Run the emulator."""
    report, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    rules = Contract(("odyssey-proto/",))  # now, because reading the documents later would hold up the emulator

    def write(seen: Seen) -> None:
        for found in rules.violations(seen):
            with report.open("a", encoding="utf-8") as lines:
                lines.write(f"{found.with_value()}\n")

    with watching(write), Emulator(**settings) as emulator:
        print(json.dumps({"api_url": emulator.api_url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
