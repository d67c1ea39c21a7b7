"""Replacements for HTTP in a program's own tests: vcrpy, requests-mock, responses, `unittest.mock`.

They replace parts of requests and urllib3 for which this library has its own. Requests that bypassed them would
leave the machine in a test that is meant to stay offline, so stand-ins are looked for, and used. They have neither
our deadlines nor our aborts. Wrappers that keep the name of the wrapped part, such as those of tracing, are not
stand-ins.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any, Final

import requests
import urllib3
import urllib3.connection

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["connection_class", "readable", "session_send", "unreplaced"]

_CONNECTIONS: Final = "urllib3.connection"
_SESSIONS: Final = "requests.sessions"
_CACHE: Final = "requests_cache"  # not a stand-in: with cached answers, no job would ever end


def unreplaced(kind: Any) -> Any:
    """Return the class of urllib3 that ``kind`` is, or that it replaces if a test imports this library.

    >>> unreplaced(urllib3.connection.HTTPConnection).__module__
    'urllib3.connection'
    """
    return next(base for base in kind.__mro__ if base.__module__ == _CONNECTIONS)


def connection_class(pool: Any, ours: Any) -> Any:
    """Return ``ours``, or else what stands in for the connections of ``pool``, a class of urllib3."""
    known = pool.ConnectionCls
    return ours if known.__module__ == _CONNECTIONS else known


def session_send() -> Callable[..., requests.Response] | None:
    """Return what stands in for sending with a session of requests, or None if nothing does."""
    replaced = getattr(requests.Session.send, "__module__", None) or ""
    if replaced == _SESSIONS or replaced.partition(".")[0] == _CACHE:
        return None
    session = requests.Session()
    session.trust_env = False  # the arguments already include the environment's settings
    return functools.partial(session.send, allow_redirects=False)


def readable(response: requests.Response) -> requests.Response:
    """Return ``response`` with a body that can be read like one of urllib3."""
    raw = response.raw
    if raw is not None and not isinstance(raw, urllib3.BaseHTTPResponse):
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(raw.read()),
            response.headers,
            response.status_code,
            reason=response.reason,
            preload_content=False,
        )
    return response
