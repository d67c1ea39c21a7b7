"""`Session`, the public live session: any thread may call it, and every call that waits has a timeout.

Arguments are checked here. Each call becomes a command of the session's driver; `odyssey_proto.core` decides
whether the command is possible.
"""

from __future__ import annotations

import os

import odyssey_models as wire

from ._base import arguments, errands, errors
from ._base.clock import Deadline
from ._base.public_path import publish
from ._live import commands
from ._live.live_capture import LiveCapture
from ._live.live_connection import LiveConnection
from ._model.credentials import ClientCredentials
from ._model.events import BroadcastInfo, BroadcastReady, ErrorOccurred, Event, StreamEnded, StreamFailed
from ._model.script import ImageInput
from ._video import images

__all__ = ["Session", "connect", "settle"]


def connect(
    live: Session,
    deadline: Deadline,
    credentials: ClientCredentials | None = None,
    *,
    wait_for_slot: bool = False,
) -> None:
    """Connect a new session; the public call is `Odyssey.connect`."""
    commands.connect(live._driver, deadline, credentials, wait_for_slot=wait_for_slot)


def settle(past: Session, deadline: Deadline) -> None:
    """Wait until an ended session has been given back to the service, or until ``deadline``."""
    if past._driver.has_begun:  # otherwise nothing was requested
        any(past._driver.ended.wait(seconds) for seconds in errands.turns(deadline))


class Session(LiveConnection):
    """A connection to one streamer, made by `Odyssey.connect`. Use it in a ``with``, or call `disconnect`.

    The end of a ``with`` ends the session for everyone who uses it, whether or not another ``with`` is still open.

    All methods may be called from any thread. Every ``timeout`` is in s; ``None`` waits until the event occurs or
    the connection ends. A call that times out raises and leaves the session usable. A session without handlers
    disconnects when it is garbage-collected.
    """

    _INSTEAD = "pass the result of Odyssey.create_client_credentials(), and connect with it there"

    # --- the state, as the Python client reference documents it

    @property
    def session_id(self) -> str | None:
        """The service's id of this session; None before the service has assigned one."""
        return self._driver.snapshot.session_id

    @property
    def stream_id(self) -> str | None:
        """The id of the running stream; None if no stream is running."""
        return self._driver.snapshot.stream_id

    @property
    def last_applied_prompt(self) -> str | None:
        """The prompt in effect, as the service rewrote it; None if no stream is running or it was not reported."""
        return self._driver.snapshot.applied_prompt

    @property
    def capabilities(self) -> wire.StreamerCapabilities | None:
        """The streamer's capabilities; None before a streamer is assigned."""
        return self._driver.snapshot.capabilities

    @property
    def broadcast(self) -> BroadcastInfo | None:
        """Where spectators can watch; None until the service has reported it, or without a broadcast."""
        return self._driver.snapshot.broadcast

    # --- the stream

    def start_stream(
        self,
        prompt: str = "",
        portrait: bool = True,
        image: ImageInput | None = None,
        image_path: str | os.PathLike[str] | None = None,
        bypass_prompt_expansion: bool | None = None,
        broadcast: bool = False,
        *,
        timeout: float | None = 60.0,
    ) -> str:
        """Start a stream and return its id once it is ready (Python client reference, "start_stream()").

        The id is empty if the service does not report it.

        Args:
            prompt: a description of the world.
            portrait: True for 704×1280, False for 1280×704 (width × height in px; models may differ).
            image: the first picture of the world: a path, the bytes of a file (JPEG, PNG, WebP, GIF, BMP, HEIC,
                HEIF or AVIF, at most 25 MB), a data URL, a PIL image or an RGB array, uint8, (H, W, 3). It is
                scaled and cropped to the stream's size before anything is sent.
            image_path: the old name of ``image``, deprecated.
            bypass_prompt_expansion: use the prompt as written; needs a privilege of the account.
            broadcast: let spectators watch; `wait_for_broadcast` returns the address.
            timeout: s to wait; if the stream starts afterwards, it is ended, and another `start_stream` waits for
                that.

        Raises:
            OdysseyConfigError: the image cannot be used; nothing was sent.
            MissingExtraError: the packages for images are not installed.
            OdysseyStreamError: not connected, a stream is already running, or the start failed; ``code`` is the
                reason, such as ``image_not_supported`` if the streamer cannot start from an image.
            OdysseyUsageError: a limit of the account (its subclasses say which).
            MalformedMessageError: the service's answer cannot be read; the stream, if there is one, is ended.
            OdysseyStreamTimeoutError: no answer in time.
        """
        arguments.timeout("timeout", timeout)
        image = images.only_one(image, image_path)  # here, so that its deprecation warning points to the caller
        return self._start_stream(prompt, portrait, image, bypass_prompt_expansion, broadcast, timeout)

    @errands.undisturbed
    def _start_stream(
        self,
        prompt: str,
        portrait: bool,
        image: ImageInput | None,
        bypass_prompt_expansion: bool | None,
        broadcast: bool,
        timeout: float | None,
    ) -> str:
        message = wire.InteractiveStreamStart(
            prompt=arguments.text("prompt", prompt),
            portrait=arguments.flag("portrait", portrait),
            input_image_base64=None if image is None else self._sendable(image, portrait),
            broadcast=arguments.flag("broadcast", broadcast),
            bypass_vlm_expansion=None
            if bypass_prompt_expansion is None
            else arguments.flag("bypass_prompt_expansion", bypass_prompt_expansion),
        )
        return commands.start_stream(self._driver, message, timeout)

    @errands.undisturbed
    def interact(self, prompt: str, *, timeout: float | None = 30.0) -> str:
        """Steer the stream and return the prompt as applied (Python client reference, "interact()").

        One interaction is in flight at a time; calls from several threads queue. The result is empty if the
        service does not report the prompt; `last_applied_prompt` is then None.

        Raises:
            OdysseyStreamError: not connected, no stream is running, or the prompt was refused; ``code`` is the
                reason.
            MalformedMessageError: the service's answer cannot be read.
            OdysseyStreamTimeoutError: no acknowledgement in time; it may still come.
        """
        arguments.timeout("timeout", timeout)
        message = wire.Update(prompt=arguments.text("prompt", prompt))
        return commands.interact(self._driver, message, timeout)

    @errands.undisturbed
    def end_stream(self, *, timeout: float | None = 30.0) -> None:
        """End the stream and wait for the service's confirmation (Python client reference, "end_stream()").

        Without a stream it does nothing, so an error handler may always call it.

        Raises:
            OdysseyStreamError: not connected.
            OdysseyStreamTimeoutError: no answer in time.
        """
        arguments.timeout("timeout", timeout)
        commands.end_stream(self._driver, timeout)

    @errands.undisturbed
    def wait_for_broadcast(self, *, timeout: float | None = 30.0) -> BroadcastInfo:
        """Wait until spectators can watch the stream, and return the address and the token.

        Raises:
            OdysseyStreamTimeoutError: no report in time; was the stream started with ``broadcast=True``?
            OdysseyStreamError: the stream or the session ended first, or the service's report was incomplete.
            MalformedMessageError: the service's report cannot be read.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        happening = self._driver.events.subscribe()
        if (known := self.broadcast) is not None:
            return known
        deadline = Deadline(timeout, self._driver.clock)
        kinds = (BroadcastReady, StreamFailed, StreamEnded, ErrorOccurred)
        while not _is_about_broadcast(found := self._first(happening, kinds, deadline)):
            pass
        if isinstance(found, ErrorOccurred):
            raise errors.again(found.error)
        if isinstance(found, BroadcastReady):
            return found.info
        message = found.message if isinstance(found, StreamFailed) else "The stream ended before it was broadcast"
        raise errors.OdysseyStreamError(
            message, code="no_broadcast", operation="wait for broadcast", session_id=self.session_id
        )

    # --- captures

    @errands.undisturbed
    def capture(self, path: str | os.PathLike[str]) -> LiveCapture:
        """Record the session in a live cassette, which `odyssey_proto.emulator.Emulator` replays.

        The file has the beginning of the session, and from now on all signaling and channel messages, all encoded
        frames with their times, and the REST calls of this client. Keys, tokens, passwords and addresses are
        removed; prompts, pictures and ids are not. The capture delays nothing, and ends with the ``with``, with
        `LiveCapture.close`, or with the session. Frames are written from the next keyframe on.

        Example:
            >>> with live.capture("cat.cast"):                                    # doctest: +SKIP
            ...     live.start_stream("A cat")
            ...     live.interact("The cat wakes up")
            >>> with Emulator(replay="cat.cast") as emulator: ...                 # doctest: +SKIP

        Args:
            path: the file; an existing one is replaced at once.

        Raises:
            OSError: the file cannot be written. Later errors are raised at the end of the ``with`` or by
                `LiveCapture.close`.
            OdysseyConfigError: another capture is writing this file.
            OdysseyStreamError: the session has ended.
        """
        driver = self._driver
        driver.refuse_fork()
        if self.has_ended:
            raise driver.snapshot.not_connected("capture")
        capture = LiveCapture(
            path, driver.beginning, driver.tap, driver.calls, driver.clock, secrets=driver.secrets
        )
        if (link := driver.link()) is not None:
            link.ask_for_keyframe()
        driver.recordings.add(capture._writing)
        if driver.ended.is_set():  # meanwhile, and perhaps before the capture could see it
            capture._writing.finish()
        errands.if_abandoned(capture.close)
        return capture

    def _require_connection(self, what: str) -> None:
        if self._driver.snapshot.is_over:
            raise self._driver.snapshot.not_connected(what)

    def __repr__(self) -> str:
        return f"<Session {self.session_id} {self.status}>"

    def _sendable(self, image: ImageInput, portrait: bool) -> str:
        able = self.capabilities
        if able is not None and not able.image_to_video and not self.has_ended:
            raise errors.OdysseyStreamError(
                "Cannot start stream: this streamer cannot start from an image; leave it out",
                code="image_not_supported",
                operation="start stream",
                session_id=self.session_id,
            )
        return images.to_data_url(image, portrait=portrait)


def _is_about_broadcast(event: Event) -> bool:
    """Return whether ``event`` decides if there is a broadcast; the errors of other threads' calls do not."""
    match event:
        case ErrorOccurred(error=errors.MalformedMessageError(message_type="broadcast_ready")):
            return True
        case ErrorOccurred():
            return False
        case StreamFailed(answers_call=answers_call, ends_stream=ends_stream):
            return ends_stream or not answers_call
    return True


publish("odyssey_proto", Session)
