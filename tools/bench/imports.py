"""The cost of importing the packages, compared with importing their dependencies, in fresh interpreters.

The help of the command, which is shown after every typo, is compared with an interpreter that does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial

from tools.bench.figures import Figure, Target, in_turns

__all__ = ["run"]

_PAIRS = (
    ("from odyssey_proto import Odyssey", "import requests, attrs, cattrs", Target(1.3)),
    ("from odyssey_proto.core import Protocol", "import attrs, odyssey_models", None),
    ("import odyssey_models", "import attrs", Target(2)),
    ("from odyssey_models import *", "import attrs", Target(2)),
)


_HELPS = (("-m", "odyssey_proto", "--help"), ("-m", "odyssey_proto", "emulator", "--help"))
_BARE = ("-c", "pass")


def run(*, short: bool) -> list[Figure]:
    """Measure the two packages and the command."""
    rounds = 2 if short else 25
    figures = []
    for ours, theirs, target in _PAIRS:
        for statement in (ours, theirs):
            _seconds(statement)  # writes missing bytecode first
        values = in_turns(partial(_seconds, ours), partial(_seconds, theirs), rounds)
        figures.append(
            Figure(
                name=ours,
                reference=theirs,
                unit="ms",
                ours=values[0] * 1000,
                theirs=values[1] * 1000,
                target=target,
            )
        )
    for arguments in _HELPS:
        _process_seconds(arguments)
        values = in_turns(partial(_process_seconds, arguments), partial(_process_seconds, _BARE), rounds)
        figures.append(
            Figure(
                name=" ".join(("odyssey-proto", *arguments[2:])),
                reference="python -c pass",
                unit="ms",
                ours=values[0] * 1000,
                theirs=values[1] * 1000,
            )
        )
    return figures


def _process_seconds(arguments: tuple[str, ...]) -> float:
    """Return the time that a whole Python process takes, in s."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True, env=_environment())
    return time.perf_counter() - began


def _seconds(statement: str) -> float:
    code = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, capture_output=True, check=True, env=_environment()).stdout)


def _environment() -> dict[str, str]:
    # pip compiles installed packages; without this, ours would be compiled at every import.
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
