"""The documentation's examples about a live connection, unchanged except for ``async`` and ``await``.

The longer ones, from the example pages, are in `tests.examples.test_applications`.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import ConnectionStatus, Odyssey, OdysseyAuthError, OdysseyConnectionError, OdysseyStreamError
from odyssey_proto.emulator._faults.script import Fault
from tests.support.documentation import example_of
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto import VideoFrame
    from odyssey_proto.emulator._server import Emulator

pytestmark = pytest.mark.usefixtures("_at_the_service")


@pytest.fixture
def service(emulator: Emulator) -> Emulator:
    """A separate emulator for the test, which shares no faults or sessions with others."""
    return emulator


@example_of("sdk/python/client", "Constructor")
def test_the_constructor(service: Emulator) -> None:
    from odyssey_proto import Odyssey

    client = Odyssey(api_key="ody_your_api_key_here")

    assert client.config.api_url == service.api_url  # from the environment variable
    assert client.connect().is_connected
    client.close()


@pytest.mark.parametrize(
    ("api_key", "faults", "printed"),
    [
        ("ody_your_api_key_here", [], []),
        ("ody_invalid_key", [], ["Status: failed", "Invalid API key"]),
        (
            "ody_your_api_key_here",
            [Fault(step="POST /sessions/request", action="answer", status=404)],
            ["Status: failed", "Connection failed: POST /sessions/request"],
        ),
    ],
    ids=["well", "invalid-key", "refused"],
)
@example_of("sdk/python/client", "connect()")
def test_connect(
    service: Emulator, capsys: pytest.CaptureFixture[str], api_key: str, faults: list[Fault], printed: list[str]
) -> None:
    service.faults.add(*faults)
    processed: list[VideoFrame] = []
    process_frame = processed.append
    client = Odyssey(api_key=api_key)

    try:
        client.connect(
            on_video_frame=lambda frame: process_frame(frame),
            on_stream_error=lambda reason, msg: print(f"Stream error: {reason} - {msg}"),
            on_status_change=lambda status, msg: print(f"Status: {status.value}"),
        )
        # omitted on the page
        with pytest.raises(OdysseyStreamError):
            client.start_stream("forbidden")
        client.start_stream("A cat")
        eventually(lambda: processed)
    except OdysseyAuthError:
        print("Invalid API key")
    except OdysseyConnectionError as e:
        print(f"Connection failed: {e}")
    finally:
        client.disconnect()

    lines = capsys.readouterr().out.splitlines()
    if not printed:
        assert lines == [
            "Status: authenticating",
            "Status: connecting",
            "Status: connected",
            "Stream error: moderation - The prompt was refused by moderation",
            "Status: disconnected",
        ]
        assert processed[0].data.shape == (1280, 704, 3)
    else:  # handlers print and calls raise on two threads
        assert lines[0] == "Status: authenticating"
        assert all(any(line.startswith(start) for line in lines) for start in printed)
        assert not client.is_connected
    client.close()


@example_of("sdk/python/client", "connect_with_credentials()")
def test_connect_with_credentials(service: Emulator) -> None:
    handled: list[VideoFrame] = []
    handle_frame = handled.append
    with Odyssey(api_key="ody_your_api_key") as server:
        data_from_server = json.loads(json.dumps(server.create_client_credentials().to_dict()))

    from odyssey_proto import ClientCredentials
    from odyssey_proto import Odyssey as Client

    # Client-side (no API key needed)
    creds = ClientCredentials.from_dict(data_from_server)
    client = Client()
    client.connect_with_credentials(
        credentials=creds,
        on_video_frame=handle_frame,
    )
    client.start_stream("A mountain lake")

    eventually(lambda: handled)
    assert client.current_session_id == creds.session_id
    assert "A mountain lake" in str(client.last_applied_prompt)
    client.disconnect()
    # "If the session token is expired or the signaling server rejects the connection."
    with pytest.raises(OdysseyConnectionError):
        client.connect_with_credentials(creds)  # for the previous session
    client.close()


@example_of("sdk/python/client", "disconnect()")
def test_disconnect(client: Odyssey) -> None:
    disconnected = threading.Event()
    session = client.connect(on_disconnected=disconnected.set)

    client.disconnect()

    assert disconnected.is_set()
    assert session.has_ended
    client.disconnect()  # a second call has no effect
    assert client.connect().is_connected  # the session was given back: the key may have only one


@example_of("sdk/python/client", "start_stream()")
def test_start_stream(client: Odyssey, capsys: pytest.CaptureFixture[str]) -> None:
    def start() -> None:
        try:
            stream_id = client.start_stream("A cat", portrait=True)
            print(f"Stream started: {stream_id}")
        except OdysseyStreamError as e:
            print(f"Failed to start stream: {e}")

    start()
    session = client.connect()
    start()
    start()

    failed, started, again = capsys.readouterr().out.splitlines()
    assert failed.startswith("Failed to start stream: Cannot start stream: client is disconnected")
    assert started == f"Stream started: {session.stream_id}"
    assert again.startswith("Failed to start stream: Cannot start stream: a stream is active already")


@example_of("sdk/python/client", "interact()")
def test_interact(client: Odyssey, capsys: pytest.CaptureFixture[str]) -> None:
    def interact() -> None:
        try:
            ack_prompt = client.interact("Pet the cat")
            print(f"Interaction acknowledged: {ack_prompt}")
        except OdysseyStreamError as e:
            print(f"Failed to interact: {e}")

    interact()  # "If not connected …
    client.connect()
    interact()  # … or no active stream."
    client.start_stream("A cat")
    interact()

    not_connected, no_stream, acknowledged = capsys.readouterr().out.splitlines()
    assert not_connected.startswith("Failed to interact: Cannot interact: client is disconnected")
    assert no_stream.startswith("Failed to interact: Cannot interact: no stream is active")
    assert acknowledged.startswith("Interaction acknowledged: ")
    assert "Pet the cat" in acknowledged


@example_of("sdk/python/client", "end_stream()")
def test_end_stream(client: Odyssey) -> None:
    with pytest.raises(OdysseyStreamError, match=r"^Cannot end stream: client is disconnected"):
        client.end_stream()
    session = client.connect()
    client.start_stream("A cat")

    client.end_stream()

    assert session.stream_id is None
    assert session.is_connected


@example_of("sdk/python/client", "is_connected", "current_status", "current_session_id")
def test_the_properties(client: Odyssey) -> None:
    seen: list[tuple[ConnectionStatus, bool, str | None]] = []

    def look(*_: object) -> None:
        seen.append((client.current_status, client.is_connected, client.current_session_id))

    look()
    session = client.connect()
    look()
    client.disconnect()
    look()
    with Odyssey(api_key="ody_invalid_key") as refused:
        with pytest.raises(OdysseyAuthError):
            refused.connect()
        assert refused.current_status is ConnectionStatus.FAILED

    assert session.session_id is not None
    assert seen == [
        (ConnectionStatus.DISCONNECTED, False, None),
        (ConnectionStatus.CONNECTED, True, session.session_id),
        (ConnectionStatus.DISCONNECTED, False, None),
    ]


@example_of("sdk/python/introduction", "Quick Start")
@example_of("api-quick-start", "Python: Text-to-Video")
def test_the_quick_start(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        try:
            client.connect(
                on_video_frame=lambda frame: print(f"Frame: {frame.width}x{frame.height}"),
                on_stream_started=lambda stream_id: print(f"Ready: {stream_id}"),
            )
            client.start_stream("A cat", portrait=True)
            client.interact("Pet the cat")
            client.end_stream()
        except OdysseyAuthError:
            print("Invalid API key")
        except OdysseyConnectionError as e:
            print(f"Connection failed: {e}")
        finally:
            client.disconnect()

    main()

    ready, *frames = capsys.readouterr().out.splitlines()
    with Odyssey(api_key="ody_your_api_key_here") as client:
        assert ready == f"Ready: {client.list_stream_recordings(limit=1).recordings[0].stream_id}"
    # On a busy machine, so short a stream may end before its first frame arrives.
    assert set(frames) <= {"Frame: 704x1280"}


@example_of("sdk/python/introduction", "Event Handlers")
def test_the_event_handlers(client: Odyssey, service: Emulator) -> None:
    called: dict[str, list[tuple[Any, ...]]] = {}

    def handler(name: str) -> Callable[..., None]:
        return lambda *arguments: called.setdefault(name, []).append(arguments)

    # on_broadcast_ready is in tests.examples.test_broadcasts
    names = [
        "on_connected",
        "on_disconnected",
        "on_video_frame",
        "on_stream_started",
        "on_stream_ended",
        "on_interact_acknowledged",
        "on_stream_error",
        "on_error",
        "on_status_change",
    ]
    handlers: dict[str, Any] = {name: handler(name) for name in names}
    client.connect(**handlers)
    stream_id = client.start_stream("A cat")
    applied = client.interact("Pet the cat")
    with pytest.raises(OdysseyStreamError):
        client.interact("Something forbidden")
    eventually(lambda: "on_video_frame" in called)
    client.end_stream()
    service.faults.add(Fault(step="stream start", action="error", reason="streamer_disconnected"))
    with pytest.raises(OdysseyStreamError):
        client.start_stream("A dog")
    client.disconnect()

    assert sorted(called) == sorted(names)
    frame = called.pop("on_video_frame")[0][0]
    assert (frame.width, frame.height) == (704, 1280)
    [(error, fatal)] = called.pop("on_error")
    assert isinstance(error, OdysseyConnectionError)
    assert str(error).startswith("Streamer disconnected")
    assert fatal is True
    *statuses, (last, message) = called.pop("on_status_change")
    assert [status for status, _ in statuses] == ["authenticating", "connecting", "connected"]
    assert (last, message) == ("failed", str(error))
    assert called == {
        "on_connected": [()],
        "on_disconnected": [()],
        "on_stream_started": [(stream_id,)],
        "on_stream_ended": [()],
        "on_interact_acknowledged": [(applied,)],
        "on_stream_error": [("moderation", "The prompt was refused by moderation")],
    }


# --- the two styles of connect()


@example_of("sdk/javascript/odyssey-class", "connect(): Await Style")
def test_the_style_that_waits(client: Odyssey) -> None:
    # Await style - use when you want sequential, Promise-based code
    session = client.connect()
    frames = session.frames(timeout=PATIENCE_S)

    # Connection is fully ready - no delay needed!
    client.start_stream(prompt="A cat")
    client.interact(prompt="Pet the cat")

    assert next(frames).data.shape == (1280, 704, 3)
    assert "Pet the cat" in str(client.last_applied_prompt)


@example_of("sdk/javascript/odyssey-class", "connect(): Callback Style")
def test_the_style_that_is_called(client: Odyssey, capsys: pytest.CaptureFixture[str]) -> None:
    acknowledged = threading.Event()

    # Callback style - use for event-driven code
    def on_connected() -> None:
        # Connection is fully ready - can call startStream immediately
        client.start_stream(prompt="A cat")

    def on_stream_started(stream_id: str) -> None:
        print("Stream ready:", stream_id)
        client.interact(prompt="Pet the cat")
        acknowledged.set()

    session = client.connect(
        on_connected=on_connected,
        on_stream_started=on_stream_started,
        on_stream_ended=lambda: print("Stream ended"),
        on_disconnected=lambda: print("Disconnected"),
        on_status_change=lambda status, message: print("Status:", status, message),
        on_error=lambda error, fatal: print("Error:", error, "Fatal:", fatal),
    )

    assert acknowledged.wait(PATIENCE_S)
    stream_id = session.stream_id
    assert "Pet the cat" in str(client.last_applied_prompt)
    client.end_stream()
    client.disconnect()
    assert capsys.readouterr().out.splitlines() == [
        "Status: authenticating None",
        "Status: connecting None",
        "Status: connected None",
        f"Stream ready: {stream_id}",
        "Stream ended",
        "Status: disconnected The client disconnected",
        "Disconnected",
    ]


# --- settings from the environment


@example_of("sdk/python/types", "Environment Variables")
def test_the_environment_variables(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", "ody_your_api_key_here")
    monkeypatch.setenv("ODYSSEY_API_URL", service.api_url)
    with Odyssey() as client:
        assert client.connect().is_connected
    monkeypatch.delenv("ODYSSEY_API_URL")
    assert Odyssey().config.api_url == "https://api.odyssey.ml"
