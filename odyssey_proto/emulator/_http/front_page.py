"""``GET /``: an overview of the emulator and its addresses; a page for browsers, JSON for everything else.

The service has no such call, so it is not part of the traffic that watchers see.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from ..._version import __version__
from .admission import CONTROL
from .api import SERVER, authority

if TYPE_CHECKING:
    from .._config import EmulatorConfig

__all__ = ["FrontPage"]

_WHAT: Final = "An emulator of Odyssey, for tests and offline work. It is not the service."
_KEY: Final = "any that begins with ody_"
_STYLE: Final = "font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 3em auto; padding: 0 1em"
_HTML: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Odyssey emulator</title><link rel="icon" href="data:,">
<body style="{style}">
<h1>Odyssey emulator</h1>
<p>{what}</p>
<table cellpadding="6">
{rows}
</table>
<p>A client in Python, for example:</p>
<pre>Odyssey("ody_any_key", api_url="{url}")</pre>
"""


class FrontPage:
    """The call that describes the emulator."""

    def __init__(self, config: EmulatorConfig) -> None:
        self._config = config
        self.routes = [web.get("/", self._show)]
        """The route of this call."""

    async def _show(self, request: web.Request) -> web.StreamResponse:
        data = self._data(f"http://{authority(request)}")
        headers = {hdrs.VARY: hdrs.ACCEPT}
        if "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
            return web.json_response(data, headers=headers, dumps=lambda value: json.dumps(value, indent=2) + "\n")
        rows = "\n".join(
            f"<tr><th align=left>{html.escape(name.replace('_', ' '))}<td>{html.escape(str(value))}"
            for name, value in data.items()
            if name not in ("service", "what")
        )
        page = _HTML.format(style=_STYLE, what=html.escape(_WHAT), rows=rows, url=html.escape(data["api_url"]))
        return web.Response(text=page, content_type="text/html", headers=headers)

    def _data(self, url: str) -> dict[str, Any]:
        width, height = self._config.size
        return {
            "service": SERVER,
            "what": _WHAT,
            "version": __version__,
            "api_url": url,
            "api_key": _KEY,
            "codec": self._config.codec,
            "pictures": f"{width}x{height}, {self._config.fps} per second",
            "traffic": f"{url}{CONTROL}/traffic",
            "faults": f"{url}{CONTROL}/faults",
        }
