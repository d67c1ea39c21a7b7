"""The cost of importing the packages, compared with importing their dependencies, in fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from tools.bench.figures import Figure, Target, in_turns

__all__ = ["run"]

_PAIRS = (
    ("from odyssey_proto import Odyssey", "import requests, attrs, cattrs", Target(1.3)),
    ("from odyssey_proto.core import Protocol", "import attrs, odyssey_models", None),
    ("import odyssey_models", "import attrs", Target(2)),
    ("from odyssey_models import *", "import attrs", Target(2)),
)


def run(*, short: bool) -> list[Figure]:
    """Measure the two packages."""
    figures = []
    for ours, theirs, target in _PAIRS:
        for statement in (ours, theirs):
            _seconds(statement)  # writes missing bytecode first
        values = in_turns(partial(_seconds, ours), partial(_seconds, theirs), 2 if short else 25)
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
    return figures


def _seconds(statement: str) -> float:
    code = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    # pip compiles installed packages; without this, ours would be compiled at import.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
