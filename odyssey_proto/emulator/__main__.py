"""``python -m odyssey_proto.emulator``: the emulator's command without the rest of ``odyssey-proto``."""

from __future__ import annotations

import sys

from .._base.errors import OdysseyError
from ._command import main

try:
    sys.exit(main(sys.argv[1:], "python -m odyssey_proto.emulator"))
except OdysseyError as _error:
    sys.exit(f"odyssey-proto: {_error}")
