"""This library as a command for ``odyssey-proto conformance``.

The first line of its input decides whether it answers vectors or plays a scenario.
"""

from __future__ import annotations

import json
import sys

from tests.support.clients import live_adapter, vectors_adapter

if __name__ == "__main__":
    first = json.loads(sys.stdin.readline())
    if "scenario" in first:
        live_adapter.play(first)
    else:
        vectors_adapter.serve(first)
