"""Turning exceptions of libraries and of the system into errors for the user: one short line, without secrets.

This module opens and reads nothing. The meaning of refusals is in `odyssey_proto.core.refusals`.
"""

from __future__ import annotations

import http
import http.client
import re
import socket
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs
import requests
import urllib3.exceptions

from .._base.errors import (
    MalformedMessageError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    no_resources,
)
from .._base.secrets import one_line
from .._base.shortage import is_shortage, out_of_descriptors
from .._base.tracebacks import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .call import Call

__all__ = [
    "NETWORK_ERRORS",
    "ProxyRefusalError",
    "ProxyTroubleError",
    "SettingError",
    "connection_error",
    "proxy_refusal",
    "what_to_do_about",
]

NETWORK_ERRORS: Final = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)
"""All exceptions that requests, urllib3, http.client and ssl raise."""


class SettingError(OSError):
    """A setting of the environment cannot be used; its text is for the user, and names the variable."""

    recoverable = False

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class ProxyRefusalError(SettingError):
    """A proxy refuses to connect to a host; ``is_final`` says whether asking again is pointless."""

    def __init__(self, text: str, *, is_final: bool) -> None:
        super().__init__(text, "proxy" if is_final else "unreachable")
        self.recoverable = not is_final


class ProxyTroubleError(OSError):
    """A proxy cannot be reached, or does not answer as a proxy; the exception's cause says why."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@attrs.frozen
class _Failure:
    """The error for some exceptions; ``text`` may contain ``{host}``, ``{why}`` and ``{advice}``.

    ``{host}`` may also be a proxy: "the proxy 10.0.0.1:3128".
    """

    kinds: tuple[type[BaseException], ...]
    code: str
    text: str
    recoverable: bool = True
    error: type[OdysseyConnectionError] = OdysseyConnectionError


_WRAPPINGS: Final = (requests.RequestException, urllib3.exceptions.HTTPError)
_BAD_ADDRESS: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)

# The codes of OpenSSL (X509_V_ERR_…).
OF_TIME: Final = frozenset({9, 10})  # not valid yet, expired
OF_NAME: Final = frozenset({62, 64})  # of another host, of another address

_WAYS: Final = re.compile(r"(?:^|,)\s*([\w-]+)(?=\s+\S|\s*(?:,|$))")
"""The authentication schemes in a ``Proxy-Authenticate``."""
_TITLES: Final = {"ntlm": "NTLM", "negotiate": "Negotiate (Kerberos)", "digest": "Digest", "bearer": "Bearer"}

_TUNNEL: Final = re.compile(r"Tunnel connection failed: (?P<status>\d{3}) ?(?P<reason>.*)")
"""http.client's error text for a proxy that opens no tunnel."""

# The first row that fits counts, because many of these classes are derived from one another.
_FAILURES: Final = (
    _Failure(
        _BAD_ADDRESS,
        "invalid_url",
        "the address, or that of its proxy, cannot be used ({why})",
        recoverable=False,
    ),
    _Failure(
        (TimeoutError, requests.exceptions.Timeout),
        "timeout",
        "{host} gave no complete answer in time",
        error=OdysseyConnectionTimeoutError,
    ),
    _Failure(
        (socket.gaierror,),
        "unknown_host",
        "{host} cannot be found ({why}): check the address and the network",
        recoverable=False,
    ),
    _Failure(
        (ssl.SSLCertVerificationError,),
        "untrusted_certificate",
        "the certificate of {host} is not trusted ({why}): {advice}",
        recoverable=False,
    ),
    _Failure(
        (
            ConnectionResetError,
            ConnectionAbortedError,
            BrokenPipeError,
            ssl.SSLEOFError,
            ssl.SSLZeroReturnError,
            http.client.IncompleteRead,
        ),
        "connection_lost",
        "{host} closed the connection before its answer was complete",
    ),
    _Failure((ssl.SSLError,), "tls", "no secure connection to {host} ({why})", recoverable=False),
    _Failure((ConnectionRefusedError,), "refused", "{host} refuses connections: check the address, or try later"),
    # Without an error of the system beneath: raised by stand-ins for the network in a program's own tests.
    _Failure(
        (requests.exceptions.ConnectionError,),
        "unreachable",
        "{host} cannot be reached ({why}): check the network",
    ),
    _Failure(
        (*_WRAPPINGS, http.client.HTTPException, ValueError),
        "malformed",
        "the answer of {host} is not valid HTTP",
        recoverable=False,
        error=MalformedMessageError,
    ),
    _Failure((OSError,), "unreachable", "{host} cannot be reached ({why}): check the network"),
)


def connection_error(
    exc: BaseException, call: Call, operation: str, url: str, asked: str = ""
) -> OdysseyConnectionError:
    """Return the user's error for ``exc``, one of `NETWORK_ERRORS`.

    Its cause is the system's own error at the bottom of ``exc``, if any: the errors of libraries quote URLs and
    the server's words. For the same reason, raise it outside the ``except``, so that ``exc`` is not its context.
    ``asked`` is the name of the operation in the text, if it differs from ``operation``.
    """
    if call.aborted:
        return OdysseyConnectionError(
            f"{asked or operation} was abandoned: the connection is closed", code="closed", operation=operation
        )
    chain = list(_chain(exc))
    ours = next((link for link in chain if isinstance(link, OdysseyConnectionError)), None)
    if ours is not None:
        ours.operation = ours.operation or operation
        return ours
    setting = next((link for link in chain if isinstance(link, SettingError)), None)
    if setting is not None:
        return OdysseyConnectionError(
            f"{asked or operation}: {setting}",
            code=setting.code,
            operation=operation,
            recoverable=setting.recoverable,
        )
    root = None if isinstance(exc, _BAD_ADDRESS) else next(filter(_is_original, chain), None)
    subject = root or exc
    failure = next(row for row in _FAILURES if isinstance(subject, row.kinds))
    # A lookup that cannot read the system's files fails with another error, which depends on the system's plugins.
    if is_shortage(subject) or (failure.code in ("unknown_host", "unreachable") and out_of_descriptors()):
        short = no_resources(subject)
        short.operation = operation
        short.__cause__ = subject
        return short
    proxy = next((link for link in chain if isinstance(link, ProxyTroubleError)), None)
    if proxy is not None and (refused := _TUNNEL.search(str(subject))):
        said = int(refused["status"]), refused["reason"]
        return proxy_refusal(proxy.name, *said, _host(url), operation, asked, challenge=call.challenge)
    if proxy is not None:
        host = f"the proxy {proxy.name}"
    elif failure.code == "unknown_host":
        host = f"the host {_host(url)}"
    else:
        host = _host(url)
    if proxy is None and call.proxy:
        host += f" (through the proxy {call.proxy})"
    elif proxy is None and any(isinstance(link, urllib3.exceptions.ProxyError) for link in chain):
        host += " (through the proxy)"
    advice = what_to_do_about(subject) if isinstance(subject, ssl.SSLCertVerificationError) else ""
    text = failure.text.format(host=host, why=one_line(_why(subject)), advice=advice)
    if failure.code == "timeout" and call.deadline.timeout is not None:
        text += f" ({call.deadline.timeout:.3g} s)"
    # While a network changes, lookups fail because no name server answers.
    recoverable = failure.recoverable or (isinstance(root, socket.gaierror) and root.errno == socket.EAI_AGAIN)
    error = failure.error(
        f"{asked or operation}: {text}", code=failure.code, operation=operation, recoverable=recoverable
    )
    # The frames of urllib3 hold headers, bodies and addresses, and crash reporters show local variables.
    error.__cause__ = alone(root) if isinstance(root, OSError) else None
    return error


def proxy_refusal(
    proxy: str, status: int, reason: str, host: str, operation: str, asked: str = "", *, challenge: str = ""
) -> OdysseyConnectionError:
    """Return the error for a proxy that answers a request for ``host`` itself, with a refusal.

    A refused password is never sent again: some proxies lock an account after a few attempts. ``challenge`` is
    the ``Proxy-Authenticate`` of the proxy's answer.
    """
    said = one_line(f"{status} {reason}")
    ways = dict.fromkeys(map(str.lower, _WAYS.findall(challenge)))
    if status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and ways and "basic" not in ways:
        named = " or ".join(_TITLES.get(way, one_line(way)) for way in ways)
        text = f"the proxy {proxy} asks for {named} ({said}), and only Basic is supported: ask who runs it"
        text += ", or set a proxy that speaks to it for you, such as cntlm"
    elif status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        text = f"the proxy {proxy} requires a user and a password, or refused those that it was given ({said})"
        text += ": check HTTPS_PROXY or HTTP_PROXY, which are like http://user:password@host:3128"
    elif status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
        text = f"the proxy {proxy} does not connect to {host} ({said}): ask who runs it, or set NO_PROXY"
    else:
        return OdysseyConnectionError(
            f"{asked or operation}: the proxy {proxy} does not reach {host} ({said})",
            code="unreachable",
            operation=operation,
            recoverable=True,
        )
    return OdysseyConnectionError(f"{asked or operation}: {text}", code="proxy", operation=operation)


def what_to_do_about(exc: ssl.SSLCertVerificationError) -> str:
    """Return what a user can do about a certificate that is not trusted."""
    code = getattr(exc, "verify_code", None)
    if code in OF_TIME:
        return "check the date and the clock of this machine; if they are right, the certificate must be renewed"
    if code in OF_NAME:
        return "check the address"
    return "check the address, or set REQUESTS_CA_BUNDLE or SSL_CERT_FILE"


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return "the host"


def _is_original(exc: BaseException) -> bool:
    # urllib3's IncompleteRead is also one of its wrappings, but it is the only exception for a truncated body.
    return isinstance(exc, http.client.IncompleteRead) or not isinstance(exc, (*_WRAPPINGS, ProxyTroubleError))


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield ``exc`` and all exceptions that led to it, nearest first."""
    waiting, seen = [exc], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            origins = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
            waiting += [origin for origin in origins if isinstance(origin, BaseException)]


def _why(exc: BaseException) -> str:
    """Return the system's words, without the numbers around them."""
    named = (getattr(exc, name, None) for name in ("verify_message", "reason", "strerror"))
    return next((text for text in named if isinstance(text, str) and text), str(exc))
