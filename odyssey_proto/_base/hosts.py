"""Names and addresses of hosts, and the origins of web pages; none is looked up here."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

__all__ = ["host_named", "is_loopback", "origin_named"]

_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_LONGEST: Final = 253  # characters of a DNS name
_WITH_PORT: Final = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::([0-9]{0,5}))?")
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\\]+)")
_USUAL_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


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


def host_named(text: str, *, port: bool = False) -> str | None:
    """Return the host ``text`` in one form for all its spellings; None if it is not a host.

    An IPv6 address must have brackets if a ``port`` may follow, and may have them otherwise; the result has none.

    >>> host_named("LocalHost."), host_named("[0:0::1]:80", port=True), host_named("[::ffff:127.0.0.1]")
    ('localhost', '::1', '127.0.0.1')
    >>> host_named("me@localhost"), host_named("localhost:x", port=True), host_named("::1", port=True)
    (None, None, None)
    """
    if port:
        found = _WITH_PORT.fullmatch(text)
        if found is None or int(found[2] or 0) > 65535:
            return None
        text = found[1]
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare:
        try:
            address = ipaddress.IPv6Address(bare)
        except ValueError:
            return None
        return str(address.ipv4_mapped or address) if address.scope_id is None else None
    name = bare.removesuffix(".").lower()
    if bare != text or not text.isascii() or len(name) > _LONGEST or not _NAME.fullmatch(name):
        return None
    return name


def origin_named(text: str) -> str | None:
    """Return the origin ``text`` of a page in one form for all its spellings; None if it is not an origin.

    >>> origin_named("HTTP://LocalHost:80"), origin_named("https://[::1]:8443"), origin_named("null")
    ('http://localhost', 'https://[::1]:8443', 'null')
    >>> origin_named("http://localhost@evil.example"), origin_named("http://localhost/"), origin_named("localhost")
    (None, None, None)
    """
    if text == "null":  # the Origin that a browser sends for a page without an address
        return text
    found = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if found is None:
        return None
    scheme, rest = found.groups()
    host = host_named(rest, port=True)
    if host is None:
        return None
    number = rest.rpartition("]")[2].partition(":")[2].lstrip("0")
    where = f"[{host}]" if ":" in host else host
    return f"{scheme}://{where}" + (f":{number}" if number and number != _USUAL_PORTS.get(scheme) else "")
