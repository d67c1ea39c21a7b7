"""The emulator with a stock aiortc client on a machine whose only network interface is ``lo``."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import asyncio, sys
sys.path.insert(0, {root!r})
from aioice import ice
ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]  # stock aiortc offers no loopback address
from tests.support.plain_client import authorise, connect
from odyssey_proto._video import stamp

async def main(url, key):
    async with connect(authorise(url, key)) as client:
        client.start("A cat")
        await client.message("stream_started")
        print([stamp.read(await client.frame()).frame_number for _ in range(10)])

import json, subprocess
command = [sys.executable, "-m", "odyssey_proto.emulator", "--size", "512x64", "--no-record"]
process = subprocess.Popen(command, stdout=subprocess.PIPE)
told = json.loads(process.stdout.readline())
try:
    asyncio.run(main(told["api_url"], told["api_key"]))
finally:
    process.terminate()
    print(process.wait())
"""


@functools.cache
def namespaces_work() -> bool:
    command = shutil.which("unshare")
    if command is None or shutil.which("ip") is None or os.geteuid() != 0:
        return False
    return (
        subprocess.run(
            [command, "-n", "ip", "link", "set", "lo", "up"], check=False, capture_output=True
        ).returncode
        == 0
    )


@pytest.mark.netns
@pytest.mark.skipif(not namespaces_work(), reason="network namespaces need root, unshare and ip")
def test_it_streams_where_there_is_nothing_but_lo() -> None:
    found = subprocess.run(
        [
            "unshare",
            "-n",
            "sh",
            "-c",
            'ip link set lo up && exec "$0" -c "$1"',
            sys.executable,
            SCRIPT.format(root=str(ROOT)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
    )
    assert found.returncode == 0, found.stderr
    numbers, status = found.stdout.splitlines()
    assert len(numbers.split(",")) == 10
    assert status == "0"
