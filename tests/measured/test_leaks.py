"""Nothing is left behind after many sessions, or after a client is dropped without closing."""

from __future__ import annotations

from typing import Final

import pytest

from odyssey_proto.emulator._server import Emulator
from tests.support.leaks import MEASURE
from tests.support.processes import emulator_process, script

pytestmark = pytest.mark.measures

CYCLES: Final = 20
GROWTH_MB: Final = 25
"""Far more than an allocator's fluctuations, far less than a leak of one frame (1.35 MB) in each cycle."""


EACH: Final = {
    "one client": "cycle(client)",
    "a client for each": "with Odyssey(sys.argv[2], api_url=sys.argv[1]) as each: cycle(each)",
}


@pytest.mark.parametrize("clients", EACH)
def test_many_sessions_leave_nothing_behind(clients: str) -> None:
    code = f"""
{MEASURE}
for number in range({CYCLES} + 3):
    if number == 3:
        warm = left()
    {EACH[clients]}
say(warm, left())
client.close()
say(left())
"""
    with emulator_process(size=(512, 512)) as (_, url), script(code, url, fresh=True) as process:
        warm, after = process.said(60)
        (closed,) = process.said()
        assert process.ended() == 0
        assert process.stderr == ""
    growth_mb = after.pop("resident_mb") - warm.pop("resident_mb")
    assert after == warm
    assert growth_mb < GROWTH_MB
    assert closed["threads"] == ["MainThread"]
    assert closed["kept"] == []


@pytest.mark.parametrize(
    "gone", ["del session, client", "del client, session", "session.disconnect(); del session, client"]
)
def test_a_client_that_is_let_go_of_ends_its_threads(gone: str) -> None:
    code = f"""
{MEASURE}
session = client.connect()
session.start_stream("A cat", portrait=False)
next(session.frames())
{gone}
gives_up_at = time.monotonic() + 10
while len(threading.enumerate()) > 1 and time.monotonic() < gives_up_at:
    gc.collect()
    time.sleep(0.05)
say(left())
"""
    with Emulator(record=False) as emulator, script(code, emulator.api_url, fresh=True) as process:
        (found,) = process.said()
        assert found["threads"] == ["MainThread"]
        assert found["kept"] == []
        assert process.ended() == 0
        assert process.stderr == ""
