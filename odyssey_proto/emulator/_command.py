"""The command ``odyssey-proto emulator``, which serves until a signal ends it.

It prints one line of JSON, ``{"api_url": …, "api_key": …}``, as soon as it accepts requests.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import queue
import signal
import sys
from typing import TYPE_CHECKING

from ._config import CODECS
from ._server import Emulator
from ._showing import as_line
from ._traffic import watching

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from .._model.traffic import Seen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to ``parser``."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument(
        "--allow-host", action="append", metavar="NAME", help="also answer calls to this name; repeatable"
    )
    parser.add_argument(
        "--allow-origin", action="append", metavar="ORIGIN", help="also answer pages of this origin; repeatable"
    )
    parser.add_argument("--data-dir", help="folder that keeps recordings and jobs across restarts")
    parser.add_argument(
        "--world", metavar="WORLD", help="what streams show: module:Name, a video, or a folder of pictures"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the worlds (%(default)s)")
    parser.add_argument(
        "--sloppy", type=int, metavar="SEED", help="send the forms that only tolerant readers accept, by a seed"
    )
    parser.add_argument("--codec", choices=CODECS, default="both", help="video codecs to offer (%(default)s)")
    parser.add_argument(
        "--no-stamp", dest="stamp", action="store_false", default=None, help="leave the stamp out of the pictures"
    )
    parser.add_argument("--log", action="store_true", help="write a line to stderr for each call and each message")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, and return 0.

    Raises:
        OdysseyConfigError: an option is not valid.
        OdysseyConnectionError: the emulator cannot listen on the address.
    """
    emulator = Emulator(
        host=arguments.host,
        port=arguments.port,
        allow_hosts=arguments.allow_host or (),
        allow_origins=arguments.allow_origin or (),
        data_dir=arguments.data_dir,
        world=arguments.world,
        seed=arguments.seed,
        sloppy=arguments.sloppy,
        codec=arguments.codec,
        stamp=arguments.stamp,
    )
    # Not an event: a signal handler may not set one for which the thread that it interrupts is about to wait.
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def end(number: int, _: FrameType | None) -> None:
        signals.put(number)

    # A terminal that closes sends SIGHUP, which Windows does not have; `nohup` has it ignored.
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    earlier = {number: signal.signal(number, end) for number in numbers}
    try:
        with watching(_write) if arguments.log else contextlib.nullcontext(), emulator:
            print(json.dumps({"api_url": emulator.api_url, "api_key": emulator.api_key}), flush=True)  # noqa: T201  # the command's output
            signals.get()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    return 0


def _write(seen: Seen) -> None:
    when = datetime.datetime.now().astimezone().isoformat(timespec="milliseconds")[11:23]
    line = "".join(letter if letter.isprintable() else "?" for letter in as_line(seen))
    if sys.stderr is None:
        return  # `print` would take stdout instead
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more, or it is closed
        print(f"{when} {line}", file=sys.stderr, flush=True)  # noqa: T201  # the command's output
