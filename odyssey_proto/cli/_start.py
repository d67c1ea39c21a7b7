"""How a stream begins and is steered: the options for it, which `stream` and `capture` share."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from . import _file_names
from ._options import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .. import BroadcastInfo

__all__ = ["StartOptions", "start_options", "way_to_watch"]


@attrs.frozen(kw_only=True)
class StartOptions:
    """The start and the steering of a stream. `check` refuses values that cannot work."""

    prompt: str
    schedule: tuple[tuple[float, str], ...]
    """The prompts that steer, with their times in s from the first picture."""
    image: Path | None
    portrait: bool
    broadcast: bool

    @property
    def name(self) -> str:
        """The name for a file of the stream, without a suffix."""
        return _file_names.slug(self.prompt, "stream" if self.image is None else self.image.stem)

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of `Session.start_stream`. The image is read now, before anything is connected.

        Raises:
            OdysseyConfigError: the image cannot be used.
            MissingExtraError: the image needs a package that is not installed.
        """
        image = None
        if self.image is not None:
            from .._video.images import to_data_url  # not for the help

            image = to_data_url(self.image, portrait=self.portrait)
        return {"prompt": self.prompt, "portrait": self.portrait, "image": image, "broadcast": self.broadcast}

    def check(self, command: str, seconds: float | None) -> None:
        """Refuse an empty prompt without an image, and a schedule longer than the stream.

        Args:
            command: the name of the command.
            seconds: the length of the stream, in s; None if it has no limit.

        Raises:
            click.UsageError: an option is wrong.
        """
        if not self.prompt.strip() and self.image is None:
            raise click.UsageError(
                f'Say what to stream: odyssey-proto {command} "A cat on a hill", or --image FILE.'
            )
        late = [at_s for at_s, _ in self.schedule if seconds is not None and at_s >= seconds]
        if late:
            raise click.BadParameter(
                f"{late[0]:g} s is not within the {seconds:g} s of the stream; see --seconds.", param_hint="'--at'"
            )


def way_to_watch(info: BroadcastInfo) -> str:
    """Return the shell command with which others watch a broadcast. It contains the token."""
    hls = "" if info.hls_url is None else f" --hls-url {shlex.quote(info.hls_url)}"
    token = f"ODYSSEY_SPECTATOR_TOKEN={shlex.quote(info.spectator_token)}"
    return f"{token} odyssey-proto watch {shlex.quote(info.webrtc_url)}{hls}"


def start_options(broadcast_help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the prompt and the options of the start, and passes them on as ``start``.

    The command gets a `StartOptions`.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.argument("words", nargs=-1, metavar="[PROMPT]")
        @click.option(
            "--at",
            "schedule",
            type=(SECONDS, str),
            multiple=True,
            metavar="TIME PROMPT",
            help='Steer the stream at this time, which is within --seconds: --at 3s "It rains". Repeatable.',
        )
        @click.option(
            "--image",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Begin with this picture: JPEG, PNG, WebP, GIF, BMP, HEIC, AVIF.",
        )
        @click.option("--portrait/--landscape", default=False, help="Shape of the picture.  [default: landscape]")
        @click.option("--broadcast", is_flag=True, help=broadcast_help)
        @functools.wraps(function)
        def with_start(
            *positional: Any,
            words: tuple[str, ...],
            schedule: tuple[tuple[float, str], ...],
            image: Path | None,
            portrait: bool,
            broadcast: bool,
            **options: Any,
        ) -> Any:
            if len(words) > 1:
                raise click.UsageError(f'A prompt of several words needs quotes: "{" ".join(words)}".')
            prompt = "".join(words)
            start = StartOptions(
                prompt=prompt, schedule=schedule, image=image, portrait=portrait, broadcast=broadcast
            )
            return function(*positional, start=start, **options)

        return with_start

    return add
