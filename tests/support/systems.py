"""Marks for tests that need a part of the system that macOS or Windows lacks."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

__all__ = [
    "NEEDS_DEV_FD",
    "NEEDS_DEV_FULL",
    "NEEDS_FORK",
    "NEEDS_LIMITS",
    "NEEDS_PIPES",
    "NEEDS_PROC",
    "NEEDS_SIGNALS",
    "NEEDS_SYMLINKS",
]

NEEDS_DEV_FD: Final = pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
NEEDS_DEV_FULL: Final = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
NEEDS_FORK: Final = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
NEEDS_LIMITS: Final = pytest.mark.skipif(not importlib.util.find_spec("resource"), reason="needs process limits")
NEEDS_PIPES: Final = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
NEEDS_PROC: Final = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
NEEDS_SIGNALS: Final = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to threads")
# Windows has symbolic links, but lets few users make them.
NEEDS_SYMLINKS: Final = pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
