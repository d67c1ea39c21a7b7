"""The address of the machine changes: connections from the old address are not used again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.network import CLIENT, Network, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Process

pytestmark = [pytest.mark.netns, pytest.mark.skipif(bool(missing()), reason=missing())]

_MOVE: Final = f"""
import logging, subprocess
from odyssey_proto.core.silence import SILENCE_LIMIT_S
warnings = []
class Kept(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())
logging.getLogger("odyssey_proto").addHandler(Kept(logging.WARNING))
def ip(*command):
    subprocess.run(["ip", "addr", *command, "dev", "wire"], check=True)
def move():
    ip("del", "{CLIENT}/24")
    ip("add", "10.88.0.77/24")
"""


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as made:
        yield made


def moving(network: Network, code: str) -> Process:
    """Run a script on the client's machine; it calls ``move`` when the address is to change."""
    return network.run(_MOVE + code)


def test_a_call_without_a_network_fails_at_once_and_the_next_goes_out_from_the_new_address(
    network: Network,
) -> None:
    code = f"""
client.list_stream_recordings(timeout=10)
move()
say(client.list_stream_recordings(timeout=5).total)
ip("del", "10.88.0.77/24")
try:
    client.list_stream_recordings(timeout=25)
except OdysseyConnectionError as error:
    say(error.code, error.recoverable)
ip("add", "{CLIENT}/24")
say(client.list_stream_recordings(timeout=5).total)
client.close()
"""
    process = moving(network, code)
    assert process.said() == [0]
    assert process.said() == ["unreachable", True]
    assert process.said() == [0]


def test_a_stream_goes_on_with_the_services_own_ice_servers(network: Network) -> None:
    code = """
with client.connect(timeout=30) as session:
    session.start_stream("A cat", portrait=False)
    first_frames(session)
    happening = session.events(timeout=30)
    move()
    moved_at = time.monotonic()
    frames = session.frames(timeout=20)
    lost_after = []
    for event in happening:  # an attempt to rejoin that waits on the old address is lost after this time, too
        if isinstance(event, ErrorOccurred):
            lost_after.append(event.at - moved_at)
        if isinstance(event, GapEvent) and lost_after:
            break
    next(frames)
    say([text for text in warnings if "public STUN" in text], max(lost_after) < SILENCE_LIMIT_S)
"""
    assert moving(network, code).said(60) == [[], True], "it waits for nothing on the old address"
