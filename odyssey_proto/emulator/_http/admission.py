"""Who may call an emulator: the checks of ``Host`` and ``Origin`` that come before everything else, and CORS.

A developer's browser runs untrusted pages beside the emulator. Such a page can send requests to this machine, and
read the answers if its own domain is made to resolve to it (DNS rebinding). So a call must name a host of the
emulator, and a page that calls must come from this machine, unless the settings name others. ``/_emulator`` is for
tools and refuses all pages. A caller who is admitted still needs a key or a token.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from ..._base.hosts import host_named, is_loopback, origin_named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._config import EmulatorConfig

__all__ = ["CONTROL", "PREFLIGHT", "Doorkeeper"]

log = logging.getLogger("odyssey_proto.emulator.http")

CONTROL: Final = "/_emulator"
"""Start of the addresses of the emulator's own calls."""

_EXPOSED: Final = "Accept-Ranges, Content-Range, ETag, Location, Retry-After, X-Request-Id"
PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Range, Range",
    "Access-Control-Max-Age": "600",
}
"""Headers of the answer to a preflight request."""
_MOST_REPORTED: Final = 20
"""Maximum number of refused hosts and origins that are logged; a page could send any number of them."""


class _RefusedError(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Doorkeeper:
    """Admits or refuses the calls of one emulator. Runs on the loop's thread."""

    def __init__(self, config: EmulatorConfig) -> None:
        self._hosts = {host_named(host) for host in (config.host, *config.allow_hosts)}
        self._origins = {origin_named(origin) for origin in config.allow_origins}
        self._reported: set[str] = set()

    @web.middleware
    async def check(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse a call with 400 or 403, or pass it on. The first middleware that looks at it."""
        try:
            self._check_host(request)
            self._check_page(request)
        except _RefusedError as refused:
            self._report(str(refused))
            return web.json_response({"detail": str(refused)}, status=refused.status)
        return await handler(request)

    async def share(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the page that calls read the answer, if the page is admitted. Called before an answer is sent."""
        if _is_control(request):
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origins = request.headers.getall(hdrs.ORIGIN, [])
        if len(origins) == 1 and self._is_admitted(request, origins[0]):
            response.headers["Access-Control-Allow-Origin"] = origins[0]
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    # The host

    def _check_host(self, request: web.Request) -> None:
        named = request.headers.getall(hdrs.HOST, [])
        if not request.raw_path.startswith(("/", "*")):  # an absolute address, as for a proxy
            named = [*named, urlsplit(request.raw_path).netloc]
        elif not named and request.version < (1, 1):
            return  # no browser is that old
        if not named or len(request.headers.getall(hdrs.HOST, [])) > 1:
            raise _RefusedError(400, "The call must name its host once")
        for text in named:
            host = host_named(text, port=True)
            if host is None:
                raise _RefusedError(400, "The host of the call cannot be read")
            if not self._is_ours(request, host):
                raise _RefusedError(
                    403,
                    f"The host {host} is not one of this emulator's: use {_reached(request)}, or start it with"
                    f" --allow-host {host}",
                )

    def _is_ours(self, request: web.Request, host: str) -> bool:
        return is_loopback(host) or host in self._hosts or host == _reached(request)

    # The page

    def _check_page(self, request: web.Request) -> None:
        origins = request.headers.getall(hdrs.ORIGIN, [])
        if _is_control(request):
            # Without an Origin, a browser may still fetch an address for a page: as a script or a picture.
            if origins or set(request.headers.getall("Sec-Fetch-Site", ["none"])) != {"none"}:
                raise _RefusedError(403, f"{CONTROL} is for tools; no page may call it")
        elif origins and not (len(origins) == 1 and self._is_admitted(request, origins[0])):
            known = origin_named(origins[0]) if len(origins) == 1 else None
            raise _RefusedError(
                403,
                "The Origin of the call cannot be read"
                if known is None
                else f"Pages of {known} may not call this emulator, unless it is started with"
                f" --allow-origin {known}",
            )

    def _is_admitted(self, request: web.Request, origin: str) -> bool:
        known = origin_named(origin)
        if known is None:
            return False
        if known in self._origins:
            return True
        scheme, _, rest = known.partition("://")
        host = host_named(rest, port=True)
        if scheme not in ("http", "https") or host is None:
            return False
        # Another port of the host that was called is on the same machine. The Host has been checked.
        return is_loopback(host) or host == host_named(request.headers.get(hdrs.HOST, ""), port=True)

    def _report(self, why: str) -> None:
        if len(self._reported) < _MOST_REPORTED and why not in self._reported:
            self._reported.add(why)
            log.warning("a call was refused: %s", why)


def _is_control(request: web.Request) -> bool:
    return request.path.startswith(CONTROL)


def _reached(request: web.Request) -> str:
    """Return the address of this machine at which the call arrived."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return (host_named(name[0].partition("%")[0]) if name else None) or "127.0.0.1"
