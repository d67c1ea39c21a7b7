"""Fetching the script of a job from its ``script_url``.

Only from this machine: an emulator is for offline work, and no job can make it contact another host.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Final

import aiohttp
from yarl import URL

from .simulation_script import ScriptError

__all__ = ["fetch_script"]

_WITHIN_S: Final = 10
_LARGEST_BYTES: Final = 64 * 2**20


async def fetch_script(address: str) -> Any:
    """Return the parsed JSON at ``address``.

    Raises:
        ScriptError: the address is not on this machine, cannot be fetched, or does not contain JSON.
    """
    url = _local(address)
    try:
        timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ScriptError(f"script_url answered with status {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _LARGEST_BYTES:
                    raise ScriptError(f"The content of script_url is larger than {_LARGEST_BYTES // 2**20} MiB")
        return json.loads(body)
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise ScriptError(f"script_url could not be fetched: {type(exc).__name__}") from exc
    except (ValueError, RecursionError) as exc:
        if isinstance(exc, ScriptError):
            raise
        raise ScriptError("The content of script_url is not JSON") from exc


def _local(address: str) -> URL:
    try:
        url = URL(address)
        host = url.host or ""
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local, url = False, URL()
    if not local or url.scheme not in ("http", "https"):
        raise ScriptError("script_url must be an http address of this machine: the emulator asks no other host")
    return url
