"""The steps of a check that need a session: streams in both orientations, images, and refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import odyssey_models as wire

from .._base.errors import ConcurrentLimitReachedError, OdysseyError
from ..core.effects import SendChannel, SendSignaling
from ._service_run import ANSWER_S, SkipError, Step, StepFailedError
from ._violation import named

if TYPE_CHECKING:
    from ..session import Session
    from ._service_run import Run

__all__ = ["FIRST_STEPS", "LAST_STEPS"]

_PROMPT: Final = "A quiet lake at sunrise, and mountains behind it"
_CHANGE: Final = "A small boat crosses the lake"
_FRAMES: Final = 5
_SILENCE_S: Final = 15.0  # how long a message that our client would not send may stay unanswered
_IMAGE: Final = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_ERROR: Final = "interactive_stream_error"


def connect(run: Run) -> None:
    """Get a token, list the regions, ping them, request a streamer, and connect."""
    run.session = run.client.connect(timeout=2 * ANSWER_S)


def second_session(run: Run) -> None:
    """Request a second session while the first is open; most accounts may have only one."""
    run.live()
    with run.make_client() as other:
        try:
            credentials = other.create_client_credentials(timeout=ANSWER_S)
        except ConcurrentLimitReachedError:
            return
        other.connect_with_credentials(credentials, timeout=ANSWER_S).disconnect()
    raise SkipError("the account may have several sessions; the second was given back")


def landscape(run: Run) -> None:
    """Start a stream in landscape, look at it, change it, and end it."""
    session = run.idle()
    run.stream_id = session.start_stream(_PROMPT, portrait=False, timeout=ANSWER_S)
    _look(session, portrait=False)
    session.interact(_CHANGE, timeout=ANSWER_S)
    _look(session, portrait=False)


def second_start(run: Run) -> None:
    """Start a stream while one runs."""
    session = run.live()
    if session.stream_id is None:
        raise SkipError("no stream runs")
    start = wire.InteractiveStreamStart(prompt=_PROMPT, portrait=False, broadcast=False)
    _expect_refusal(run, start, "stream_already_active", "stream_started")


def end(run: Run) -> None:
    """End the stream."""
    run.live().end_stream(timeout=ANSWER_S)


def update_without_stream(run: Run) -> None:
    """Change a prompt while no stream runs."""
    run.idle()
    _expect_refusal(run, wire.Update(prompt=_CHANGE), "no_active_stream", "update_acknowledged")


def portrait(run: Run) -> None:
    """Start a stream in portrait, look at it, and end it."""
    session = run.idle()
    session.start_stream(_PROMPT, portrait=True, timeout=ANSWER_S)
    _look(session, portrait=True)
    session.end_stream(timeout=ANSWER_S)


def image(run: Run) -> None:
    """Start a stream from an image, or have it refused if the streamer lacks the capability."""
    session = run.idle()
    capabilities = session.capabilities
    if capabilities is not None and capabilities.image_to_video:
        picture = np.full((704, 1280, 3), 128, np.uint8)
        session.start_stream(_PROMPT, portrait=False, image=picture, timeout=ANSWER_S)
        session.end_stream(timeout=ANSWER_S)
        return
    start = wire.InteractiveStreamStart(prompt="", portrait=False, broadcast=False, input_image_base64=_IMAGE)
    _expect_refusal(run, start, "image_not_supported", "stream_started", signaling=True)
    session.end_stream(timeout=ANSWER_S)


def bypass(run: Run) -> None:
    """Start a stream without the expansion of prompts, or have it refused."""
    _start_refused(run, "bypass_not_allowed", _PROMPT, bypass_prompt_expansion=True)


def moderation(run: Run) -> None:
    """Start a stream with a prompt that moderation refuses."""
    if run.refused_prompt is None:
        raise SkipError("no prompt is known that moderation refuses (--refused-prompt)")
    _start_refused(run, "moderation", run.refused_prompt)


def disconnect(run: Run) -> None:
    """Leave the session with a goodbye."""
    if run.session is None:
        raise SkipError("there is no session")
    run.client.disconnect()  # even if the connection is lost: the service may still hold the session


def _look(session: Session, *, portrait: bool) -> None:
    frames = session.frames(timeout=ANSWER_S)
    for _, frame in zip(range(_FRAMES), frames, strict=False):
        if (frame.height > frame.width) != portrait:
            raise StepFailedError(f"a frame of {frame.width}×{frame.height} has the wrong orientation")


def _start_refused(run: Run, reason: str, prompt: str, **options: Any) -> None:
    """Start a stream, and check the answer if it is a refusal."""
    session, start = run.idle(), len(run.traffic)
    try:
        session.start_stream(prompt, portrait=False, timeout=ANSWER_S, **options)
    except OdysseyError:
        answer = run.traffic.message_after(start, (_ERROR,), 0)
        if answer is None:
            raise
        _decide_refusal(run, reason, json.loads(answer.text).get("reason"))
        return
    session.end_stream(timeout=ANSWER_S)
    raise SkipError("the service did not refuse it")


def _expect_refusal(
    run: Run,
    message: wire.InteractiveStreamStart | wire.Update,
    reason: str,
    accepted: str,
    *,
    signaling: bool = False,
) -> None:
    """Send a message that our client would refuse to send, and check the answer."""
    link = run.live()._driver.link()
    if link is None:
        raise SkipError("the connection is being restored")
    start = len(run.traffic)
    if signaling:
        assert isinstance(message, wire.InteractiveStreamStart)
        link.carry_out(SendSignaling(0, message))
    else:
        link.carry_out(SendChannel(0, message))
    answer = run.traffic.message_after(start, (_ERROR, accepted), _SILENCE_S)
    if answer is None:
        _decide_refusal(run, reason, "nothing")
        return
    data = json.loads(answer.text)
    _decide_refusal(run, reason, data.get("reason") if data["type"] == _ERROR else accepted)


def _decide_refusal(run: Run, reason: str, answered: object) -> None:
    note = f"the service answered {named(str(answered))!r}"
    run.decide(f"StreamErrorReason.{reason}", answered == reason, note)


FIRST_STEPS: Final = (
    Step("connect", connect),
    Step("a second session", second_session),
    Step("a stream in landscape, and interact", landscape),
    Step("a start while a stream runs", second_start),
    Step("the end of the stream", end),
    Step("an update without a stream", update_without_stream),
    Step("a stream in portrait", portrait),
    Step("a stream from an image", image),
    Step("a stream without the expansion of prompts", bypass),
    Step("a prompt that moderation refuses", moderation),
)
"""The steps before the broadcast."""

LAST_STEPS: Final = (Step("disconnect", disconnect),)
"""The steps after the broadcast."""
