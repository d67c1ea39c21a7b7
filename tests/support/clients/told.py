"""A program that echoes its input, or prints its number, and ends with the status in its environment."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    said = sys.stdin.readline().strip()
    print("said", os.getpid() if said == "number" else said, flush=True)
    if (status := int(os.environ["STATUS"])) < 0:
        os.kill(os.getpid(), signal.Signals(-status))
    sys.exit(status)
