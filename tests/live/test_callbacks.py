"""Handlers of a live connection, as the documentation's callback style uses them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import ConnectionStatus, Odyssey, OdysseyAuthError, OdysseyStreamError
from odyssey_proto.emulator._faults.script import Fault
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from odyssey_proto import Session, VideoFrame
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient

SOON_S: Final = 10.0


class Journal:
    """Handlers that note their arguments and their thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.threads: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def handler(*arguments: object) -> None:
            self.threads.add(threading.current_thread().name)
            self.calls.append((name, *arguments))

        return handler

    def all(self, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
        names = (
            "on_connected",
            "on_disconnected",
            "on_stream_started",
            "on_stream_ended",
            "on_interact_acknowledged",
            "on_stream_error",
            "on_error",
            "on_status_change",
        )
        return {name: getattr(self, name) for name in names if name not in but}

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for found, *arguments in self.calls if found == name]  # type: ignore[misc]  # unpacked

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.calls]


def test_a_whole_session_is_reported_in_order_on_one_thread(client: Odyssey) -> None:
    journal = Journal()
    session = client.connect(**journal.all())
    stream_id = session.start_stream("A cat")
    applied = session.interact("Night")
    session.end_stream()
    session.disconnect()
    eventually(lambda: "on_disconnected" in journal.names)  # disconnect() may return before that
    assert journal.calls == [
        ("on_status_change", ConnectionStatus.AUTHENTICATING, None),
        ("on_status_change", ConnectionStatus.CONNECTING, None),
        ("on_status_change", ConnectionStatus.CONNECTED, None),
        ("on_connected",),
        ("on_stream_started", stream_id),
        ("on_interact_acknowledged", applied),
        ("on_stream_ended",),
        ("on_status_change", ConnectionStatus.DISCONNECTED, "The client disconnected"),
        ("on_disconnected",),
    ]
    assert journal.threads == {"odyssey-callbacks"}


def test_handlers_may_call_back_in_as_the_callback_style_does(client: Odyssey) -> None:
    done = threading.Event()
    said: list[object] = []

    def started(stream_id: str) -> None:
        said.append(stream_id)
        said.append(client.interact("Night", timeout=SOON_S))
        client.end_stream(timeout=SOON_S)

    client.connect(
        on_connected=lambda: said.append(client.start_stream("A cat", timeout=SOON_S)),
        on_stream_started=started,
        on_stream_ended=done.set,
    )
    assert done.wait(PATIENCE_S)
    assert said[0] == said[1]
    assert "Night" in str(said[2])


@pytest.mark.parametrize("way", ["disconnect", "close"])
def test_a_handler_may_leave(way: str, client: Odyssey) -> None:
    left = threading.Event()
    client.connect(on_stream_started=lambda _: getattr(client, way)(), on_disconnected=left.set)
    client.start_stream("A cat")
    assert left.wait(PATIENCE_S)
    assert client.current_status is ConnectionStatus.DISCONNECTED


def test_on_disconnected_may_connect_again(client: Odyssey) -> None:
    again: list[Session] = []
    connected = threading.Event()

    def once_more() -> None:
        again.append(client.connect(timeout=PATIENCE_S))
        connected.set()

    client.connect(on_disconnected=once_more).disconnect()
    assert connected.wait(PATIENCE_S)
    assert again[0].is_connected


def test_frames_come_to_the_handler_and_to_iterators_alike(client: Odyssey) -> None:
    shown: list[VideoFrame] = []
    session = client.connect(on_video_frame=shown.append)
    frames = session.frames(timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    eventually(lambda: len(shown) >= 3)
    assert next(frames).data.shape == shown[0].data.shape == (64, 512, 3)


def test_a_slow_frame_handler_sees_the_newest_and_holds_nothing_up(client: Odyssey) -> None:
    shown: list[VideoFrame] = []
    go_on = threading.Event()

    def slow(frame: VideoFrame) -> None:
        shown.append(frame)
        go_on.wait(PATIENCE_S)

    session = client.connect(on_video_frame=slow)
    frames = session.frames(timeout=SOON_S)
    session.start_stream("A cat")
    seen = [next(frames) for _ in range(10)]
    assert "Night" in session.interact("Night", timeout=SOON_S), "no call waits for a handler"
    go_on.set()
    eventually(lambda: len(shown) > 1)
    assert shown[1].index >= seen[-1].index
    assert shown[1].dropped_before == shown[1].index - shown[0].index - 1


def test_a_handler_that_raises_is_reported_and_stops_nothing(client: Odyssey) -> None:
    problem = ValueError("mine")

    def broken(*_: object) -> None:
        raise problem

    journal = Journal()
    session = client.connect(
        on_connected=broken, on_video_frame=broken, **journal.all(but=("on_connected", "on_video_frame"))
    )
    session.start_stream("A cat")
    eventually(lambda: len(journal.of("on_error")) >= 3)
    assert all([error, fatal] == [problem, False] for error, fatal in journal.of("on_error"))
    assert "Night" in session.interact("Night")


def test_a_stream_error_is_reported_with_reason_and_message(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="stream start", action="stream_error", reason="moderation", message="No"))
    journal = Journal()
    session = client.connect(**journal.all())
    with pytest.raises(OdysseyStreamError):
        session.start_stream("A cat")
    eventually(lambda: journal.of("on_stream_error"))
    assert journal.of("on_stream_error") == [["moderation", "No"]]


def test_a_lost_connection_is_seen_as_reconnecting_and_connected_again(
    emulator: Emulator, client: Odyssey
) -> None:
    journal = Journal()
    session = client.connect(**journal.all())
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="drop"))
    with pytest.raises(OdysseyStreamError):
        session.interact("Night")
    eventually(lambda: len(journal.of("on_status_change")) >= 5)
    assert [status for status, _ in journal.of("on_status_change")][-2:] == [
        ConnectionStatus.RECONNECTING,
        ConnectionStatus.CONNECTED,
    ]
    assert {fatal for _, fatal in journal.of("on_error")} == {False}  # one error for each attempt
    assert journal.names.count("on_connected") == 1
    assert "on_disconnected" not in journal.names


def test_a_connection_that_is_lost_for_good_is_disconnected_by_a_fatal_error(
    emulator: Emulator, make_client: MakeClient
) -> None:
    client = make_client(emulator, reconnect=False)
    journal = Journal()
    session = client.connect(**journal.all())
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="drop"))
    with pytest.raises(OdysseyStreamError):
        session.interact("Night")
    eventually(lambda: "on_disconnected" in journal.names)
    ((error, fatal),) = journal.of("on_error")
    assert fatal
    assert error.recoverable
    assert journal.names[-2:] == ["on_status_change", "on_disconnected"]


def test_a_connect_that_fails_calls_its_handlers_too(emulator: Emulator, make_client: MakeClient) -> None:
    journal = Journal()
    client = make_client(emulator, "ody_invalid_key")
    with pytest.raises(OdysseyAuthError):
        client.connect(**journal.all())
    eventually(lambda: len(journal.calls) >= 3)
    assert journal.names == ["on_status_change", "on_error", "on_status_change"]
    assert journal.of("on_status_change")[-1][0] is ConnectionStatus.FAILED


def test_a_handler_that_never_returns_does_not_keep_the_client_open(
    client: Odyssey, in_background: Background
) -> None:
    go_on = threading.Event()
    client.connect(on_connected=lambda: bool(go_on.wait(PATIENCE_S)))
    in_background(client.close).result(SOON_S)
    go_on.set()


def test_a_wrong_handler_is_refused_before_anything_is_sent(client: Odyssey) -> None:
    with pytest.raises(TypeError, match=r"^on_video_frame must be a function or None, not int$"):
        client.connect(on_video_frame=1)  # type: ignore[arg-type]  # that is the point
    assert client.current_status is ConnectionStatus.DISCONNECTED
