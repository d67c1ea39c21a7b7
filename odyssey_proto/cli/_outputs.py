"""The outputs of a stream's pictures: the options for them, which `stream` and `watch` share, and their files."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import click

from . import _file_names, _files
from ._options import FREE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._video.frame import VideoFrame
    from ._page import Page

__all__ = ["Outputs", "Sink", "output_options"]

_SUFFIXES: Final = {"png": ".png", "jpeg": ".jpg"}
_PATH: Final = click.Path(path_type=Path)
_UNTIL_CTRL_C: Final = "until Ctrl-C"


class Sink(Protocol):
    """An output for pictures."""

    def put(self, frame: VideoFrame) -> None:
        """Take a picture."""


@attrs.define(eq=False, kw_only=True)
class Outputs:
    """The outputs to write. `prepare` settles the name of the file, and refuses combinations that cannot work."""

    out: Path | None
    """The MP4 file; after `prepare`, None means that none is wanted."""
    is_replacing: bool
    frames: Path | None
    every: int
    frame_format: str
    raw: Path | None
    show: bool
    opens_browser: bool
    seconds: float | None
    """Length in s from the first picture; None for no limit."""
    as_json: bool

    @property
    def raw_is_stdout(self) -> bool:
        """Whether stdout is for pictures."""
        return _files.is_stdout(self.raw)

    def prepare(self, name: str) -> None:
        """Settle the outputs; ``name`` becomes that of the MP4 file if no output was chosen.

        Raises:
            click.UsageError: outputs do not go together, or a file would be replaced.
            OdysseyConfigError: a file cannot be written.
        """
        if _files.is_stdout(self.out):
            raise click.UsageError("An MP4 file cannot be written to a pipe; --raw - sends pictures to stdout.")
        if self.out is not None and self.out.suffix.lower() != ".mp4":
            raise click.BadParameter(
                f"{self.out} must be an MP4 file: use a name that ends in .mp4.", param_hint="'--out'"
            )
        if self.raw_is_stdout and self.as_json:
            raise click.UsageError("--raw - needs stdout for the pictures; leave out --json.")
        if self.raw_is_stdout and sys.stdout.isatty():
            raise click.UsageError("--raw - sends pictures to stdout: pipe it into a program, such as ffmpeg.")
        if self.out is None and self.frames is None and self.raw is None and not self.show:
            self.out = _file_names.free_name(name, ".mp4", is_replaced=self.is_replacing)
        for path, option in ((self.out, "--out"), (self.raw, "--raw")):
            _files.expect_new(path, option, is_replacing=self.is_replacing)
        _files.expect_writable(self.out, self.raw)
        if self.frames is not None:
            _files.expect_folder(self.frames)
        if self.frames is not None and not self.is_replacing and self._earlier_frames():
            raise click.BadParameter(
                f"{self.frames} has pictures already; --force replaces them.", param_hint="'--frames'"
            )

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[list[Sink], Page | None]]:
        """Yield the outputs for each picture, and the page if it is among them; they are closed afterwards.

        Raises:
            OSError: something cannot be written, or the page has no port.
        """
        with contextlib.ExitStack() as until_the_end:
            sinks: list[Sink] = []
            page: Page | None = None
            if self.frames is not None:
                self.frames.mkdir(parents=True, exist_ok=True)
                for path in self._earlier_frames():
                    path.unlink()
                sinks.append(_Pictures(self.frames, self.every, self.frame_format))
            if self.raw is not None:
                file = (
                    sys.stdout.buffer if self.raw_is_stdout else until_the_end.enter_context(self.raw.open("wb"))
                )
                sinks.append(_Raw(file, "stdout" if self.raw_is_stdout else self.raw))
            if self.show:
                from ._page import Page

                page = until_the_end.enter_context(Page())
                sinks.append(page)
            yield sinks, page

    def _earlier_frames(self) -> list[Path]:
        if self.frames is None or not self.frames.is_dir():
            return []
        return [path for path in self.frames.iterdir() if re.fullmatch(r"frame-\d{6}\.(png|jpg)", path.name)]


def output_options(default_s: float | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options about outputs, and pass an `Outputs` to the command as ``outputs``.

    Args:
        default_s: the length in s without ``--seconds``; None for no limit. With ``--show``, there is no limit.
    """
    length = "until it ends" if default_s is None else f"{default_s:g}; with --show, {_UNTIL_CTRL_C}"

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--out",
            type=_PATH,
            metavar="FILE.mp4",
            help="Save the video here.  [default: a new file with a fitting name, unless there is another output]",
        )
        @click.option("--force", is_flag=True, help="Replace files that exist.")
        @click.option(
            "--seconds",
            type=FREE_LENGTH,
            metavar="TIME",
            help=f"How long, from the first picture: 10, 1m30s.  [default: {length}]",
        )
        @click.option(
            "--frames",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Save pictures into this folder.",
        )
        @click.option(
            "--every", type=click.IntRange(min=1), metavar="N", help="Save every N-th picture.  [default: 1]"
        )
        @click.option(
            "--frame-format", type=click.Choice(tuple(_SUFFIXES)), help="Format of the pictures.  [default: png]"
        )
        @click.option(
            "--raw", type=_PATH, metavar="FILE", help="Write each picture as rgb24 bytes; - is stdout, for ffmpeg."
        )
        @click.option("--show", is_flag=True, help="Show the live picture on a page in the browser.")
        @click.option("--no-browser", is_flag=True, help="With --show: only print the address of the page.")
        @click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="Print JSON, one object per line: events, and finally the result.",
        )
        @functools.wraps(function)
        def with_outputs(
            *positional: Any,
            out: Path | None,
            force: bool,
            seconds: float | None,
            frames: Path | None,
            every: int | None,
            frame_format: str | None,
            raw: Path | None,
            show: bool,
            no_browser: bool,
            as_json: bool,
            **options: Any,
        ) -> Any:
            for value, option in ((every, "--every"), (frame_format, "--frame-format")):
                if value is not None and frames is None:
                    raise click.UsageError(f"{option} applies only with --frames DIR.")
            outputs = Outputs(
                out=out,
                is_replacing=force,
                frames=frames,
                every=every or 1,
                frame_format=frame_format or "png",
                raw=raw,
                show=show,
                opens_browser=not no_browser,
                seconds=seconds if seconds is not None or show else default_s,
                as_json=as_json,
            )
            return function(*positional, outputs=outputs, **options)

        return with_outputs

    return add


class _Pictures:
    """Saves every n-th picture as a file of its own."""

    def __init__(self, folder: Path, every: int, picture_format: str) -> None:
        self._folder = folder
        self._every = every
        self._format = picture_format
        self._seen = 0
        self._saved = 0

    def put(self, frame: VideoFrame) -> None:
        self._seen += 1
        if (self._seen - 1) % self._every:
            return
        self._saved += 1
        path = self._folder / f"frame-{self._saved:06}{_SUFFIXES[self._format]}"
        # The quickest compression of PNG: pictures come 20 times a second.
        quality: dict[str, Any] = {"compress_level": 1} if self._format == "png" else {"quality": 92}
        with _files.naming(path):
            frame.to_image().save(path, self._format.upper(), **quality)


class _Raw:
    """Writes the bytes of each picture, scaled to the size of the first."""

    def __init__(self, file: Any, name: object) -> None:
        self._file = file
        self._name = name
        self._size: tuple[int, int] | None = None

    def put(self, frame: VideoFrame) -> None:
        if self._size is None:
            self._size = frame.width, frame.height
            from ._output import note

            how = f"-f rawvideo -pix_fmt rgb24 -video_size {frame.width}x{frame.height} -framerate 20"
            note(f"rgb24, {frame.width}x{frame.height}: ffmpeg {how} -i - ...")
        if self._size == (frame.width, frame.height):
            content = frame.to_ndarray("rgb24").tobytes()
        else:
            content = frame.to_image().resize(self._size).tobytes()
        with _files.naming(self._name):
            self._file.write(content)
            self._file.flush()
