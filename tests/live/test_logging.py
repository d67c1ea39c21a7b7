"""Logging: nothing by default; on request all that is sent and received, and never a secret."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import OdysseyError
from odyssey_proto.emulator._accounts.service import Service
from odyssey_proto.emulator._faults.script import Fault
from tests.support.processes import PATIENCE_S, emulator_process, eventually, python, script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from odyssey_proto import Odyssey, Session
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient, MakeEmulator

SOON_S: Final = 10.0
KEY: Final = "ody_a_key_that_nobody_may_see"
TURN: Final = {"urls": "turn:127.0.0.1:9", "username": "turn-user-4711", "credential": "turn-password-4711"}
BROADCAST: Final = (
    '{"type": "broadcast_ready", "broadcast_url": "http://hls.example/x.m3u8?sig=signature-4711",'
    ' "webrtc_url": "http://whep.example/x?key=signature-4711", "spectator_token": "spectator-4711"}'
)

WHOLE_SESSION: Final = """
with client, client.connect() as session:
    session.start_stream("A cat", portrait=False)
    frames = session.frames(timeout=10)
    with session.record(sys.stdin.readline().strip()):
        next(frames)
        try:
            session.interact("Night")
        except OdysseyError:
            pass
        session.interact("Day", timeout=20)
        next(frames)
    session.end_stream()
"""


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Everything that our loggers log, tracebacks included, as a user's handler receives it."""
    lines: list[str] = []
    handler = logging.Handler(logging.DEBUG)
    formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")
    handler.emit = lambda record: lines.append(formatter.format(record))  # type: ignore[method-assign]
    ours = logging.getLogger("odyssey_proto")
    level = ours.level
    ours.setLevel(logging.DEBUG)
    ours.addHandler(handler)
    yield lines
    ours.removeHandler(handler)
    ours.setLevel(level)


@pytest.fixture
def issued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that emulators of this process have issued."""
    tokens: list[str] = []
    sign: Callable[..., str] = Service._token

    def remember(*args: Any) -> str:
        tokens.append(sign(*args))
        return tokens[-1]

    monkeypatch.setattr(Service, "_token", remember)
    return tokens


def secrets_of_connection(session: Session) -> list[str]:
    """Return passwords and fingerprints of both ends of the peer connection."""
    (link,) = session._driver._links.values()
    assert link._peer is not None
    connection = link._peer.peer_connection
    assert connection is not None
    text = connection.localDescription.sdp + connection.remoteDescription.sdp
    found = re.findall(r"^a=(?:ice-pwd:|fingerprint:\S+ )(\S+)", text, re.MULTILINE)
    assert len(found) >= 4
    return found


def whole_session(client: Odyssey, emulator: Emulator, tmp_path: Path) -> list[str]:
    """Make every call of a client and lose its connection once; return the secrets that only the client knew."""
    emulator.faults.add(
        Fault(step="stream update", action="send", text=BROADCAST),
        Fault(step="stream update", action="drop"),
    )
    secrets: list[str] = []
    with client.connect(timeout=PATIENCE_S) as session:
        stream_id = session.start_stream("A cat", portrait=False)
        secrets += secrets_of_connection(session)
        frames = session.frames(timeout=SOON_S)
        next(frames)
        session.interact("Dusk")
        with pytest.raises(OdysseyError):
            session.interact("Night")
        session.interact("Day", timeout=PATIENCE_S)
        secrets += secrets_of_connection(session)
        next(frames)
        session.end_stream()
    eventually(lambda: client.get_recording(stream_id).video_url)
    recording = client.get_recording(stream_id)
    signatures = re.findall(r"[?&][^=&]*[Ss]ig[^=&]*=([^&]+)", recording.video_url or "")
    assert signatures
    secrets += signatures
    client.download_recording(stream_id, tmp_path)
    assert client.create_client_credentials().session_id
    return secrets


def test_debug_logs_what_is_sent_and_received_without_secrets(
    make_emulator: MakeEmulator, make_client: MakeClient, logged: list[str], issued: list[str], tmp_path: Path
) -> None:
    emulator = make_emulator(ice_servers=[TURN], record=True)
    client = make_client(emulator, KEY)
    secrets = whole_session(client, emulator, tmp_path)
    text = "\n".join(logged)

    assert len(issued) >= 4
    for secret in [KEY, *issued, *secrets, TURN["credential"], "signature-4711", "spectator-4711"]:
        assert secret not in text
    for mark in ("eyJ", "ice-pwd", "fingerprint", "v=0"):
        assert mark not in text

    for told in (
        "http DEBUG POST /auth/token: 200",
        "http DEBUG GET /regions: 200",
        "http DEBUG POST /sessions/request: 200",
        "http DEBUG POST /sessions/token: 200",
        "/config: 200",
        "http DEBUG GET /recordings/",
        "http DEBUG GET /artifacts/",
        "signaling DEBUG < offer, ",
        "signaling DEBUG > answer, ",
        "signaling DEBUG > client_disconnecting, ",
        'live DEBUG > {"type":"interactive_stream_start"',
        'live DEBUG < {"type":"stream_started"',
        "Dusk",
        'live DEBUG > {"type":"interactive_stream_end"',
        'live DEBUG < {"type": "broadcast_ready"',
    ):
        assert told in text, told


def test_debug_shows_it_on_stderr_and_no_secret(tmp_path: Path) -> None:
    with emulator_process() as (_, url), script(WHOLE_SESSION, url, key=KEY, debug=True) as process:
        process.tell(str(tmp_path / "video.mp4"))
        assert process.ended() == 0
        assert "POST /auth/token: 200" in process.stderr
        assert "stream_started" in process.stderr
        for mark in (KEY, "eyJ", "ice-pwd", "fingerprint"):
            assert mark not in process.stderr


def test_debug_shows_it_on_stderr_once_also_beside_a_log_file_of_the_user(tmp_path: Path) -> None:
    code = f"""
import logging
logging.getLogger("odyssey_proto").addHandler(logging.FileHandler({str(tmp_path / "own.log")!r}))
from odyssey_proto import Odyssey
for _ in range(2):
    Odyssey("ody_key", debug=True)
logging.getLogger("odyssey_proto._live.streamer_link").debug("a line")
"""
    with python("-c", code) as process:
        assert process.ended() == 0
        assert process.stderr.count("a line") == 1
    assert "a line" in (tmp_path / "own.log").read_text()


def test_without_debug_nothing_is_printed_even_when_the_connection_is_lost(
    make_emulator: MakeEmulator, tmp_path: Path
) -> None:
    emulator = make_emulator(ice_servers=[TURN], record=True)
    emulator.faults.add(Fault(step="stream update", action="drop"))
    with script(WHOLE_SESSION, emulator.api_url) as process:
        process.tell(str(tmp_path / "video.mp4"))
        assert process.ended() == 0
        assert process.stderr == ""
        assert process.rest() == []


def test_without_debug_nothing_is_printed_when_the_session_fails(make_emulator: MakeEmulator) -> None:
    code = """
session = client.connect()
session.start_stream("A cat")
try:
    for frame in session.frames(): pass
except OdysseyConnectionError as error:
    say(error.code)
"""
    emulator = make_emulator()
    emulator.faults.add(Fault(step="media", action="kill_peer", after=5))
    with script(code, emulator.api_url, reconnect=False) as process:
        assert process.said()
        assert process.ended() == 0
        assert process.stderr == ""


def test_a_traceback_of_another_library_is_shown_without_its_secrets() -> None:
    code = """
import logging
try:
    raise ValueError("refused for ody_live_4711 by https://x.example/?token=4711")
except ValueError:
    logging.getLogger("odyssey_proto.test").exception("failed")
"""
    with script(code, "http://127.0.0.1:9", debug=True) as process:
        assert process.ended() == 0
        assert "ValueError: refused for ody_… by https://x.example/?…" in process.stderr
