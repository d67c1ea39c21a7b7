"""A network namespace whose only interface is ``lo``."""

from __future__ import annotations

import shutil
import subprocess
import sys

__all__ = ["LO_UP", "UNSHARE", "missing"]


UNSHARE = ("unshare", "--map-root-user", "--net")


LO_UP = "ip link set lo up && "


def missing() -> str:
    """Return the prerequisites that this machine lacks for a network namespace."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return "needs Linux with unshare and ip"
    tried = subprocess.run([*UNSHARE, "sh", "-c", f"{LO_UP}true"], capture_output=True, text=True, check=False)
    return f"no network namespace: {tried.stderr.strip()}" if tried.returncode else ""
