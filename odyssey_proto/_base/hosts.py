"""Names and addresses of hosts; none is looked up here."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is this machine: localhost, 127.0.0.0/8 or ::1.

    >>> is_loopback("127.1.2.3"), is_loopback("localhost"), is_loopback("api.odyssey.ml")
    (True, True, False)
    """
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
