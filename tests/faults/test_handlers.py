"""Handlers that raise, hang or disconnect, each of them in turn, and failures while many threads are calling."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import (
    AdvancedConfig,
    ConnectionStatus,
    Odyssey,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
    StreamFailed,
)
from odyssey_proto.emulator._server import Emulator
from tests.support.live import take
from tests.support.processes import PATIENCE_S, eventually, script
from tests.support.streamers import ScriptedStreamer, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from odyssey_proto import Session
    from tests.conftest import Background

HANDLERS: Final = (
    "on_status_change",
    "on_connected",
    "on_stream_started",
    "on_video_frame",
    "on_interact_acknowledged",
    "on_broadcast_ready",
    "on_stream_error",
    "on_error",
    "on_stream_ended",
    "on_disconnected",
)
"""All ten handlers, roughly in the order in which `through_all` gets them called."""


@pytest.fixture
def streamer(nothing_left: None) -> Iterator[ScriptedStreamer]:
    with ScriptedStreamer() as streamer:
        yield streamer


@pytest.fixture
def client(streamer: ScriptedStreamer) -> Iterator[Odyssey]:
    fast = AdvancedConfig(max_retries=2, initial_retry_delay_ms=10, max_retry_delay_ms=50)
    with Odyssey("ody_test", api_url=streamer.url, advanced=fast) as client:
        yield client


class Journal:
    """Handlers that record their calls; those named in ``odd`` also run ``deed``."""

    def __init__(self, odd: Sequence[str], deed: Callable[[], object]) -> None:
        self.called: list[str] = []
        self.reported: list[Exception] = []
        self._odd = odd
        self._deed = deed

    def handlers(self) -> dict[str, Any]:
        return {name: self._handler(name) for name in HANDLERS}

    def _handler(self, name: str) -> Callable[..., None]:
        def handle(*arguments: object) -> None:
            self.called.append(name)
            if name == "on_error" and isinstance(arguments[0], ZeroDivisionError):
                self.reported.append(arguments[0])
            elif name in self._odd:
                self._deed()

        return handle


def through_all(streamer: ScriptedStreamer, client: Odyssey, handlers: dict[str, Any]) -> None:
    """Run a session in which each handler is called."""
    session = client.connect(timeout=PATIENCE_S, **handlers)
    frames = session.frames(timeout=PATIENCE_S)
    session.start_stream("A cat", timeout=PATIENCE_S)
    next(frames, None)
    session.interact("Night", timeout=PATIENCE_S)
    happening = session.events(timeout=PATIENCE_S)
    streamer.tell(
        message("broadcast_ready", webrtc_url="http://127.0.0.1:9/x", spectator_token="t"),
        message("interactive_stream_error", reason="hiccup", message="Hiccup"),
    )
    next((event for event in happening if isinstance(event, StreamFailed)), None)
    streamer.close_socket(1011)
    eventually(lambda: (streamer.links == 2 and session.is_connected) or session.has_ended)
    session.interact("Day", timeout=PATIENCE_S)
    session.end_stream(timeout=PATIENCE_S)
    session.disconnect()


# An exception in `on_error` can only go to `threading.excepthook`.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("own", [True, False], ids=["on_error", "all others"])
def test_handlers_that_raise_stop_no_other_one(own: bool, streamer: ScriptedStreamer, client: Odyssey) -> None:
    odd = [name for name in HANDLERS if (name == "on_error") == own]
    journal = Journal(odd, lambda: 1 // 0)
    through_all(streamer, client, journal.handlers())
    eventually(lambda: "on_disconnected" in journal.called)
    assert set(journal.called) == set(HANDLERS)
    if not own:
        eventually(lambda: len(journal.reported) == sum(journal.called.count(name) for name in odd))


@pytest.mark.parametrize("where", [name for name in HANDLERS if name != "on_disconnected"])
def test_a_handler_that_never_returns_holds_up_neither_the_session_nor_its_end(
    where: str, streamer: ScriptedStreamer, client: Odyssey, caplog: pytest.LogCaptureFixture
) -> None:
    released = threading.Event()
    journal = Journal([where], lambda: released.wait(4 * PATIENCE_S))
    try:
        through_all(streamer, client, journal.handlers())
        client.close()
        assert not released.is_set(), "the session waited for the handler"
        assert where in journal.called
        assert "on_disconnected" not in journal.called
    finally:
        released.set()
    assert "a handler is still running" in caplog.text


WAYS: Final[dict[str, Callable[[Odyssey], object]]] = {
    "disconnect": lambda client: client.disconnect(),
    "close": lambda client: client.close(),
    "disconnect the session": lambda client: client._session and client._session.disconnect(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", HANDLERS)
def test_a_handler_may_leave_wherever_it_is_called(
    where: str, way: str, streamer: ScriptedStreamer, client: Odyssey, in_background: Background
) -> None:
    journal = Journal([where], lambda: WAYS[way](client))
    going = in_background(through_all, streamer, client, journal.handlers())
    error = going.exception(2 * PATIENCE_S)
    assert error is None or isinstance(error, OdysseyError), error
    assert not isinstance(error, TimeoutError)
    eventually(lambda: where in journal.called)
    eventually(lambda: client.current_status is ConnectionStatus.DISCONNECTED)
    if "on_connected" in journal.called:
        eventually(lambda: "on_disconnected" in journal.called)


@pytest.mark.parametrize("where", ["on_connected", "on_stream_started", "on_error"])
def test_a_handler_that_connects_again_gets_the_session_or_an_error_that_says_why_not(
    where: str, streamer: ScriptedStreamer, client: Odyssey
) -> None:
    outcomes: list[object] = []

    def connect_again() -> None:
        try:
            outcomes.append(client.connect(timeout=PATIENCE_S))
        except OdysseyConnectionError as refusal:
            outcomes.append(refusal.code)

    through_all(streamer, client, Journal([where], connect_again).handlers())
    assert set(outcomes) <= {client._session, "connecting", "reconnecting"}
    assert outcomes


# --- Ctrl-C


@pytest.mark.parametrize("handler", ["time.sleep(0.02)", "client.latest_frame", "never.wait()"])
def test_an_interrupt_while_handlers_run_raises_at_once_and_leaves_nothing_behind(handler: str) -> None:
    code = f"""
never = threading.Event()
seen = threading.Event()
def on_video_frame(frame):
    seen.set()
    {handler}
session = client.connect(on_video_frame=on_video_frame)
session.start_stream("A cat", portrait=False)
seen.wait()
try:
    say("waiting")
    session.wait()
except KeyboardInterrupt:
    say("interrupted")
"""
    with Emulator(record=False, size=(512, 64)) as emulator, script(code, emulator.api_url) as process:
        assert process.said() == ["waiting"]
        process.signal(signal.SIGINT)
        assert process.said() == ["interrupted"]
        assert process.ended() == 0
        assert process.stderr == ""


# --- many callers


CALLERS: Final = 8


def stream(client: Odyssey) -> Session:
    session = client.connect(timeout=PATIENCE_S)
    session.start_stream("A cat", timeout=PATIENCE_S)
    take(session.frames(timeout=PATIENCE_S), 1)
    return session


def call_all(session: Session, in_background: Background, timeout: float = PATIENCE_S) -> dict[str, Any]:
    """Call `interact` from 8 threads at once, and return the outcomes by prompt."""
    start = threading.Barrier(CALLERS)

    def interact(prompt: str) -> str | OdysseyError:
        start.wait()
        try:
            return session.interact(prompt, timeout=timeout)
        except OdysseyError as error:
            return error

    calls = {f"Prompt {number}": in_background(interact, f"Prompt {number}") for number in range(CALLERS)}
    return {prompt: call.result(PATIENCE_S) for prompt, call in calls.items()}


def test_each_of_many_callers_gets_the_answer_to_its_own_prompt(
    client: Odyssey, in_background: Background
) -> None:
    session = stream(client)
    for _ in range(5):
        outcomes = call_all(session, in_background)
        assert outcomes == {prompt: f"Applied: {prompt}" for prompt in outcomes}


def failing(streamer: ScriptedStreamer, number: int, text: str) -> list[str]:
    """Answer update number ``number`` with ``text``; return a list to which each prompt is added as it arrives."""
    usual, prompts = streamer.answers["update"], []

    def answer(request: dict[str, Any]) -> str:
        prompts.append(request["prompt"])
        return text if len(prompts) == number else usual(request)

    streamer.answers["update"] = answer
    return prompts


def test_an_error_for_one_of_many_callers_is_raised_by_that_one(
    streamer: ScriptedStreamer, client: Odyssey, in_background: Background
) -> None:
    session = stream(client)
    prompts = failing(streamer, 4, message("interactive_stream_error", reason="moderation", message="No"))
    outcomes = call_all(session, in_background)
    refused = outcomes.pop(prompts[3])
    assert isinstance(refused, OdysseyStreamError)
    assert refused.code == "moderation"
    assert outcomes == {prompt: f"Applied: {prompt}" for prompt in outcomes}


def test_a_late_answer_to_one_of_many_callers_is_nobody_elses(
    streamer: ScriptedStreamer, client: Odyssey, in_background: Background
) -> None:
    session = stream(client)
    streamer.held.add("update")
    with pytest.raises(OdysseyStreamTimeoutError):
        session.interact("Late", timeout=0.2)
    streamer.wait_for("update")  # an update that came only after the next lines would be answered at once
    calling = in_background(call_all, session, in_background)
    streamer.held.clear()
    streamer.answer("update")
    outcomes = calling.result(PATIENCE_S)
    assert outcomes == {prompt: f"Applied: {prompt}" for prompt in outcomes}


def test_a_timeout_of_many_callers_is_reported_to_each_once(
    streamer: ScriptedStreamer, client: Odyssey, in_background: Background
) -> None:
    session = stream(client)
    streamer.held.add("update")
    outcomes = call_all(session, in_background, timeout=0.5)
    assert {type(outcome) for outcome in outcomes.values()} == {OdysseyStreamTimeoutError}
    streamer.wait_for("update")
    streamer.held.clear()
    streamer.answer("update")
    assert session.interact("After", timeout=PATIENCE_S) == "Applied: After"
    assert streamer.heard.count("update") == 2, "those that nobody waits for any more were not sent"


def test_the_end_of_a_stream_is_reported_to_each_of_many_callers(
    streamer: ScriptedStreamer, client: Odyssey, in_background: Background
) -> None:
    session = stream(client)
    failing(streamer, 3, message("interactive_stream_error", reason="session_timeout", message="Time is up"))
    outcomes = call_all(session, in_background)
    served = {prompt for prompt, outcome in outcomes.items() if outcome == f"Applied: {prompt}"}
    failed = [outcome for prompt, outcome in outcomes.items() if prompt not in served]
    assert len(served) == 2
    assert all(isinstance(outcome, OdysseyError) and not isinstance(outcome, TimeoutError) for outcome in failed)
    assert any(outcome.code == "STREAM_DURATION_EXCEEDED" for outcome in failed)


def test_a_loss_is_reported_to_each_of_many_callers_and_the_next_call_works(
    streamer: ScriptedStreamer, client: Odyssey, in_background: Background
) -> None:
    session = stream(client)
    streamer.held.add("update")
    calling = in_background(call_all, session, in_background)
    streamer.wait_for("update")
    streamer.held.clear()  # before the loss: a call during the rejoin waits until it is over, and is then answered
    streamer.close_socket(1011)
    eventually(lambda: streamer.links == 2)
    outcomes = calling.result(PATIENCE_S)
    for prompt, outcome in outcomes.items():
        if isinstance(outcome, OdysseyStreamError):
            assert str(outcome).startswith("The connection ended before the answer: ")
        else:
            assert outcome == f"Applied: {prompt}"
    assert session.interact("After", timeout=PATIENCE_S) == "Applied: After"
