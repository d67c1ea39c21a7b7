"""A program that echoes a line of its input and exits with STATUS from its environment (negative: by that signal).

If the line is ``number``, it prints its process ID instead. With arguments, it prints these and its working
directory, and then waits for an interrupt.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.argv[1:]:
        try:
            print(*sys.argv[1:], Path.cwd(), flush=True)
            signal.pause()
        except KeyboardInterrupt:
            sys.exit(7)
    said = sys.stdin.readline().strip()
    print("said", os.getpid() if said == "number" else said, flush=True)
    if (status := int(os.environ["STATUS"])) < 0:
        os.kill(os.getpid(), signal.Signals(-status))
    sys.exit(status)
