"""A client for the live scenarios that shares no code with this library; its arguments name its faults.

It knows few steps, and reports the others as not supported.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import Any, Final

import requests

from tests.support.plain_client import PlainClient, authorise, bearer, connect

FAULTS: Final = ("no-keepalive", "wrong-field", "no-goodbye", "forgotten-answer", "impatient")
"""Its possible faults, chosen by arguments."""


async def play(scenario: dict[str, Any], faults: list[str]) -> None:
    """Go through a scenario, and report each step."""
    async with contextlib.AsyncExitStack() as stack:
        client: PlainClient | None = None
        for number, step in enumerate(scenario["steps"]):
            report: dict[str, Any] = {"step": number, "outcome": "ok"}
            match step["do"]:
                case "connect":
                    credentials = authorise(os.environ["ODYSSEY_API_URL"], os.environ["ODYSSEY_API_KEY"])
                    habits = {habit: f"no-{habit}" not in faults for habit in ("goodbye", "keepalive")}
                    client = await stack.enter_async_context(connect(credentials, **habits))
                case "start" if client and "image_base64" not in step:
                    more = {"input_image": None} if "wrong-field" in faults else {}
                    client.start(step["prompt"], portrait=step["portrait"], **more)
                    started = await client.message("stream_started")
                    report["value"] = {"stream_id": started["stream_id"]}
                case "interact" if client:
                    client.send(type="update", prompt=step["prompt"])
                    answer = await client.message()
                    if answer["type"] == "update_acknowledged":
                        prompt = step["prompt"] if "forgotten-answer" in faults else answer["prompt"]
                        report["value"] = {"prompt": prompt}
                    else:
                        report |= {"outcome": "error", "error": {"code": answer["reason"]}}
                case "frames" if client:
                    pictures = [await client.picture() for _ in range(step["count"])]
                    size = {"width": pictures[-1].width, "height": pictures[-1].height}
                    report["value"] = {"frames": len(pictures), **size}
                case "end" if client:
                    client.send(type="interactive_stream_end")
                    await client.message("stream_ended")
                case "list_recordings" | "simulate":
                    status = call(step, times=3 if "impatient" in faults else 1)
                    if status != 200:
                        report |= {"outcome": "error", "error": {"code": status}}
                case "wait":
                    await asyncio.sleep(step["seconds"])
                case "disconnect":
                    pass  # happens at the end of the block
                case _:
                    report |= {"outcome": "unsupported", "why": step["do"]}
            print(json.dumps(report), flush=True)


def call(step: dict[str, Any], times: int) -> int:
    """Make a REST call until it succeeds, at most ``times`` times, and return the last status."""
    url = os.environ["ODYSSEY_API_URL"]
    headers = bearer(url, os.environ["ODYSSEY_API_KEY"])
    status = 0
    while status != 200 and times:
        if step["do"] == "simulate":
            job = {"script": step["script"], "portrait": step["portrait"], "output_video": True}
            status = requests.post(f"{url}/simulation-jobs", json=job, headers=headers, timeout=30).status_code
        else:
            status = requests.get(f"{url}/stream-recordings", headers=headers, timeout=30).status_code
        times -= 1
    return status


if __name__ == "__main__":
    asyncio.run(play(json.loads(sys.stdin.readline()), sys.argv[1:]))
