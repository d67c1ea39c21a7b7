"""The command ``odyssey-proto`` as an installed script runs it: for `preloaded`."""

from __future__ import annotations

import sys

import odyssey_proto.client
import odyssey_proto.emulator._server
from odyssey_proto.cli import _app, _demo_stream, _viewing, main

__all__: list[str] = []

# The modules that most calls need, loaded once for all calls.
_LOADED = (_app, _demo_stream, _viewing, odyssey_proto.client, odyssey_proto.emulator._server)

if __name__ == "__main__":
    sys.exit(main())
