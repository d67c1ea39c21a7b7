"""Plays scenarios of the conformance kit with this library; `tests.support.clients.adapter` is the command."""

from __future__ import annotations

import base64
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from odyssey_proto import Odyssey, OdysseyError, Session

__all__ = ["play"]


class Client:
    """The implementation of each step with this library."""

    def __init__(self) -> None:
        self._odyssey = Odyssey()
        self._session: Session | None = None
        self._job = ""

    def connect(self) -> dict[str, Any]:
        self._session = self._odyssey.connect()
        return {"session_id": self._session.session_id}

    def start(
        self, prompt: str, portrait: bool, image_base64: str = "", broadcast: bool = False
    ) -> dict[str, Any]:
        image = base64.b64decode(image_base64) if image_base64 else None
        return {"stream_id": self._live.start_stream(prompt, portrait, image, broadcast=broadcast)}

    def interact(self, prompt: str, timeout_s: float = 30.0) -> dict[str, Any]:
        return {"prompt": self._live.interact(prompt, timeout=timeout_s)}

    def end(self) -> None:
        self._live.end_stream()

    def frames(self, count: int) -> dict[str, Any]:
        frames = self._live.frames(timeout=30)
        taken = [next(frames) for _ in range(count)]
        return {"frames": len(taken), "width": taken[-1].width, "height": taken[-1].height}

    def rejoin(self) -> None:
        deadline = time.monotonic() + 30
        while self._live.status != "connected":
            assert time.monotonic() < deadline, "the session has not reconnected in time"
            time.sleep(0.05)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def disconnect(self) -> None:
        self._odyssey.disconnect()

    def broadcast(self) -> dict[str, Any]:
        info = self._live.wait_for_broadcast()
        return {"webrtc_url": info.webrtc_url, "spectator_token": info.spectator_token}

    def watch(self, count: int) -> dict[str, Any]:
        with self._odyssey.watch(self._live.wait_for_broadcast()) as spectator:
            frames = spectator.frames(timeout=30)
            return {"frames": len([next(frames) for _ in range(count)])}

    def list_recordings(self) -> dict[str, Any]:
        return {"total": self._odyssey.list_stream_recordings().total}

    def simulate(self, script: list[Any], portrait: bool) -> dict[str, Any]:
        self._job = self._odyssey.simulate(script=script, portrait=portrait).job_id
        return {"job_id": self._job}

    def wait_job(self) -> dict[str, Any]:
        return {"status": str(self._odyssey.wait_for_simulation(self._job, poll=0.5, timeout=50).status)}

    def download(self) -> dict[str, Any]:
        (stream,) = self._odyssey.get_simulate_status(self._job).streams
        with tempfile.TemporaryDirectory() as folder:
            found = self._odyssey.download_recording(stream.stream_id, Path(folder), ["video"])
            return {"bytes": found["video"].stat().st_size}

    def close(self) -> None:
        self._odyssey.close()

    @property
    def _live(self) -> Session:
        assert self._session is not None
        return self._session


def play(scenario: dict[str, Any]) -> None:
    """Go through a scenario, and report each step on stdout."""
    client: Client | None = None
    for number, step in enumerate(scenario["steps"]):
        arguments = {name: value for name, value in step.items() if name not in ("do", "expect")}
        report: dict[str, Any] = {"step": number}
        try:
            client = client or Client()
            report |= {"outcome": "ok", "value": getattr(client, step["do"])(**arguments)}
        except OdysseyError as exc:
            report |= {"outcome": "error", "error": {"code": exc.code, "message": exc.message}}
        print(json.dumps(report), flush=True)
    if client is not None:
        client.close()
