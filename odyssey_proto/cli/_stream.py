"""``odyssey-proto stream``: its arguments, and one stream from its prompt to its end."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from .._base.errors import OdysseyStreamError
from ._access import service_options
from ._outputs import Outputs, output_options
from ._start import StartOptions, start_options, way_to_watch

if TYPE_CHECKING:
    from ..session import Session
    from ._access import Access
    from ._steering import Steered

__all__ = ["command"]

_DEFAULT_S: Final = 10.0
_HINT: Final = "type a prompt and press Enter to steer the stream; Ctrl-C ends it"


@click.command
@start_options(broadcast_help="Let others watch; prints how.")
@click.option(
    "--typing/--no-typing",
    "is_typed_into",
    default=None,
    help="Steer with each line that comes on stdin.  [default: if that is a terminal]",
)
@output_options(_DEFAULT_S)
@service_options
def command(start: StartOptions, is_typed_into: bool | None, outputs: Outputs, access: Access) -> int:
    """Stream a world from a prompt, into a file, a page or a pipe.

    \b
      odyssey-proto stream "A cat on a hill" --at 3s "It rains" --out cat.mp4
      odyssey-proto stream "A cat" --raw - | ffplay -f rawvideo -pixel_format rgb24 -video_size 1280x704 -

    While it runs, each line that you type steers it. Ctrl-C ends it, and the file is complete.
    """
    start.check("stream", outputs.seconds)
    outputs.prepare(start.name)
    has_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    streaming = _Streaming(
        start.schedule, outputs, is_typed_into=has_terminal if is_typed_into is None else is_typed_into
    )
    return streaming.run(access, start.wanted())


class _Streaming:
    """One stream."""

    def __init__(self, schedule: tuple[tuple[float, str], ...], outputs: Outputs, *, is_typed_into: bool) -> None:
        from ._viewing import Viewing

        self._schedule = schedule
        self._is_typed_into = is_typed_into
        self._viewing = Viewing(outputs, is_typed_into=is_typed_into)
        self._steered: list[Steered] = []
        self._stream_id = ""

    def run(self, access: Access, wanted: dict[str, Any]) -> int:
        """Stream ``wanted``, the arguments of `Session.start_stream`, and return the exit status."""
        with self._viewing as viewing:
            viewing.step("connecting")
            with access.client(record=False) as client, client.connect() as session:
                ending = self._stream(session, wanted, timeout_s=max(60.0, access.timeout))
                if ending.error is None:
                    # If the connection was lost meanwhile, that has ended the stream, too.
                    with contextlib.suppress(OSError, OdysseyStreamError):
                        session.end_stream(timeout=access.timeout)
            viewing.report(
                ending,
                {"stream_id": self._stream_id, "prompts": [steered.to_dict() for steered in self._steered]},
            )
        failed = [steered.error for steered in self._steered if steered.error and not steered.is_typed]
        if failed:
            raise failed[0]
        return 0

    def _stream(self, session: Session, wanted: dict[str, Any], timeout_s: float) -> Any:
        from ._steering import Steering, typed_lines

        viewing = self._viewing

        def start() -> None:
            self._stream_id = session.start_stream(**wanted, timeout=timeout_s)

        def follow() -> None:
            viewing.emit({"type": "started", "stream_id": self._stream_id}, f"stream id: {self._stream_id}")
            viewing.caption(session.last_applied_prompt or wanted["prompt"])
            until_the_end.enter_context(steering)
            if self._is_typed_into:
                until_the_end.enter_context(typed_lines(steering.type))
                if sys.stdin.isatty():
                    viewing.emit({"type": "typing"}, _HINT)

        steering = Steering(
            session,
            self._schedule,
            self._note,
            first=(lambda: self._announce(session)) if wanted["broadcast"] else None,
        )
        with contextlib.ExitStack() as until_the_end:
            return viewing.watch(session, start, follow, steering.begin)

    def _announce(self, session: Session) -> None:
        """Report how to watch the broadcast, once it can be watched."""
        from .._base.errors import OdysseyError

        try:
            info = session.wait_for_broadcast()
        except OdysseyError as error:
            if not session.has_ended:
                self._viewing.emit({"type": "no_broadcast", "error": error.to_dict()}, f"no broadcast: {error}")
            return
        self._viewing.emit({"type": "broadcast", **info.to_dict()}, f"watch it: {way_to_watch(info)}")

    def _note(self, steered: Steered) -> None:
        """Report the outcome of a prompt."""
        self._steered.append(steered)
        if steered.error is None:
            text = steered.applied_prompt or steered.prompt
            self._viewing.caption(text)
        else:
            text = f"not applied: {steered.error}"
        self._viewing.emit({"type": "prompt", **steered.to_dict()}, f"at {steered.at_s:.1f} s: {text}")
