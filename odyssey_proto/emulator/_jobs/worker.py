"""``python -m odyssey_proto.emulator._jobs.worker``: the process that films the scripts of simulation jobs.

It is a process of its own because painting holds the GIL, and live streams would stutter. It runs at low priority
and as fast as the machine allows. It reads orders from stdin and writes reports to stdout as lines of JSON; it
knows nothing of jobs, accounts or HTTP, and can be killed at any time. The output of a user's world goes to
stderr.

    in    {"takes": [...], "portrait", "expand", "video", "seed", "size", "fps", "stamp", "world", "world_fps",
           "folder"}
    out   {"report": "began", "stream_id", "script_index", "width", "height"}
          {"report": "filmed"}                                               about once for each s of video
          {"report": "ended", "stream_id", "frames", "duration_s"}
          {"report": "done"} or {"report": "failed", "why"}
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import IO, Any, Final, Protocol

from ..._base.errors import OdysseyConfigError
from .._own_worlds.performance import Performance, WorldError
from .._own_worlds.sources import source_of
from .._recordings.artifacts import ArtifactWriter
from .._recordings.private_files import private_folder
from .._stamps import draw_stamp
from .._worlds import PaintedWorld
from .simulation_script import Order, Take

__all__ = ["main"]

_NICENESS: Final = 10


class Reporter(Protocol):
    """Writes a report."""

    def __call__(self, kind: str, **fields: Any) -> None: ...


def main() -> None:
    """Film orders until stdin ends."""
    if hasattr(os, "nice"):  # not on Windows, where the process is started with a low priority
        os.nice(_NICENESS)
    orders, report = _set_apart()
    for line in orders:
        try:
            for take in (order := Order.from_line(line)).takes:
                _film(take, order, report)
        except BrokenPipeError:
            os._exit(1)  # nobody reads the reports; an ordinary exit would fail to flush
        except Exception as exc:  # noqa: BLE001  # fails only this job
            is_explained = isinstance(exc, ValueError | WorldError | OdysseyConfigError)
            text = str(exc) if is_explained else f"The simulation failed: {type(exc).__name__}: {exc}"
            report("failed", why=text)
        else:
            report("done")


def _set_apart() -> tuple[IO[bytes], Reporter]:
    """Return the input of orders and the writer of reports; a world that reads stdin or prints reaches neither."""
    orders, reports = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, lambda kind, **fields: print(json.dumps({"report": kind, **fields}), file=reports, flush=True)


def _opened(take: Take, order: Order) -> PaintedWorld | Performance:
    arguments: dict[str, Any] = {
        "seed": order.seed,
        "prompt": take.prompt,
        "portrait": order.portrait,
        "image": take.image,
        "expand": order.expand,
        "size": order.size,
    }
    try:
        if order.world is None:
            return PaintedWorld(**arguments)
        return Performance(source_of(order.world, rate=order.world_fps).make, **arguments)
    except ValueError as exc:
        if take.image is None:
            raise
        raise ValueError(f"Script {take.script_index}: the image cannot be read") from exc


def _film(take: Take, order: Order, report: Reporter) -> None:
    world = _opened(take, order)
    try:
        _shoot(world, take, order, report)
    finally:
        if isinstance(world, Performance):
            world.close()


def _shoot(world: PaintedWorld | Performance, take: Take, order: Order, report: Reporter) -> None:
    stream_id = f"stream-{uuid.uuid4()}"
    width, height = world.size
    folder = private_folder(Path(order.folder) / stream_id)
    report("began", stream_id=stream_id, script_index=take.script_index, width=width, height=height)
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
            report("filmed")
    for change in changes:
        _change(world, writer, *change)
    writer.event("end", take.length_ms, reason="script")
    summary = writer.close(take.length_ms)
    report("ended", stream_id=stream_id, frames=summary.frames, duration_s=summary.duration_s)


def _change(world: PaintedWorld | Performance, writer: ArtifactWriter, at_ms: int, prompt: str) -> None:
    writer.event("interact", at_ms, prompt=prompt, applied_prompt=world.change(prompt))


if __name__ == "__main__":
    main()
