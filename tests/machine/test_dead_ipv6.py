"""A service whose IPv6 address swallows packets: everything goes over IPv4, and nothing waits for a timeout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.dead_ipv6 import ADDRESS, SERVICE, missing, within
from tests.support.processes import PATIENCE_S, Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.netns, pytest.mark.skipif(bool(missing()), reason=missing())]

# Every step has ten minutes: a client that loses a part of them to the dead address counts as hanging.
_SCRIPT: Final = f"""
import json, socket, tempfile, time
from pathlib import Path
import attrs
from odyssey_proto import Odyssey
from odyssey_proto.emulator import Emulator

def say(*what):
    print(json.dumps(what), flush=True)

found = [address[4][0] for address in socket.getaddrinfo("{SERVICE}", 80, type=socket.SOCK_STREAM)]
with Emulator(host="{ADDRESS}", allow_hosts=["{SERVICE}"], size=(512, 64)) as emulator:
    url = emulator.api_url.replace("{ADDRESS}", "{SERVICE}")
    say(*found)
    with Odyssey(emulator.api_key, api_url=url) as client:
        say("listed", client.list_stream_recordings(timeout=600).total)
        with client.connect(timeout=600) as session:
            say("connected")
            session.start_stream("A cat", portrait=False, broadcast=True, timeout=600)
            next(session.frames(timeout=600))
            say("frames")
            info = session.wait_for_broadcast(timeout=600)
            assert "{SERVICE}" in info.webrtc_url and "{SERVICE}" in info.hls_url
            for way, place in ("WHEP", info), ("HLS", attrs.evolve(info, webrtc_url="http://127.0.0.1:1/none")):
                with client.watch(place, timeout=600) as spectator:
                    next(spectator.frames(timeout=600))
                    say(way)
            session.end_stream(timeout=600)
        recording, = client.list_stream_recordings(timeout=600).recordings
        while not client.get_recording(recording.stream_id, timeout=600).video_url:  # it may still be written
            time.sleep(0.1)
        with tempfile.TemporaryDirectory() as folder:
            client.download_recording(recording.stream_id, folder, timeout=600)
            say("downloaded", any(Path(folder).iterdir()))
"""


def test_a_dead_ipv6_address_holds_nothing_up(tmp_path: Path) -> None:
    with Process([*within(tmp_path), sys.executable, "-c", _SCRIPT]) as process:
        found = process.line()
        assert "2001:db8:9::9" in found
        assert found.index("2001:db8:9::9") < found.index(ADDRESS)  # the system prefers the dead one
        assert [process.said(PATIENCE_S) for _ in range(6)] == [
            ["listed", 0],
            ["connected"],
            ["frames"],
            ["WHEP"],
            ["HLS"],
            ["downloaded", True],
        ]
