"""The versions and settings that matter here, in a form that may be shown to anybody.

This module connects to nothing.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from .._base.environment import variable
from .._base.secrets import one_line
from .._net.failures import SettingError
from .._net.proxies import Proxy
from .._version import __version__

__all__ = ["PROXIES", "shown_proxy", "surroundings"]

PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_SHOWN: Final = ("NO_PROXY", "no_proxy", "ODYSSEY_API_URL")
_FILES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_HIDDEN: Final = ("ODYSSEY_API_KEY",)
_PACKAGES: Final = (
    *("aiohttp", "aioice", "aiortc", "attrs", "av", "cattrs", "click", "numpy", "pillow", "pillow-heif"),
    *("requests", "rich", "urllib3", "websocket-client"),
)


def surroundings() -> dict[str, Any]:
    """Return the versions of Python, of the system and of packages, and the settings of the environment."""
    return {
        "odyssey_proto": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.platform})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        "environment": _environment(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _environment() -> dict[str, str]:
    shown = {name: shown_proxy(value) for name in PROXIES if (value := variable(name)) is not None}
    shown |= {name: one_line(value) for name in _SHOWN if (value := variable(name)) is not None}
    shown |= {name: _from_home(value) for name in _FILES if (value := os.environ.get(name))}
    return shown | {name: "(set)" for name in _HIDDEN if variable(name) is not None}


def shown_proxy(value: str) -> str:
    """Return the address of a proxy without its user and password.

    >>> shown_proxy("http://me:secret@10.0.0.1:3128")
    'http://10.0.0.1:3128 (with a user and a password)'
    """
    try:
        proxy = Proxy.of(value, "")
    except SettingError:
        return "(not usable)"  # whatever it is, a password may be in it
    return f"{proxy.scheme}://{proxy.name}" + (" (with a user and a password)" if proxy.userinfo else "")


def _from_home(path: str) -> str:
    home = str(Path.home())
    return one_line(f"~{path.removeprefix(home)}" if path.startswith(home + os.sep) else path)
