"""With ``logging.basicConfig(level=logging.DEBUG)``, no library logs a secret."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import connect_to_stream
from odyssey_proto.emulator._accounts.service import Service
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import MakeClient, MakeEmulator

KEY: Final = "ody_a_key_that_nobody_may_see"
TURN: Final = {"urls": "turn:127.0.0.1:9", "username": "turn-user-4711", "credential": "turn-password-4711"}
OTHER_SIDE: Final = ("aiohttp.",)  # the emulator, which is in the same process here


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


def test_no_library_logs_a_secret_of_a_session_a_broadcast_and_a_download(
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    issued: list[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    with caplog.at_level(logging.DEBUG):
        client = make_client(make_emulator(ice_servers=[TURN], record=True), KEY)
        with client.connect(timeout=PATIENCE_S) as session:
            stream_id = session.start_stream("A cat", portrait=False, broadcast=True)
            info = session.wait_for_broadcast(timeout=PATIENCE_S)
            with connect_to_stream(info.webrtc_url, info.spectator_token) as spectator:
                next(spectator.frames(timeout=PATIENCE_S))
            with connect_to_stream("http://127.0.0.1:9", info.spectator_token, hls_url=info.hls_url) as spectator:
                next(spectator.frames(timeout=PATIENCE_S))
            session.end_stream()
        eventually(lambda: client.get_recording(stream_id).video_url)
        recording = client.get_recording(stream_id)
        client.download_recording(stream_id, tmp_path)

    records = [record for record in caplog.records if not record.name.startswith(OTHER_SIDE)]
    text = "\n".join(logging.Formatter("%(name)s %(message)s").format(record) for record in records)
    signatures = re.findall(r"[?&][^=&]*[Ss]ig[^=&]*=([^&]+)", f"{recording.video_url} {recording.events_url}")
    assert len(issued) >= 2
    assert len(signatures) >= 2
    for secret in (KEY, *issued, *signatures, info.spectator_token, TURN["username"], TURN["credential"]):
        assert secret not in text
    assert set(re.findall(r"ice-pwd:(\S+)", text)) == {"…"}
    for name in ("urllib3.connectionpool", "aiortc.rtcpeerconnection", "aioice.ice", "odyssey_proto.http"):
        assert any(record.name == name for record in records), f"{name} logs nothing any more"
    assert not [
        record for record in records if record.levelno > logging.INFO and record.name.startswith("urllib3")
    ]
