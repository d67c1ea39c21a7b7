"""``python -m odyssey_proto.emulator``: the emulator's command without the rest of ``odyssey-proto``."""

from __future__ import annotations

import argparse
import sys

from .._base.errors import OdysseyError
from ._command import add_arguments, run

_parser = argparse.ArgumentParser(prog="python -m odyssey_proto.emulator", description="An emulator of Odyssey.")
add_arguments(_parser)
try:
    sys.exit(run(_parser.parse_args()))
except OdysseyError as _error:
    sys.exit(f"odyssey-proto: {_error}")
