"""``python -m odyssey_proto.emulator._jobs.worker``: the process that films the scripts of simulation jobs.

It is a process because painting holds the GIL, and live streams would stutter. It runs at low priority and as fast
as the machine allows. It reads orders and writes reports as lines of JSON; it knows nothing of jobs, accounts or
HTTP, and can be killed at any time.

    in    {"takes": [...], "portrait", "expand", "video", "seed", "size", "fps", "stamp", "folder"}
    out   {"report": "began", "stream_id", "script_index", "width", "height"}
          {"report": "filmed"}                                               about once for each s of video
          {"report": "ended", "stream_id", "frames", "duration_s"}
          {"report": "done"} or {"report": "failed", "why"}
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any, Final

from .._recordings.artifacts import ArtifactWriter
from .._recordings.private_files import private_folder
from .._stamps import draw_stamp
from .._worlds import World
from .simulation_script import Order, Take

__all__ = ["main"]

_NICENESS: Final = 10


def main() -> None:
    """Film orders until stdin ends."""
    os.nice(_NICENESS)
    for line in sys.stdin.buffer:
        try:
            for take in (order := Order.from_line(line)).takes:
                _film(take, order)
        except BrokenPipeError:
            os._exit(1)  # nobody reads the reports; an ordinary exit would fail to flush
        except Exception as exc:  # noqa: BLE001  # fails only this job
            text = (
                str(exc) if isinstance(exc, ValueError) else f"The simulation failed: {type(exc).__name__}: {exc}"
            )
            _report("failed", why=text)
        else:
            _report("done")


def _report(kind: str, **fields: Any) -> None:
    print(json.dumps({"report": kind, **fields}), flush=True)  # noqa: T201  # the worker's output


def _film(take: Take, order: Order) -> None:
    try:
        world = World(
            seed=order.seed,
            prompt=take.prompt,
            portrait=order.portrait,
            image=take.image,
            expand=order.expand,
            size=order.size,
        )
    except ValueError as exc:
        if take.image is None:
            raise
        raise ValueError(f"Script {take.script_index}: the image cannot be read") from exc
    stream_id = f"stream-{uuid.uuid4()}"
    width, height = world.size
    folder = private_folder(Path(order.folder) / stream_id)
    _report("began", stream_id=stream_id, script_index=take.script_index, width=width, height=height)
    writer = ArtifactWriter(folder, size=(width, height), fps=order.fps)
    writer.event("start", 0, prompt=take.prompt, applied_prompt=world.applied_prompt)
    changes = [*take.changes]
    slots = -(-take.length_ms * order.fps // 1000)
    for slot in range(slots):
        at_ms = slot * 1000 // order.fps
        while changes and changes[0][0] <= at_ms:
            _change(world, writer, *changes.pop(0))
        if order.video:
            picture = world.picture(slot / order.fps)
            if order.stamp:
                draw_stamp(picture, slot, at_ms)
            writer.picture(picture, at_ms)
        if slot % order.fps == 0:
            _report("filmed")
    for change in changes:
        _change(world, writer, *change)
    writer.event("end", take.length_ms, reason="script")
    summary = writer.close(take.length_ms)
    _report("ended", stream_id=stream_id, frames=summary.frames, duration_s=summary.duration_s)


def _change(world: World, writer: ArtifactWriter, at_ms: int, prompt: str) -> None:
    writer.event("interact", at_ms, prompt=prompt, applied_prompt=world.change(prompt))


if __name__ == "__main__":
    main()
