"""Runs the script on its standard input in the folder SCRIPT_FOLDER, for `preloaded`: as ``python -W error -`` would."""

from __future__ import annotations

import os
import sys
import warnings

__all__: list[str] = []

if __name__ == "__main__":
    os.chdir(os.environ.pop("SCRIPT_FOLDER"))
    warnings.simplefilter("error")
    exec(compile(sys.stdin.read(), "<script>", "exec"), {"__name__": "__main__"})
