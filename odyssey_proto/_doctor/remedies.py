"""Remedies for errors of the client, in words for its user. They depend on the error alone."""

from __future__ import annotations

import ssl
from typing import Final

from .._base.errors import ConcurrentLimitReachedError, OdysseyConfigError, OdysseyError, OdysseyUsageError
from .._net.failures import OF_NAME, OF_TIME

__all__ = ["remedy"]

_NETWORK: Final = (
    "check that this machine is online, and that ODYSSEY_API_URL is right; in a company's network, ask for its "
    "proxy, and set HTTPS_PROXY"
)
_LATER: Final = "try again in a minute; if this persists, report it to the service"
_REMEDIES: Final = {
    "missing_api_key": "set ODYSSEY_API_KEY, or use --api-key-file FILE",
    "malformed_api_key": "copy the key again, whole and without blanks or quotes",
    "invalid_api_key": "copy the key again from your account, and check that it belongs to this service",
    "access_denied": "the account may be suspended: check it on the service's website",
    "forbidden": "the account may lack permission for this, or be suspended: check it on the service's website",
    "unauthorized": "copy the key again from your account",
    "unknown_host": _NETWORK,
    "unreachable": _NETWORK,
    "refused": "nothing listens there: check the address (ODYSSEY_API_URL or --api-url), and whether a firewall "
    "or a VPN is in the way",
    "timeout": "a firewall may swallow packets: try without a VPN, or in another network",
    "connection_lost": "a firewall or a proxy may cut connections: try in another network",
    "tls": "something between here and the service may break TLS: try without a VPN or a virus scanner",
    "untrusted_certificate": "a proxy of your network, or a virus scanner, may replace certificates: ask for its "
    "root certificate, and name its file in REQUESTS_CA_BUNDLE",
    "ca_bundle": "correct or unset the variable that the text names",
    "proxy": "correct or unset HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, ask who runs the proxy, or exempt the host "
    "in NO_PROXY",
    "invalid_url": "correct ODYSSEY_API_URL or --api-url, and the proxy variables",
    "http_404": "the service is not at this address: correct ODYSSEY_API_URL or --api-url",
    "malformed": "check that ODYSSEY_API_URL or --api-url is the address of the API; a network that wants you to "
    "log in first answers in this way, too: open any page in a browser",
    "no_streamers": _LATER,
    "queue_timeout": _LATER,
    "peer_lost": "the path for the video is blocked: see the findings on UDP, TCP and TLS",
    "no_resources": "the system has run out of threads or open files: end other programs, or raise the limits "
    "(ulimit -n, ulimit -u)",
}


def remedy(error: OdysseyError) -> str:
    """Return what to do about ``error``.

    >>> remedy(OdysseyError("x", code="no_streamers"))
    'try again in a minute; if this persists, report it to the service'
    """
    if isinstance(error, ConcurrentLimitReachedError):
        return "end the other session; one that was left without a goodbye ends by itself within 40 s"
    if isinstance(error, OdysseyUsageError) and error.action:
        return error.action
    if "the proxy " in error.message:  # whatever failed, it failed there
        return _REMEDIES["proxy"]
    match error.__cause__:
        case ssl.SSLCertVerificationError(verify_code=code) if code in OF_TIME:
            return (
                "set the clock of this machine; if it is right, report to the service that its certificate has "
                "expired or is not valid yet"
            )
        case ssl.SSLCertVerificationError(verify_code=code) if code in OF_NAME:
            return "check the address; a network that wants you to log in first answers in this way, too"
    if (known := _REMEDIES.get(error.code or "")) is not None:
        return known
    if isinstance(error, OdysseyConfigError):
        return "correct what the text names: ODYSSEY_API_URL or --api-url, or the key"
    if error.status is not None and error.status >= 500:
        return _LATER
    return "run it again with --debug, which logs to stderr, and report the log"
