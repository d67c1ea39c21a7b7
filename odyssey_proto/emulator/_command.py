"""The command ``odyssey-proto emulator``, which serves until a signal ends it.

It prints one line of JSON, ``{"api_url": …, "api_key": …}``, as soon as it accepts requests. `main` is the command
on argparse, for installations with only the extra ``emulator``.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import queue
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._base.clock import TURN_S
from .._base.errors import OdysseyConfigError
from ._options import checked, setting_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from .._model.traffic import Seen
    from ._options import SettingOption

__all__ = ["FAULTS_HELP", "LOG_HELP", "main", "serve"]

LOG_HELP = "Write a line to stderr for each call and each message."
FAULTS_HELP = "Begin with the failures in this file: JSON, one Fault or a list of them."


def main(arguments: Sequence[str], prog: str) -> int:
    """Run the command and return its exit status.

    Raises:
        OdysseyError: as `serve` does.
        SystemExit: an argument is wrong (status 2), or the help was requested (0).
    """
    parser = argparse.ArgumentParser(prog=prog, description="An emulator of Odyssey.", allow_abbrev=False)
    options = setting_options()
    for option in options:
        _add_to(parser, option)
    parser.add_argument("--faults", type=Path, metavar="FILE", help=FAULTS_HELP)
    parser.add_argument("--log", action="store_true", help=LOG_HELP)
    parser.add_argument("--json", action="store_true", help="Print JSON, as it always does.")
    found = parser.parse_args(arguments)
    given = {option.setting: getattr(found, option.setting) for option in options}
    settings = checked({setting: value for setting, value in given.items() if value is not None})
    return serve(settings, faults=found.faults, log=found.log)


def _add_to(parser: argparse.ArgumentParser, option: SettingOption) -> None:
    text = option.help.replace("%", "%%")
    text += f" [default: {option.default}]" if option.default else ""
    kinds: dict[str, Any] = {}
    if option.is_switch:
        kinds = {"action": argparse.BooleanOptionalAction}
    else:
        kinds = {"type": _reader(option), "action": "append" if option.is_repeatable else "store"}
        kinds |= {"choices": option.choices} if option.choices else {"metavar": option.metavar}
    parser.add_argument(option.flag, dest=option.setting, default=None, help=text, **kinds)


def _reader(option: SettingOption) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return option.read(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return read


def serve(settings: Mapping[str, Any], *, faults: Path | None = None, log: bool = False) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, and return 0.

    Args:
        settings: settings of the emulator, by name.
        faults: a JSON file with failures to begin with.
        log: whether to write a line to stderr for each call and each message.

    Raises:
        OdysseyConfigError: a setting is not valid, or the file of faults cannot be used.
        OdysseyConnectionError: the emulator cannot listen on the address.
        MissingExtraError: the extra ``emulator`` is not installed.
    """
    from . import Emulator, watching

    emulator = Emulator(**settings)
    if faults is not None:
        _load_faults(emulator.faults.load, faults)
    # Not an event: a signal handler must not set one while the thread that it interrupts is about to wait for it.
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def end(number: int, _: FrameType | None) -> None:
        signals.put(number)

    # A terminal that closes sends SIGHUP, which is ignored under `nohup`; Windows has SIGBREAK instead.
    numbers = [signal.SIGINT, signal.SIGTERM]
    more = [signal.Signals[name] for name in ("SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    numbers += [number for number in more if signal.getsignal(number) is not signal.SIG_IGN]
    earlier = {number: signal.signal(number, end) for number in numbers}
    try:
        with watching(_write) if log else contextlib.nullcontext(), emulator:
            print(json.dumps({"api_url": emulator.api_url, "api_key": emulator.api_key}), flush=True)  # noqa: T201  # the command's output
            _await(signals)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    return 0


def _await(signals: queue.SimpleQueue[int]) -> None:
    """Wait for a signal, in turns: on Windows before Python 3.14, a signal does not wake a waiting thread."""
    while True:
        with contextlib.suppress(queue.Empty):
            signals.get(timeout=TURN_S)
            return


def _load_faults(load: Callable[[Any], None], path: Path) -> None:
    try:
        load(json.loads(path.read_text("utf-8-sig")))
    except OdysseyConfigError as exc:
        raise OdysseyConfigError(f"{path}: {exc}") from exc
    except OSError as exc:
        raise OdysseyConfigError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:
        raise OdysseyConfigError(f"{path} is not JSON") from exc


def _write(seen: Seen) -> None:
    from ._showing import as_line

    when = datetime.datetime.now().astimezone().isoformat(timespec="milliseconds")[11:23]
    line = "".join(letter if letter.isprintable() else "?" for letter in as_line(seen))
    if sys.stderr is None:
        return  # `print` would take stdout instead
    with contextlib.suppress(OSError, ValueError):  # its reader is gone, or it is closed
        print(f"{when} {line}", file=sys.stderr, flush=True)  # noqa: T201  # the command's output
