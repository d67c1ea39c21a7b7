"""A client and a service in separate networks, with a router between them that drops all UDP.

Three network namespaces, client – router – service: TCP between the two is forwarded, datagrams are
dropped and counted. A TURN server on the router is the only path for video.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
from typing import Final, Self

__all__ = ["Routed", "missing"]

_ROLES: Final = ("client", "router", "service")


@functools.cache
def missing() -> str:
    """Return the prerequisites that this machine lacks; empty if none."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    for command, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(command) is None:
            return f"needs {command} (apt-get install {package})"
    try:
        with Routed():
            return ""
    except subprocess.CalledProcessError as exc:
        return f"no network namespaces here: {exc.stderr.strip()}"


class Routed:
    """The networks, inside a ``with``."""

    client: Final = "10.77.1.2"
    """The client's address."""
    router: Final = "10.77.1.1"
    """The router's address on the client's side."""
    beyond: Final = "10.77.2.1"
    """The router's address on the service's side."""
    service: Final = "10.77.2.2"
    """The service's address."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            for role in _ROLES:
                _run("ip", "netns", "add", _name(role))
                undo.callback(_run, "ip", "netns", "delete", _name(role))
                self._ip(role, "link set lo up")
            for role, address, gateway in (
                ("client", self.client, self.router),
                ("service", self.service, self.beyond),
            ):
                self._ip("router", f"link add {role} type veth peer name eth0 netns {_name(role)}")
                for where, device, own in ((role, "eth0", address), ("router", role, gateway)):
                    self._ip(where, f"addr add {own}/24 dev {device}")
                    self._ip(where, f"link set {device} up")
                self._ip(role, f"route add default via {gateway}")
            _run(*self.within("router"), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            self._nft("add table inet wall")
            self._nft("add chain inet wall forward { type filter hook forward priority 0; policy accept; }")
            self._nft("add chain inet wall input { type filter hook input priority 0; policy accept; }")
            self._nft("add rule inet wall forward meta l4proto udp counter drop")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def within(self, role: str) -> list[str]:
        """Return the command prefix that runs a command as ``client``, ``router`` or ``service``."""
        return ["ip", "netns", "exec", _name(role)]

    def namespaces(self, role: str) -> list[str]:
        """Return the files of the namespaces of ``client``, ``router`` or ``service``."""
        return [f"/run/netns/{_name(role)}"]

    def close_to_udp(self) -> None:
        """Also drop the client's datagrams to the router itself, so that only TCP is left."""
        self._nft("add rule inet wall input iifname client meta l4proto udp counter drop")

    @property
    def dropped(self) -> int:
        """The number of dropped datagrams."""
        rules = self._nft("list table inet wall")
        return sum(int(count) for count in re.findall(r"counter packets (\d+)", rules))

    def _ip(self, role: str, command: str) -> None:
        _run("ip", "-n", _name(role), *command.split())

    def _nft(self, command: str) -> str:
        return _run(*self.within("router"), "nft", command)


def _name(role: str) -> str:
    return f"odyssey-{os.getpid()}-{role}"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
