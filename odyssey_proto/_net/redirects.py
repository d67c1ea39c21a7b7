"""Redirects: whether an answer sends a request to another address, and whether the request may follow.

The rules are those of spec/behaviour.md#redirects. A request with a key, a bearer or a token stays on its origin
(scheme, host and port), with two exceptions: from http to https on the same host, both on their default ports;
and, if the token is in the address, an address that carries it too, because its sender knows the token.
No secret goes from https to http.
"""

from __future__ import annotations

import contextlib
import enum
import re
import string
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit, urlunsplit

from .._base.errors import OdysseyConnectionError
from .._base.limits import ADDRESS_MOST_CHARS, REDIRECTS_MOST
from .._base.secrets import Secret

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from ..core.refusals import HttpAnswer

__all__ = [
    "SHORTEST_SECRET",
    "Reach",
    "Route",
    "as_sent",
    "in_query",
    "is_same_origin",
    "resolved",
    "what_is_wrong_with",
]

SHORTEST_SECRET: Final = 8
"""The least length, in characters, of a secret that is searched for in the words of a server."""
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
# RFC 9110 lets clients turn these into GET, which would ask for something else.
_MADE_GET: Final = {301: ("POST",), 302: ("POST",), 303: ("POST", "DELETE")}
_PORTS: Final = {"http": 80, "https": 443}
# Letters of any script, and the other characters of names, IPv6 addresses and their zones.
_HOST: Final = re.compile(r"[\w.:%~-]{1,253}")
_SAFE: Final = string.punctuation  # whatever can travel stays unchanged; a signature may cover the spelling


class Reach(enum.Enum):
    """How far a redirect may lead a request."""

    ANYWHERE = enum.auto()
    """To any http or https address: it carries no secret."""
    SECURE = enum.auto()
    """Not from https to http: its address grants access."""
    ORIGIN = enum.auto()
    """Not to another origin: it carries a key, a bearer or a token."""


class Route:
    """The route of one request, from its own address through all redirects.

    Args:
        url: the http or https address of the request.
        method: its method.
        reach: how far it may be led.
        token: the token in the address, if there is one.
    """

    def __init__(self, url: str, method: str, reach: Reach, token: str = "") -> None:
        self.url: str = Secret(url)
        """The address to send the request to now."""
        self._method = method
        self._reach = reach
        self._token = token
        self._left = REDIRECTS_MOST

    def follow(self, answer: HttpAnswer) -> bool:
        """Go on to the address that ``answer`` names; return False if the answer is the final one.

        A redirect without a usable address is final, as is one that would write the key or a token into an address
        that had none: they are refusals like any other.

        Raises:
            OdysseyConnectionError: the redirect must not be followed, or there were too many.
        """
        target = resolved(self.url, answer.header("location")) if answer.status in _MOVED else None
        if target is None or (not self._token and any(secret in unquote(target) for secret in answer.secrets)):
            return False
        here, there = _origin(self.url), _origin(target)
        way = f"from {answer.line(here)} to {answer.line(there)}"
        path = answer.line(unquote(urlsplit(target).path))
        if urlsplit(target).scheme not in _PORTS:
            raise _refused(answer, "unsafe_redirect", f"{way}, which is not http or https")
        if self._method in _MADE_GET.get(answer.status, ()):
            would = f"{way}{path}, which would turn {self._method} into GET"
            raise _refused(answer, f"http_{answer.status}", f"{would}; nothing was sent there: check the address")
        if self._reach is not Reach.ANYWHERE and _is_downgrade(here, there):
            raise _refused(answer, "unsafe_redirect", f"{way}, which is not secure; nothing was sent there")
        if self._reach is Reach.ORIGIN and not (is_same_origin(self.url, target) or _carries(target, self._token)):
            raise _refused(
                answer,
                "foreign_redirect",
                f"{way}, which must not get the key or token of the request; if it may, use that address",
            )
        if self._left == 0:
            raise _refused(answer, "too_many_redirects", f"more than {REDIRECTS_MOST} times, at last {way}{path}")
        self._left -= 1
        self.url = Secret(target)
        return True


def as_sent(url: str) -> str:
    """Return the path and the query of ``url`` as the request line has them: as they were given, byte for byte.

    Libraries rewrite them (``%2f`` as ``%2F``, ``%7e`` as ``~``). Only characters that cannot travel are quoted
    here.

    >>> as_sent("https://x.example/a%2fb/../c?sig=%7e|+ä b#top")
    '/a%2fb/../c?sig=%7e|+%C3%A4%20b'
    """
    parts = urlsplit(url)
    return quote(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", safe=_SAFE)


def resolved(url: str, location: str) -> str | None:
    """Return the address that a ``Location`` from ``url`` names, or None if it names no usable one.

    The result has no fragment, and no user or password that ``url`` does not have.

    >>> resolved("https://here.example/a/b?c", "d"), resolved("https://here.example/", "https://[")
    ('https://here.example/a/d', None)
    """
    with contextlib.suppress(UnicodeError):
        location = location.encode("latin-1").decode()  # http.client reads headers as Latin-1
    if not location.strip() or not location.isprintable() or len(location) > ADDRESS_MOST_CHARS:
        return None
    try:
        parts = urlsplit(_joined(url, location.strip()))
        if parts.scheme in _PORTS and (not parts.hostname or parts.port == 0):
            return None
    except ValueError:
        return None
    is_here = parts.netloc == urlsplit(url).netloc
    target = urlunsplit(
        parts._replace(
            netloc=parts.netloc if is_here else parts.netloc.rpartition("@")[2],
            path=quote(parts.path, safe=_SAFE),
            query=quote(parts.query, safe=_SAFE),
            fragment="",
        )
    )
    with contextlib.suppress(ValueError):
        urlsplit(target)  # a path that begins with // may become an invalid host
        return target
    return None


def what_is_wrong_with(url: str) -> str | None:
    """Return why ``url`` cannot be the address of a request, without quoting it; None if it can.

    >>> what_is_wrong_with("file:///etc/passwd"), what_is_wrong_with("https://x.example/a")
    ('it is not http or https', None)
    """
    if len(url) > ADDRESS_MOST_CHARS:
        return f"it has more than {ADDRESS_MOST_CHARS} characters"
    if not url.isprintable():
        return "it has characters that no address has"
    try:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            return "it is not http or https"
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "its host or its port is not valid"
    if not _HOST.fullmatch(host) or port == 0 or "" in host.removesuffix(".").split("."):
        return "its host or its port is not valid"
    return None


def _joined(url: str, location: str) -> str:
    if location.startswith("/") and not location.startswith("//"):  # `urljoin` would remove dots and empty parts
        return urlsplit(url)._replace(path="", query="", fragment="").geturl() + location
    return urljoin(url, location)


def in_query(url: str) -> tuple[str, ...]:
    """Return the values in the query of ``url`` that are long enough to be signatures or tokens.

    >>> in_query("https://x.example/a?v=1&sig=abcdefgh")
    ('abcdefgh',)
    """
    found = parse_qsl(urlsplit(url).query.replace("+", "%2B"))
    return tuple(value for _, value in found if len(value) >= SHORTEST_SECRET)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def _is_downgrade(here: str, there: str) -> bool:
    return here.startswith("https:") and not there.startswith("https:")


def is_same_origin(here: str, there: str) -> bool:
    """Return whether two addresses have the same origin, or differ only by a step from http to https.

    For such a step, both must be on their default ports.

    >>> is_same_origin("http://here.example/a", "https://HERE.example:443/b")
    True
    """
    old, new = urlsplit(here), urlsplit(there)
    if old.hostname != new.hostname:
        return False
    if old.scheme == new.scheme:
        return _port(old) == _port(new)
    return (old.scheme, _port(old), _port(new)) == ("http", 80, 443)


def _carries(url: str, token: str) -> bool:
    """Return whether ``url`` has ``token`` as a value in its query, or as a segment of its path."""
    parts = urlsplit(url)
    values = [value for _, value in parse_qsl(parts.query.replace("+", "%2B"))]
    return bool(token) and token in (*values, *map(unquote, parts.path.split("/")))


def _refused(answer: HttpAnswer, code: str, where: str) -> OdysseyConnectionError:
    return OdysseyConnectionError(
        f"{answer.asked}: the service redirects ({answer.status}) {where}", code=code, **answer.known
    )
