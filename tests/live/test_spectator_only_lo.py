"""Watching a broadcast on a machine whose only network interface is ``lo``, over WebRTC and HLS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.only_lo import LO_UP, UNSHARE, missing
from tests.support.processes import PATIENCE_S, Process

pytestmark = [pytest.mark.netns, pytest.mark.skipif(bool(missing()), reason=missing())]

BROADCASTER = """
from aioice import ice
ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]  # stock aiortc offers no loopback address
import attrs, json, sys
from tests.support.broadcasts import broadcasting
with broadcasting(sys.argv[1]) as broadcaster:
    print(json.dumps(attrs.asdict(broadcaster.info)), flush=True)
    sys.stdin.readline()
"""
SPECTATOR = """
import json, subprocess, sys
from odyssey_proto import BroadcastInfo, Odyssey
from odyssey_proto._video import stamp
from odyssey_proto.emulator import Emulator

def numbers(info):
    with Odyssey() as client, client.watch(info) as spectator:
        frames = spectator.frames(timeout=30)
        return [stamp.read(next(frames).data).frame_number for _ in range(10)]

with Emulator(record=False, size=(512, 64)) as emulator:
    broadcaster = subprocess.Popen([sys.executable, "-c", sys.argv[1], emulator.api_url],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    info = BroadcastInfo(**json.loads(broadcaster.stdout.readline()))
    print(json.dumps(numbers(info)))
    print(json.dumps(numbers(BroadcastInfo("http://127.0.0.1:1/live", "token", info.hls_url))))
    broadcaster.communicate("end", timeout=30)
"""


def test_a_broadcast_is_watched_with_no_network_but_lo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    command = [*UNSHARE, "sh", "-c", f'{LO_UP}exec "$0" -c "$1" "$2"', sys.executable, SPECTATOR, BROADCASTER]
    with Process(command) as process:
        assert process.ended(4 * PATIENCE_S) == 0, process.stderr
        over_webrtc, over_hls = [json.loads(line) for line in process.rest()]
    assert over_webrtc == sorted(over_webrtc)
    assert over_hls == sorted(over_hls)
