"""How a stream begins and is steered: the options for it, which `stream` and `capture` share."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from . import _file_names
from ._options import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StartOptions", "start_options"]


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

    @property
    def wanted(self) -> dict[str, Any]:
        """The stream, as `Session.start_stream` takes it."""
        return {
            "prompt": self.prompt,
            "portrait": self.portrait,
            "image": self.image,
            "broadcast": self.broadcast,
        }

    def check(self, command: str, seconds: float | None) -> None:
        """Refuse an empty prompt without an image, and a schedule longer than the stream; ``command`` is its name.

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


def start_options(broadcast_help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the prompt and the options about the start, and pass a `StartOptions` to the command as ``start``."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.argument("prompt", required=False, default="")
        @click.option(
            "--at",
            "schedule",
            type=(SECONDS, str),
            multiple=True,
            metavar="TIME PROMPT",
            help='Steer the stream at this time: --at 3s "It rains". Repeatable.',
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
            prompt: str,
            schedule: tuple[tuple[float, str], ...],
            image: Path | None,
            portrait: bool,
            broadcast: bool,
            **options: Any,
        ) -> Any:
            start = StartOptions(
                prompt=prompt, schedule=schedule, image=image, portrait=portrait, broadcast=broadcast
            )
            return function(*positional, start=start, **options)

        return with_start

    return add
