"""``odyssey-proto demo``: its arguments, its progress display, and its report."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._base.errors import MissingExtraError, OdysseyError
from ._emulator import CODECS
from ._ending import as_by_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._demo_stream import Summary

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add this command to ``commands``."""
    parser = commands.add_parser("demo", help="stream from a private emulator and save the video")
    parser.add_argument(
        "--out", type=Path, default=Path("odyssey-demo"), metavar="DIR", help="where to write (%(default)s)"
    )
    parser.add_argument("--seconds", type=_seconds, default=10.0, help="length of the stream (%(default)g)")
    parser.add_argument("--codec", choices=CODECS, default="both", help="what the emulator offers")
    parser.add_argument("--seed", type=int, default=0, help="seed of the emulator's world (%(default)s)")
    parser.add_argument(
        "--json", action="store_true", help="print the summary as one JSON object and nothing else"
    )
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 1 to 3600, not {text!r}")
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    import attrs

    from . import _demo_stream

    options = {"seconds": arguments.seconds, "codec": arguments.codec, "seed": arguments.seed}
    try:
        with as_by_ctrl_c(), contextlib.nullcontext() if arguments.json else _progress() as on_progress:
            summary = _demo_stream.run(arguments.out, **options, on_progress=on_progress)
    except OdysseyError:
        raise  # some are OSErrors too
    except OSError as error:
        print(f"odyssey-proto: cannot write to {arguments.out}: {error.strerror or error}", file=sys.stderr)
        return 1
    if arguments.json:
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


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show a progress bar on stderr during the block, if stderr is a terminal."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError as exc:
        raise MissingExtraError(
            'The progress display needs more packages: pip install "odyssey-proto[cli]"'
        ) from exc

    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("", total=1.0)
        yield lambda step, share: display.update(task, description=step, completed=share)
