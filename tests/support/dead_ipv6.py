"""A machine with broken IPv6: of the two addresses of `SERVICE`, the IPv6 one swallows packets.

It is one network namespace with its own hosts file; a script and its service both run in it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ADDRESS", "SERVICE", "missing", "within"]

SERVICE: Final = "service.example"
"""The name with both addresses."""
ADDRESS: Final = "10.77.0.2"
"""The address that works."""

_DEAD: Final = "2001:db8:9::9"
_UNSHARE: Final = ("unshare", "--map-root-user", "--net", "--mount")
# A neighbour that is known, but does not exist, swallows everything and reports nothing.
_SETUP: Final = f"""ip link set lo up && ip link add d0 type veth peer name d1 &&
ip link set d0 up && ip link set d1 up &&
ip -6 addr add 2001:db8:1::2/64 dev d0 nodad && ip -6 route add default via 2001:db8:1::1 dev d0 &&
ip -6 neigh add 2001:db8:1::1 lladdr 02:00:00:00:00:01 dev d0 && ip addr add {ADDRESS}/24 dev d0"""
_HOSTS: Final = f"127.0.0.1 localhost\n{_DEAD} {SERVICE}\n{ADDRESS} {SERVICE}\n"


def missing() -> str:
    """Return the prerequisites that the real machine lacks; empty if none."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return "needs Linux with unshare and ip"
    tried = subprocess.run([*_UNSHARE, "sh", "-c", _SETUP], capture_output=True, text=True, check=False)
    return f"no network namespace with IPv6: {tried.stderr.strip()}" if tried.returncode else ""


def within(folder: Path) -> list[str]:
    """Return the command that runs another one in the namespace; ``folder`` receives the hosts file."""
    hosts = folder / "hosts"
    hosts.write_text(_HOSTS, "utf-8")
    return [*_UNSHARE, "sh", "-c", f'{_SETUP} && mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
