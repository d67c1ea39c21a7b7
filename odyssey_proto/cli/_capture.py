"""``odyssey-proto capture``: its arguments, and one stream that is written to a live cassette."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import _file_names, _files
from ._access import service_options
from ._options import FREE_LENGTH, json_option
from ._start import StartOptions, start_options, way_to_watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._video.frame import VideoFrame
    from ..session import Session
    from ._access import Access

__all__ = ["command"]

_SUFFIX: Final = ".cast"
_OF_VIDEOS: Final = (".avi", ".mkv", ".mov", ".mp4", ".webm")


@click.command
@start_options(broadcast_help="Let others watch, now and when it is replayed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.cast",
    help="The cassette.  [default: a new file with a fitting name]",
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option(
    "--seconds",
    type=FREE_LENGTH,
    default="10",
    show_default=True,
    metavar="TIME",
    help="How long, from the first picture: 10, 1m30s.",
)
@json_option
@service_options
def command(
    start: StartOptions, out: Path | None, force: bool, seconds: float, as_json: bool, access: Access
) -> None:
    """Write a stream to a live cassette, which emulators replay.

    \b
      odyssey-proto capture "A cat on a hill" --at 3s "It rains" --out cat.cast
      odyssey-proto emulator --replay cat.cast

    The cassette has messages, encoded pictures and REST calls, and no keys, tokens or passwords. Ctrl-C ends it,
    and the file is complete.
    """
    start.check("capture", seconds)
    if _files.is_stdout(out):
        raise click.BadParameter("a cassette is a file, not a pipe.", param_hint="'--out'")
    if out is not None and out.suffix.lower() in _OF_VIDEOS:
        raise click.BadParameter(
            f"{out} would be a cassette, which no player plays: let it end in {_SUFFIX}.", param_hint="'--out'"
        )
    if out is None:
        out = _file_names.free_name(start.name, _SUFFIX, is_replaced=force)
    _files.expect_new(out, "--out", is_replacing=force)
    _files.expect_writable(out)
    _capture(access, out, start, seconds, as_json=as_json)


def _capture(access: Access, out: Path, start: StartOptions, seconds: float, *, as_json: bool) -> None:
    from .._base.errors import OdysseyError
    from ._output import note, print_json, progress

    wanted = start.wanted()
    schedule = sorted(start.schedule)
    prompts: list[dict[str, Any]] = []
    stream_id = ""
    failure: BaseException | None = None

    def steer(session: Session, at_s: float, prompt: str) -> None:
        nonlocal failure
        applied, error = None, None
        try:
            applied = session.interact(prompt, timeout=access.timeout)
        except OdysseyError as exc:
            error = exc
            failure = failure or exc  # the stream goes on, unless it has ended, which its frames say
            note(f"at {at_s:.1f} s: not applied: {exc}")
        prompts.append(
            {
                "at_s": round(at_s, 3),
                "prompt": prompt,
                "applied_prompt": applied,
                "error": error and error.to_dict(),
            }
        )

    with progress() as show, access.client(record=False) as client:
        show("connecting", None)
        with client.connect() as session, _files.naming(out):
            capture = session.capture(out)
            try:
                with capture:
                    frames = session.frames(timeout=access.timeout)
                    stream_id = session.start_stream(**wanted, timeout=max(60.0, access.timeout))
                    if start.broadcast:
                        _announce(session, access.timeout)
                    for at_s in _moments(frames, seconds, show):
                        while schedule and schedule[0][0] <= at_s:
                            steer(session, at_s, schedule.pop(0)[1])
                    session.end_stream(timeout=access.timeout)
            except (KeyboardInterrupt, OdysseyError) as exc:
                if not stream_id:
                    raise
                failure = exc
    if as_json:
        print_json(
            {
                "path": str(out),
                "stream_id": stream_id,
                "frames": capture.frames,
                "dropped": capture.dropped,
                "bytes": out.stat().st_size,
                "prompts": prompts,
            }
        )
    else:
        print(f"{out}: {capture.frames} pictures, {out.stat().st_size / 1e6:.1f} MB")
    if failure is not None:
        raise failure


def _announce(session: Session, timeout: float) -> None:
    """Say how to watch the broadcast, or why there is none."""
    from .._base.errors import OdysseyError
    from ._output import note

    try:
        note(f"watch it: {way_to_watch(session.wait_for_broadcast(timeout=timeout))}")
    except OdysseyError as error:
        if session.has_ended:
            raise
        note(f"no broadcast: {error}")


def _moments(
    frames: Iterator[VideoFrame], seconds: float, show: Callable[[str, float | None], None]
) -> Iterator[float]:
    """Yield the time since the first picture, in s, at each picture, until ``seconds`` have passed.

    The last picture is the first one after that: on a busy machine, it may be the first since a prompt was due.
    """
    from ._output import note

    begun_at: float | None = None
    for _ in frames:
        now = time.monotonic()
        begun_at = now if begun_at is None else begun_at
        show("capturing", min(1.0, (now - begun_at) / seconds))
        yield now - begun_at
        if now - begun_at >= seconds:
            return
    note("the service has ended the stream")
