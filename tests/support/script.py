"""Runs the script on its standard input as ``python -W error -`` would, in SCRIPT_FOLDER: for `preloaded`."""

from __future__ import annotations

import os
import sys
import warnings

import odyssey_proto.client
import odyssey_proto.emulator._server

__all__: list[str] = []

# The modules that most scripts need, loaded once for all scripts.
_LOADED = (odyssey_proto.client, odyssey_proto.emulator._server)

if __name__ == "__main__":
    os.chdir(os.environ.pop("SCRIPT_FOLDER"))
    warnings.simplefilter("error")
    exec(compile(sys.stdin.read(), "<script>", "exec"), {"__name__": "__main__"})
