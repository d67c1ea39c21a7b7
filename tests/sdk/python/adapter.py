"""The asynchronous SDK in the live scenarios of `odyssey-proto conformance`: a line of JSON says what to do.

The SDK has no spectators: their steps are reported as not supported.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import odyssey_models as wire

from odyssey_proto import OdysseyError
from tests.sdk.python.odyssey_async import Odyssey, Session

__all__ = ["Client", "play"]

FINAL = ("completed", "failed", "cancelled")
ENDS_WITHIN_S = 10
"""Shorter than the SDK's own timeout: in one scenario, no streamer is left to answer, but the filming goes on."""


class Client:
    """The steps of scenarios, as methods that call the SDK; a step without a method is not supported."""

    def __init__(self, odyssey: Odyssey) -> None:
        self._odyssey = odyssey
        self._session = Session(odyssey)
        self._job = ""

    async def connect(self) -> dict[str, Any]:
        self._session = await self._odyssey.connect()
        return {"session_id": self._session.core.session_id}

    async def start(
        self, prompt: str, portrait: bool, image_base64: str = "", broadcast: bool = False
    ) -> dict[str, Any]:
        image = f"data:image/png;base64,{image_base64}" if image_base64 else None
        started = self._session.start(prompt, portrait=portrait, image=image, broadcast=broadcast)
        return {"stream_id": await started}

    async def interact(self, prompt: str, timeout_s: float = 30.0) -> dict[str, Any]:
        return {"prompt": await self._session.interact(prompt, timeout_s=timeout_s)}

    async def frames(self, count: int) -> dict[str, Any]:
        number, size = 0, {"width": 0, "height": 0}
        async for frame in self._session.frames():
            number, size = number + 1, {"width": frame.width, "height": frame.height}
            if number == count:
                break
        return {"frames": number, **size}

    async def end(self) -> None:
        async with asyncio.timeout(ENDS_WITHIN_S):
            await self._session.end()

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def rejoin(self) -> None:
        async with asyncio.timeout(30):
            while self._session.core.status != "connected":
                await asyncio.sleep(0.05)

    async def disconnect(self) -> None:
        await self._session.disconnect()

    async def list_recordings(self) -> dict[str, Any]:
        answer = await self._odyssey.call("GET /stream-recordings", wire.StreamRecordingsList)
        return {"total": answer.total}

    async def simulate(self, script: list[Any], portrait: bool) -> dict[str, Any]:
        request = wire.converter().structure({"script": script, "portrait": portrait}, wire.SimulationRequest)
        self._job = (await self._odyssey.simulate(request)).job_id
        return {"job_id": self._job}

    async def wait_job(self) -> dict[str, Any]:
        async with asyncio.timeout(50):
            while (job := await self._odyssey.simulation(self._job)).status not in FINAL:
                await asyncio.sleep(0.5)
        return {"status": str(job.status)}

    async def download(self) -> dict[str, Any]:
        (stream,) = (await self._odyssey.simulation(self._job)).streams
        async with self._odyssey.http.get(stream.video_url or "") as answer:
            return {"bytes": len(await answer.read())}


async def play(scenario: dict[str, Any]) -> None:
    """Go through a scenario, and report each step on stdout."""
    async with Odyssey(os.environ["ODYSSEY_API_KEY"], os.environ["ODYSSEY_API_URL"]) as odyssey:
        client = Client(odyssey)
        for number, step in enumerate(scenario["steps"]):
            arguments = {name: value for name, value in step.items() if name not in ("do", "expect")}
            report: dict[str, Any] = {"step": number, "outcome": "ok"}
            try:
                if (work := getattr(client, step["do"], None)) is None:
                    report |= {"outcome": "unsupported", "why": step["do"]}
                else:
                    report["value"] = await work(**arguments)
            except (OdysseyError, TimeoutError) as exc:
                code = getattr(exc, "code", "timeout")
                report |= {"outcome": "error", "error": {"code": code, "message": str(exc)}}
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    asyncio.run(play(json.loads(sys.stdin.readline())))
