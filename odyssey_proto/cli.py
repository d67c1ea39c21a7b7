"""The command ``odyssey-proto``: ``demo`` and ``emulator``.

It reads arguments, shows progress and prints results; the work is done by the client and the emulator.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._version import __version__
from .errors import MissingExtraError, OdysseyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["main"]

_CODECS: Final = ("h264", "vp8", "both")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except OdysseyError as error:
        print(f"odyssey-proto: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("odyssey-proto: interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="odyssey-proto", description="A blocking client for Odyssey, and its emulator."
    )
    parser.add_argument("--version", action="version", version=f"odyssey-proto {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="stream from an emulator of its own and write what arrives")
    demo.add_argument(
        "--out", type=Path, default=Path("odyssey-demo"), metavar="DIR", help="where to write (%(default)s)"
    )
    demo.add_argument("--seconds", type=_seconds, default=10.0, help="length of the stream (%(default)g)")
    demo.add_argument("--codec", choices=_CODECS, default="both", help="what the emulator offers")
    demo.add_argument("--seed", type=int, default=0, help="another seed, another world (%(default)s)")
    demo.add_argument("--json", action="store_true", help="print the summary as one JSON object and nothing else")
    demo.set_defaults(run=_demo)

    emulator = commands.add_parser("emulator", help="serve the whole service on this machine")
    emulator.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    emulator.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0 takes a free one (%(default)s)"
    )
    emulator.add_argument("--data-dir", help="folder that keeps recordings and jobs over a restart")
    emulator.add_argument("--seed", type=int, default=0, help="another seed, other worlds (%(default)s)")
    emulator.add_argument("--codec", choices=_CODECS, default="both", help="video codecs to offer (%(default)s)")
    emulator.add_argument(
        "--no-stamp", dest="stamp", action="store_false", help="leave the stamp out of the pictures"
    )
    emulator.set_defaults(run=_emulator)
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 1 to 3600, not {text!r}")
    return seconds


def _demo(arguments: argparse.Namespace) -> int:
    import attrs

    from . import demo

    options = {"seconds": arguments.seconds, "codec": arguments.codec, "seed": arguments.seed}
    try:
        with contextlib.nullcontext() if arguments.json else _progress() as on_progress:
            summary = demo.run(arguments.out, **options, on_progress=on_progress)
    except OdysseyError:
        raise  # some are an OSError as well
    except OSError as error:
        print(f"odyssey-proto: cannot write to {arguments.out}: {error.strerror or error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(attrs.asdict(summary)))
        return 0
    print(
        f"{summary.frames} frames of {summary.width}×{summary.height} in {summary.seconds:.1f} s: "
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
    return 0


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show a progress bar on stderr for as long as it lasts, and nothing where that is no terminal."""
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


def _emulator(arguments: argparse.Namespace) -> int:
    from .emulator.command import run

    return run(arguments)
