"""``odyssey-proto demo``: its arguments, its progress display, and its report."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._options import LENGTH, json_option

if TYPE_CHECKING:
    from ..emulator._config import Codecs
    from ._demo_stream import Summary

__all__ = ["command"]


@click.command
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="odyssey-demo",
    show_default=True,
    metavar="DIR",
    help="Where to write.",
)
@click.option(
    "--seconds", type=LENGTH, default="10", show_default=True, metavar="TIME", help="Length of the stream."
)
@click.option(
    "--codec", type=click.Choice(("h264", "vp8", "both")), default="both", help="What the emulator offers."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the emulator's world.")
@json_option
def command(out: Path, seconds: float, codec: Codecs, seed: int, as_json: bool) -> int:
    """Stream from a private emulator and save the video."""
    import attrs

    from .._base.errors import OdysseyError
    from . import _demo_stream
    from ._output import progress

    try:
        with contextlib.nullcontext() if as_json else progress() as on_progress:
            summary = _demo_stream.run(out, seconds=seconds, codec=codec, seed=seed, on_progress=on_progress)
    except OdysseyError:
        raise  # some of these are OSErrors too
    except OSError as error:
        print(f"odyssey-proto: cannot write to {out}: {error.strerror or error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(attrs.asdict(summary)))
    else:
        _report(summary)
    return 0


def _report(summary: Summary) -> None:
    print(
        f"{summary.frames} frames of {summary.width}x{summary.height} in {summary.seconds:.1f} s: "
        f"{summary.fps:.1f} fps, {summary.lost} lost, {summary.dropped} dropped"
    )
    print(
        f"latency {summary.latency_ms_median:.0f} ms (median), {summary.latency_ms_p95:.0f} ms (p95), "
        f"{summary.latency_ms_max:.0f} ms (max)"
    )
    print(f"connected in {summary.connect_s:.2f} s, first frame {summary.first_frame_s:.2f} s after start_stream")
    for interaction in summary.interactions:
        print(f"at {interaction.at_s:.1f} s: {interaction.prompt}")
    print(f"video          {summary.video}")
    print(f"contact sheet  {summary.contact_sheet}")
