"""The driver on fake links: which errors it raises and when, and what its end leaves behind."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto import (
    ConnectionStatus,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyEventHandlers,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
)
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._live import commands
from odyssey_proto._live.driver import drivers_of
from odyssey_proto.core import inputs
from tests.support.clocks import HandClock
from tests.support.links import PATIENCE_S, FakeLink, FakeService
from tests.support.processes import eventually
from tests.support.systems import NEEDS_FORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto._live.driver import Driver
    from odyssey_proto._live.event_hub import EventQueue
    from tests.conftest import Background

LOST = OdysseyConnectionError("the line is dead", code="lost", recoverable=True)
DEAD = OdysseyConnectionError("gone for good", code="gone")
UPDATE = wire.Update(prompt="It rains")
CAT = wire.InteractiveStreamStart(prompt="A cat", portrait=True, broadcast=False)


@pytest.fixture
def service(nothing_left: None) -> FakeService:
    return FakeService()


@pytest.fixture
def driver(service: FakeService) -> Iterator[Driver]:
    driver = connected(service)
    yield driver
    driver.start_leaving()
    driver.join(PATIENCE_S)


def connected(service: FakeService, **options: Any) -> Driver:
    driver = service.driver(**options)
    commands.connect(driver, Deadline(PATIENCE_S, MonotonicClock()), None)
    return driver


def connecting_fails(service: FakeService, timeout: float = PATIENCE_S) -> OdysseyConnectionError:
    driver = service.driver()
    with pytest.raises(OdysseyConnectionError) as told:
        commands.connect(driver, Deadline(timeout, MonotonicClock()), None)
    driver.join(PATIENCE_S)
    assert driver.ended.wait(PATIENCE_S)
    return told.value


# --- connecting


def test_connecting_takes_every_step_and_publishes_the_state_before_it_returns(driver: Driver) -> None:
    assert driver.snapshot.status is ConnectionStatus.CONNECTED
    assert driver.snapshot.session_id == "s-1"


def refuse(error: Exception) -> Callable[..., Any]:
    def raises(*_: object) -> Any:
        raise error

    return raises


def test_a_refused_key_is_raised_as_it_is(service: FakeService) -> None:
    service.authenticating = refuse(OdysseyAuthError("no", code="invalid_api_key"))
    driver = service.driver()
    with pytest.raises(OdysseyAuthError, match="no"):
        commands.connect(driver, Deadline(PATIENCE_S, MonotonicClock()), None)
    assert driver.ended.wait(PATIENCE_S)
    assert service.did == ["hurry", "cut", "release"]


def test_no_free_streamer_is_raised_as_it_is_without_a_queue(service: FakeService) -> None:
    full = OdysseyConnectionError("No streamers available", code="no_streamers", status=503)
    service.requesting = lambda: inputs.StreamerUnavailable(full)
    assert connecting_fails(service).code == "no_streamers"


def test_a_link_that_cannot_be_opened_is_tried_again_and_raised_in_the_end(service: FakeService) -> None:
    service.opening = lambda link: link.fail(LOST) if link.plan.with_video else link.connect()
    error = connecting_fails(service)
    assert error.message == "the line is dead"
    assert len(service.links) > 2


def test_what_a_link_raises_while_it_opens_fails_it(service: FakeService) -> None:
    def opening(link: FakeLink) -> None:
        if link.plan.with_video:
            raise DEAD
        link.connect()

    service.opening = opening
    assert connecting_fails(service).code == "gone"


def test_a_fault_while_a_link_opens_is_an_internal_error(
    service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.opening = refuse(ZeroDivisionError())
    assert connecting_fails(service).code == "internal"
    assert "a worker failed" in caplog.text


def test_a_connect_that_takes_too_long_raises_and_gives_the_session_back(service: FakeService) -> None:
    def opening(link: FakeLink) -> None:
        if not link.plan.with_video:
            link.connect()

    service.opening = opening
    for timeout in (0.05, 1, 20):  # a busy machine takes longer to begin opening the link
        error = connecting_fails(service, timeout=timeout)
        assert isinstance(error, OdysseyConnectionTimeoutError)
        if "opening" in str(error):
            break
    assert str(error) == f"Not connected within {timeout:g} s, still opening the signaling connection"
    assert service.links[-1].sent == [wire.ClientDisconnecting()]


# --- calls


def test_calls_are_answered(driver: Driver) -> None:
    assert commands.start_stream(driver, CAT, PATIENCE_S) == "st-1"
    assert driver.snapshot.stream_id == "st-1"
    assert commands.interact(driver, UPDATE, PATIENCE_S) == "It rains"
    assert driver.snapshot.applied_prompt == "It rains"
    commands.end_stream(driver, PATIENCE_S)
    assert driver.snapshot.stream_id is None


def test_a_call_that_makes_no_sense_now_raises_at_once(driver: Driver) -> None:
    with pytest.raises(OdysseyStreamError, match="no stream is active") as told:
        commands.interact(driver, UPDATE, PATIENCE_S)
    assert told.value.code == "wrong_stream_state"


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (lambda driver: commands.start_stream(driver, CAT, 0.05), "start_stream"),
        (lambda driver: commands.interact(driver, UPDATE, 0.05), "interact"),
        (lambda driver: commands.end_stream(driver, 0.05), "end_stream"),
    ],
    ids=["start", "interact", "end"],
)
def test_a_call_that_nobody_answers_times_out(
    service: FakeService, driver: Driver, call: Callable[[Driver], object], operation: str
) -> None:
    if operation != "start_stream":
        commands.start_stream(driver, CAT, PATIENCE_S)
    service.answering = lambda *_: None
    with pytest.raises(OdysseyStreamTimeoutError, match=f"{operation} was not answered within 0.05 s"):
        call(driver)
    assert driver.snapshot.status is ConnectionStatus.CONNECTED


@pytest.mark.parametrize("error", [LOST, DEAD])
def test_a_call_in_flight_fails_when_the_link_does(
    service: FakeService, driver: Driver, in_background: Background, error: OdysseyConnectionError
) -> None:
    commands.start_stream(driver, CAT, PATIENCE_S)
    service.answering = lambda *_: None
    waiting = in_background(commands.interact, driver, UPDATE, PATIENCE_S)
    eventually(lambda: UPDATE in service.links[0].sent)
    service.links[0].fail(error)
    with pytest.raises(OdysseyStreamError, match=error.message) as told:
        waiting.result(PATIENCE_S)
    assert told.value.code == error.code


def test_a_call_in_flight_fails_when_somebody_disconnects(
    service: FakeService, driver: Driver, in_background: Background
) -> None:
    commands.start_stream(driver, CAT, PATIENCE_S)
    service.answering = lambda *_: None
    waiting = in_background(commands.interact, driver, UPDATE, PATIENCE_S)
    eventually(lambda: UPDATE in service.links[0].sent)
    driver.start_leaving()
    with pytest.raises(OdysseyStreamError, match="The client disconnected"):
        waiting.result(PATIENCE_S)


def test_after_the_end_a_call_says_why_it_is_over(service: FakeService) -> None:
    driver = connected(service)
    service.links[0].fail(DEAD)
    assert driver.ended.wait(PATIENCE_S)
    with pytest.raises(OdysseyStreamError, match=r"Cannot interact: client is failed \(gone for good\)"):
        commands.interact(driver, UPDATE, PATIENCE_S)
    with pytest.raises(OdysseyConnectionError, match="gone for good"):
        driver.wait(PATIENCE_S)


def test_connecting_that_is_overtaken_by_the_end_raises_a_connection_error(service: FakeService) -> None:
    driver = connected(service)
    driver.start_leaving()
    assert driver.ended.wait(PATIENCE_S)
    with pytest.raises(OdysseyConnectionError, match="The connection has ended"):
        driver.call("connect", inputs.Connect, PATIENCE_S, refuse(AssertionError()))


@pytest.mark.parametrize("may_linger", [False, True])
def test_a_connect_that_was_left_before_it_began_says_so(service: FakeService, may_linger: bool) -> None:
    driver = service.driver()
    driver.start_leaving(may_linger=may_linger)
    with pytest.raises(OdysseyConnectionError) as told:
        commands.connect(driver, Deadline(PATIENCE_S, MonotonicClock()), None)
    assert told.value.code == "disconnected"
    assert driver.ended.wait(PATIENCE_S)


def test_a_call_returns_after_its_effects(service: FakeService) -> None:
    driver = connected(service)
    read: list[object] = []

    def note(call: int, **_: object) -> None:
        read.extend(_read(events) for _ in range(len(events)))
        answer(call, **_)

    answer = driver._waiting.answer
    driver._waiting.answer = note  # type: ignore[method-assign]  # reads the events that precede the answer
    events = driver.events.subscribe()
    commands.start_stream(driver, CAT, PATIENCE_S)
    assert read[-1:] == ["StreamStarted"]
    service.links[0].show()
    frames = driver.hub.subscribe()
    commands.interact(driver, UPDATE, PATIENCE_S)
    assert read[-1:] == ["InteractAcknowledged"]
    commands.end_stream(driver, PATIENCE_S)
    assert read[-1:] == ["StreamEnded"]
    assert (frames.closed, driver.hub.latest) == (True, None)
    driver.start_leaving()
    driver.join(PATIENCE_S)


def _read(events: EventQueue) -> str:
    return type(events.get(Deadline(PATIENCE_S, MonotonicClock()))).__name__


# --- losing links


def test_the_statistics_count_the_gaps_that_were_reported(service: FakeService, driver: Driver) -> None:
    events = driver.events.subscribe()
    commands.start_stream(driver, CAT, PATIENCE_S)
    service.links[0].show()
    service.opening = lambda link: link.post(inputs.SignalingOpened(link.number))
    service.links[0].post(inputs.LinkFailed(1, LOST, video_at=driver.hub.last_at))
    eventually(lambda: len(service.links) == 2)
    service.links[1].show()  # before its channel is open
    eventually(lambda: driver.stats().gaps == 1)
    service.links[1].post(inputs.VideoReceived(2))
    service.links[1].post(inputs.ChannelOpened(2, 16384))
    commands.end_stream(driver, PATIENCE_S)
    told = [_read(events) for _ in range(len(events))]
    assert told[-3:] == ["StatusChanged", "GapEvent", "StreamEnded"]
    assert driver.stats().gaps == told.count("GapEvent") == 1


def test_a_streamer_that_is_gone_does_not_hold_up_a_call(service: FakeService, driver: Driver) -> None:
    commands.start_stream(driver, CAT, PATIENCE_S)
    service.answering = lambda *_: None
    service.links[0].lives = False
    with pytest.raises(OdysseyStreamError, match="no sign of life") as told:
        commands.end_stream(driver, PATIENCE_S)
    assert told.value.code == "streamer_silent"


def test_a_lost_link_is_followed_by_another_and_calls_wait_for_it(service: FakeService, driver: Driver) -> None:
    events = driver.events.subscribe()
    commands.start_stream(driver, CAT, PATIENCE_S)
    service.links[0].fail(LOST)
    assert commands.interact(driver, UPDATE, PATIENCE_S) == "It rains"
    assert len(service.links) == 2
    eventually(lambda: "close" in service.links[0].did)  # a worker closes it
    kinds = [type(events.get(Deadline(PATIENCE_S, MonotonicClock()))).__name__ for _ in range(4)]
    assert kinds == ["StreamStarted", "StatusChanged", "ErrorOccurred", "StatusChanged"]


def test_without_reconnecting_a_lost_link_is_the_end(service: FakeService) -> None:
    driver = connected(service, reconnect=False)
    service.links[0].fail(LOST)
    assert driver.ended.wait(PATIENCE_S)
    assert driver.snapshot.error is not None
    assert driver.snapshot.error.code == "lost"


def silent(service: FakeService, seconds: int) -> tuple[Driver, HandClock]:
    """Return a driver whose stream had one frame and then nothing for ``seconds`` s, and its clock."""
    clock = HandClock()
    driver = connected(service, clock=clock)
    service.links[0].packets, service.links[0].lives = 700, False
    commands.start_stream(driver, CAT, PATIENCE_S)
    clock.time += 0.5
    service.links[0].show()
    for _ in range(seconds):
        pass_time(driver, clock, 1.0)
    return driver, clock


def pass_time(driver: Driver, clock: HandClock, seconds: float) -> None:
    """Let time pass, and wait until the driver has looked for video and judged the result."""
    clock.time += seconds
    driver.post(None)
    for _ in range(2):
        commands.interact(driver, UPDATE, PATIENCE_S)


def test_a_link_is_prepared_beside_a_silent_one_and_opened_when_that_is_lost(service: FakeService) -> None:
    driver, clock = silent(service, 4)
    eventually(lambda: [link.did for link in service.links] == [["open", "keyframe"], ["prepare"]])
    assert (driver.link(), driver.snapshot.status) == (service.links[0], ConnectionStatus.CONNECTED)
    pass_time(driver, clock, 1.0)
    clock.time += 1.0
    driver.post(None)
    eventually(
        lambda: [link.did for link in service.links] == [["open", "keyframe", "close"], ["prepare", "open"]]
    )
    assert driver.link() is service.links[1]
    driver.start_leaving()
    driver.join(PATIENCE_S)


def test_a_link_that_is_not_needed_after_all_is_closed(service: FakeService) -> None:
    driver, clock = silent(service, 4)
    eventually(lambda: [link.did for link in service.links[1:]] == [["prepare"]])
    for _ in range(12):
        assert service.links[0].packets is not None
        service.links[0].packets += 1
        service.links[0].show()
        pass_time(driver, clock, 1.0)
    eventually(lambda: service.links[1].did == ["prepare", "close"])
    assert driver.link() is service.links[0]
    driver.start_leaving()
    driver.join(PATIENCE_S)


def test_a_preparation_that_fails_is_not_the_end(service: FakeService) -> None:
    service.preparing = refuse(DEAD)
    driver, _ = silent(service, 4)
    eventually(lambda: len(service.links) == 2)
    assert driver.snapshot.status is ConnectionStatus.CONNECTED
    driver.start_leaving()
    driver.join(PATIENCE_S)


def test_a_link_that_is_being_prepared_ends_with_the_session(service: FakeService) -> None:
    service.preparing = lambda _: service.cut_off.wait(PATIENCE_S)
    service.closing = lambda _: service.cut_off.wait(PATIENCE_S)
    driver, clock = silent(service, 4)
    driver.start_leaving()
    while not driver.ended.wait(0.02):
        clock.time += 0.2
        driver.post(None)
    driver.join(PATIENCE_S)
    eventually(lambda: service.links[1].did == ["prepare", "close"])  # the driver waits for workers only briefly


# --- the end


def test_leaving_says_goodbye_closes_the_link_and_releases_everything(service: FakeService) -> None:
    driver = connected(service, clock=HandClock())  # stands still, so a busy machine has enough time
    driver.start_leaving()
    driver.join(PATIENCE_S)
    assert driver.ended.is_set()
    assert driver.wait(0) is True
    assert service.links[0].sent == [wire.ClientDisconnecting()]
    assert service.links[0].did == ["open", "close"]
    assert service.did == ["hurry", "cut", "release"]


def test_leaving_does_not_wait_for_a_link_that_does_not_close(service: FakeService) -> None:
    driver = connected(service)
    service.closing = lambda _: service.cut_off.wait(PATIENCE_S)
    driver.start_leaving()
    driver.join(PATIENCE_S)
    assert service.did == ["hurry", "cut", "release"]


def test_leaving_twice_leaves_a_session_as_long_to_be_given_back(
    service: FakeService, in_background: Background
) -> None:
    clock, granted = HandClock(), threading.Event()
    request = service.requesting

    def wait_for_it() -> inputs.Input:
        assert granted.wait(PATIENCE_S)
        return request()

    service.requesting = wait_for_it
    driver = service.driver(clock=clock)
    deadline = Deadline(PATIENCE_S, MonotonicClock())
    connecting = in_background(commands.connect, driver, deadline, None)
    eventually(lambda: driver.snapshot.progress == "requesting a session")
    driver.start_leaving(may_linger=True)
    eventually(lambda: driver.snapshot.is_over)
    driver.start_leaving(may_linger=True)  # as the end of a `with` does
    clock.time += 2.0
    granted.set()
    assert driver.ended.wait(PATIENCE_S)
    assert service.links[0].sent == [wire.ClientDisconnecting()]
    with pytest.raises(OdysseyConnectionError):
        connecting.result(PATIENCE_S)


def test_leaving_leaves_a_session_that_was_lost_as_long_to_be_given_back(service: FakeService) -> None:
    clock, reachable = HandClock(), threading.Event()

    def opening(link: FakeLink) -> None:
        assert link.plan.with_video or reachable.wait(PATIENCE_S)
        link.connect()

    service.opening = opening
    driver = connected(service, reconnect=False, clock=clock)
    service.links[0].fail(LOST)
    eventually(lambda: driver.snapshot.is_over)
    driver.start_leaving(may_linger=True)
    clock.time += 2.0
    reachable.set()
    assert driver.ended.wait(PATIENCE_S)
    assert service.links[1].sent == [wire.ClientDisconnecting()]


def test_at_the_end_of_the_interpreter_a_link_is_closed_though_no_thread_can_be_started(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = connected(service)

    def refuse_to_start(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        driver.start_leaving()
        assert driver.ended.wait(PATIENCE_S)
    assert service.links[0].sent == [wire.ClientDisconnecting()]
    assert service.links[0].did == ["open", "close"]


def test_without_a_thread_there_is_no_session(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = service.driver()

    def refuse_to_start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        with pytest.raises(OdysseyConnectionError) as told:
            commands.connect(driver, Deadline(PATIENCE_S, MonotonicClock()), None)
    assert told.value.code == "no_resources"
    assert service.did == ["cut", "release"]


def test_a_session_that_never_began_is_not_waited_for(service: FakeService) -> None:
    driver = service.driver()
    driver.account = 4711
    driver.start_leaving()
    assert drivers_of(4711) == []


def test_a_start_that_ctrl_c_cuts_leaves_nothing_to_wait_for(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = service.driver()

    def interrupt(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            commands.connect(driver, Deadline(PATIENCE_S, MonotonicClock()), None)
    assert driver.ended.is_set()


def test_a_fault_of_the_core_ends_the_session_and_answers_those_who_wait(
    service: FakeService, driver: Driver, in_background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    commands.start_stream(driver, CAT, PATIENCE_S)
    service.answering = refuse(ZeroDivisionError())
    waiting = in_background(commands.interact, driver, UPDATE, PATIENCE_S)
    with pytest.raises((OdysseyConnectionError, OdysseyStreamError), match="ZeroDivisionError") as told:
        waiting.result(PATIENCE_S)
    assert told.value.code == "internal"
    assert driver.ended.wait(PATIENCE_S)
    eventually(lambda: {"close", "cut"} & {*service.links[0].did})  # by a worker, or by the driver
    assert "the driver of a connection failed" in caplog.text


def test_a_core_that_fails_while_it_breaks_off_ends_the_session_with_the_error(
    service: FakeService, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver._core, "receive", refuse(ZeroDivisionError()))
    with pytest.raises((OdysseyConnectionError, OdysseyStreamError), match="ZeroDivisionError"):
        commands.interact(driver, UPDATE, PATIENCE_S)
    assert driver.ended.wait(PATIENCE_S)
    assert (driver.snapshot.status, driver.snapshot.is_over) == (ConnectionStatus.FAILED, True)
    assert service.links[0].did[-1] == "cut"


@NEEDS_FORK
def test_a_forked_child_has_no_session(driver: Driver) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            commands.end_stream(driver, 1)
        except OdysseyConnectionError as error:
            os._exit(0 if error.code == "forked" and driver.snapshot.is_over else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert driver.snapshot.status is ConnectionStatus.CONNECTED


# --- handlers


def test_handlers_are_called_in_order(service: FakeService) -> None:
    called: list[str] = []
    handlers = OdysseyEventHandlers(
        on_connected=lambda: called.append("connected"),
        on_stream_started=lambda stream_id: called.append(f"started {stream_id}"),
        on_stream_ended=lambda: called.append("ended"),
        on_disconnected=lambda: called.append("disconnected"),
    )
    driver = connected(service, handlers=handlers)
    commands.start_stream(driver, CAT, PATIENCE_S)
    commands.end_stream(driver, PATIENCE_S)
    driver.start_leaving()
    driver.join(PATIENCE_S)
    assert called == ["connected", "started st-1", "ended", "disconnected"]
