"""The proxies that the environment names, and the system's own on Windows and macOS.

This module connects to none of them.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import sys
import urllib.request
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import attrs
import requests.utils

from .._base import process_end
from .._base.environment import cleaned
from .._base.hosts import is_loopback
from .failures import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

__all__ = ["Proxy", "proxy_for"]

_PORTS: Final = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


@attrs.frozen
class Proxy:
    """A proxy."""

    scheme: str
    host: str
    port: int
    source: str
    """The variable that names it, or a phrase for another setting."""
    userinfo: str = attrs.field(default="", repr=False)
    """The user and the password, escaped, in the form that they have in an address; empty if there are none."""

    @classmethod
    def of(cls, text: str, source: str) -> Proxy:
        """Parse the address of a proxy; an address without a scheme is that of an http proxy.

        Raises:
            SettingError: the address cannot be used.
        """
        parts = _split(text if "://" in text else f"http://{text}")
        if parts is None:
            raise SettingError(
                f"{source} must be like http://host:3128 or http://user:password@host:3128, with special "
                "characters in the password escaped, such as @ as %40",
                "proxy",
            )
        scheme = "socks5h" if parts.scheme == "socks" else parts.scheme  # as the settings of desktops write it
        if scheme not in _PORTS:
            raise SettingError(f"{source} names an unknown kind of proxy: use http:// or socks5h://", "proxy")
        user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
        userinfo = f"{_escaped(user)}:{_escaped(password)}" if user or colon else ""
        return cls(scheme, parts.hostname or "", parts.port or _PORTS[scheme], source, userinfo)

    @property
    def name(self) -> str:
        """Its host and port, for use in texts."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"{self.scheme}://{self.userinfo}{'@' if self.userinfo else ''}{self.name}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that it requires: the user and the password, in UTF-8 unless other bytes are escaped."""
        if not self.userinfo:
            return {}
        return {"Proxy-Authorization": f"Basic {base64.b64encode(unquote_to_bytes(self.userinfo)).decode()}"}


def _split(url: str) -> SplitResult | None:
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    # An unescaped # or / in a password ends the part of the address that the password belongs to.
    return parts if usable and "@" not in f"{parts.path}{parts.query}{parts.fragment}" else None


def _escaped(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="")


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for an http(s) address, or None if there is none; this machine is always reached directly.

    Raises:
        SettingError: the environment names a proxy that cannot be used.
    """
    host = urlsplit(url).hostname or ""
    if is_loopback(host) or _is_excepted(host):
        return None
    known = _environment_alone(host) if sys.platform == "darwin" and _is_forked else _asked(url)
    scheme = urlsplit(url).scheme
    text = known.get(scheme) or known.get("all") or ""
    if not cleaned(text):
        return None
    return Proxy.of(cleaned(text), _source(scheme, text))


def _is_excepted(host: str) -> bool:
    """Return whether ``NO_PROXY`` names a host in a form that other programs know, but requests does not.

    These are ``*.example.org``, a list with blanks in place of commas, ``[2001:db8::1]`` and ``2001:db8::/32``.
    """
    value = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for entry in value.replace(",", " ").lower().split():
        if entry.startswith("*.") and host.endswith(entry[1:]):
            return True
        if entry in (host, f"[{host}]") or (entry.startswith(".") and host.endswith(entry)):
            return True
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                return True
    return False


def _asked(url: str) -> Mapping[str, str]:
    return requests.utils.get_environ_proxies(url)


def _environment_alone(host: str) -> Mapping[str, str]:
    """Return what the variables say; asking macOS for its own settings kills a forked child (gh-105912)."""
    bypassed = urllib.request.proxy_bypass_environment(host)  # type: ignore[attr-defined]  # typeshed lacks it
    return {} if bypassed else urllib.request.getproxies_environment()


def _source(scheme: str, text: str) -> str:
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if os.environ.get(name) == text:
            return name
    return "the proxy setting of the system"


_is_forked = False


@process_end.after_fork_in_child
def _remember_fork() -> None:
    global _is_forked
    _is_forked = True
