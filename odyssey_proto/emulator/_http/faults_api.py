"""``/_emulator/faults``: the fault script, for clients in other languages and ``curl``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from ..._base.errors import OdysseyConfigError
from .._accounts.service import RefusedError
from .admission import CONTROL

if TYPE_CHECKING:
    from .._faults.script import FaultScript

__all__ = ["FaultsApi"]


class FaultsApi:
    """The calls that list, add and remove faults. ``POST`` takes one `Fault` as JSON, or a list of them."""

    def __init__(self, faults: FaultScript) -> None:
        self._faults = faults
        path = f"{CONTROL}/faults"
        self.routes = [
            web.get(path, self._list, allow_head=False),
            web.post(path, self._add),
            web.delete(path, self._clear),
        ]
        """The routes of these calls."""

    async def _list(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([fault.to_dict() for fault in self._faults.pending])

    async def _add(self, request: web.Request) -> web.StreamResponse:
        try:
            self._faults.load(json.loads(await request.read()))
        except OdysseyConfigError as exc:
            raise RefusedError(400, str(exc)) from exc
        except (ValueError, RecursionError) as exc:
            raise RefusedError(400, "The body is not JSON") from exc
        return await self._list(request)

    async def _clear(self, request: web.Request) -> web.StreamResponse:
        self._faults.clear()
        return await self._list(request)
