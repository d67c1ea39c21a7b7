"""The certificates that TLS connections trust: those that the environment names, or the bundle of certifi.

REST, signaling and TURN use the same ones. ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are read as OpenSSL reads them:
unusable entries are left out. ``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE`` must be usable.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import ssl
from pathlib import Path
from typing import Final, TypeAlias

import requests.utils
import urllib3.util

from .._base.errors import OdysseyConnectionError, no_resources
from .._base.shortage import is_shortage, out_of_descriptors
from .failures import SettingError

__all__ = ["trusting_context"]

log = logging.getLogger("odyssey_proto.http")

_REQUIRED: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_FILE: Final = "SSL_CERT_FILE"
_FOLDERS: Final = "SSL_CERT_DIR"
_KEY_LOG: Final = "SSLKEYLOGFILE"
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.\d+")
_NO_CERTIFICATE: Final = "NO_CERTIFICATE_OR_CRL_FOUND"

_State: TypeAlias = tuple[int, int] | None


def trusting_context() -> ssl.SSLContext:
    """Return a context that checks certificates: the same one until the settings or their files change.

    Raises:
        SettingError: ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` names a file or folder that cannot be used.
        OdysseyConnectionError: the system has no descriptor for reading it (``no_resources``).
    """
    for name in _REQUIRED:
        if value := os.environ.get(name):
            return _of_bundle(name, value, _state(value))
    file = os.environ.get(_FILE, "")
    folders = tuple(filter(None, os.environ.get(_FOLDERS, "").split(os.pathsep)))
    return _as_openssl(file, folders, tuple(map(_state, (file, *folders))))


def _state(path: str) -> _State:
    try:
        known = Path(path).stat()
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size


# As many as one process may alternate between; each holds about 150 certificates.
_kept = functools.lru_cache(maxsize=4)


@_kept
def _of_bundle(name: str, path: str, _: _State) -> ssl.SSLContext:
    context = _empty()
    try:
        _load(context, path)
        _check_names(path)
    except OdysseyConnectionError:
        raise
    except OSError as exc:
        raise SettingError(
            f"{name} names {path!r}, {_fault(path, exc)}: correct it, or unset it", "ca_bundle"
        ) from exc
    return context


@_kept
def _as_openssl(file: str, folders: tuple[str, ...], _: tuple[_State, ...]) -> ssl.SSLContext:
    context = _empty()
    left_out = []
    is_default = True
    for name, path in ((_FILE, file), *((_FOLDERS, folder) for folder in folders)):
        try:
            if path:
                _load(context, path)
                is_default = is_default and name != _FILE
        except OdysseyConnectionError:
            raise
        except OSError as exc:
            left_out.append(f"{name} names {path!r}, {_fault(path, exc)}")
    if left_out:
        log.warning("continuing without certificates: %s", "; ".join(left_out))
    if is_default:
        try:
            _load(context, requests.utils.DEFAULT_CA_BUNDLE_PATH)
        except OdysseyConnectionError:
            raise
        except OSError as exc:
            path = requests.utils.DEFAULT_CA_BUNDLE_PATH
            raise SettingError(
                f"the certificates of certifi are {path!r}, {_fault(path, exc)}: set {_REQUIRED[0]}", "ca_bundle"
            ) from exc
    return context


def _empty() -> ssl.SSLContext:
    try:
        return urllib3.util.create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    except OSError as exc:  # urllib3 writes the keys of connections there, for network analysers
        name = os.environ.get(_KEY_LOG, "")
        log.warning("continuing without %s, which names %r: %s", _KEY_LOG, name, exc.strerror)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _load(context: ssl.SSLContext, path: str) -> None:
    """Load certificates; it raises the system's errors, and `OdysseyConnectionError` if there is no descriptor."""
    try:
        _load_from(context, path)
    except OSError as exc:
        if is_shortage(exc) or out_of_descriptors():  # OpenSSL does not say
            raise no_resources(exc) from exc
        raise


def _load_from(context: ssl.SSLContext, path: str) -> None:
    if Path(path).is_dir():
        with os.scandir(path):  # OpenSSL looks into it later, and reports nothing
            context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


class _NothingHashedError(OSError):
    """OpenSSL would find no certificate in a folder: it looks for files by a hash in their name."""


def _check_names(path: str) -> None:
    if Path(path).is_dir() and not any(_HASHED.fullmatch(file.name) for file in Path(path).iterdir()):
        raise _NothingHashedError


def _fault(path: str, exc: OSError) -> str:
    if isinstance(exc, _NothingHashedError):
        return "a folder in which no certificate is named by its hash (`openssl rehash` does that)"
    if isinstance(exc, ssl.SSLError):
        if exc.reason == _NO_CERTIFICATE:
            return "which contains no certificates in PEM form"
        return "of which a certificate cannot be read"
    if not isinstance(exc, FileNotFoundError | NotADirectoryError):
        return f"which cannot be read ({exc.strerror})"
    if path.startswith("~"):
        return "which does not exist (~ is not expanded)"
    if path != path.strip().strip("\"'") or not path.isprintable():
        return "which does not exist (quotes, blanks and line breaks are part of the name)"
    return "which does not exist"
