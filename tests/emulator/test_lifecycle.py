"""Starting and stopping emulators, in use or idle, and their leftovers."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import requests

from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto.emulator._config import EmulatorConfig
from odyssey_proto.emulator._server import Emulator
from tests.support.plain_client import PATIENCE_S, authorise, connect, credentials_of, scenario
from tests.support.ports import port_for_later

if TYPE_CHECKING:
    from tests.conftest import MakeEmulator

pytestmark = pytest.mark.usefixtures("nothing_left")

SMALL = (512, 64)
"""Size of pictures that take a twentieth of the CPU."""


def test_it_runs_inside_the_with_and_not_outside() -> None:
    with Emulator() as emulator:
        url = emulator.api_url
        assert requests.get(f"{url}/signaling/config", timeout=PATIENCE_S).ok
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"{url}/signaling/config", timeout=PATIENCE_S)
    with pytest.raises(OdysseyConnectionError, match="is not running"):
        _ = emulator.api_url


def test_starting_and_stopping_twice_changes_nothing() -> None:
    emulator = Emulator()
    url = emulator.start().api_url
    assert emulator.start().api_url == url
    emulator.stop()
    emulator.stop()


def test_it_can_be_started_again() -> None:
    emulator = Emulator()
    for _ in range(3):
        with emulator:
            assert authorise(emulator.api_url, emulator.api_key).token


def test_stopping_what_was_never_started_is_nothing() -> None:
    Emulator().stop()


def test_a_configuration_can_be_given_as_a_whole() -> None:
    with Emulator(EmulatorConfig(seed=3, codec="vp8")) as emulator:
        assert emulator.config.codec == "vp8"


def test_a_port_that_is_taken_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OdysseyConnectionError, match=f"127.0.0.1:{port}.*in use") as caught:
            Emulator(port=port).start()
        assert caught.value.code == "cannot_listen"


def test_a_port_can_be_chosen() -> None:
    port = port_for_later()
    with Emulator(port=port) as emulator:
        assert emulator.api_url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["203.0.113.77", "no such host", "name.invalid"])
def test_an_address_that_cannot_be_bound_is_reported(host: str) -> None:
    with pytest.raises(OdysseyConnectionError, match="Cannot listen"):
        Emulator(host=host).start()


def test_an_emulator_on_all_addresses_returns_one_that_works() -> None:
    with Emulator(host="0.0.0.0") as emulator:
        assert requests.get(f"{emulator.api_url}/signaling/config", timeout=PATIENCE_S).ok


def test_a_name_will_do_as_a_host() -> None:
    with Emulator(host="localhost") as emulator:
        assert requests.get(f"{emulator.api_url}/signaling/config", timeout=PATIENCE_S).ok


@scenario
async def test_it_streams_over_ipv6() -> None:
    with Emulator(host="::1", size=SMALL) as emulator:
        async with connect(credentials_of(emulator)) as client:
            client.start()
            await client.frame()


def test_its_threads_bear_its_name(make_emulator: MakeEmulator) -> None:
    before = set(threading.enumerate())
    emulator = make_emulator()
    authorise(emulator.api_url, emulator.api_key)
    started = {thread.name for thread in set(threading.enumerate()) - before}
    assert started
    assert all(name.startswith("odyssey-emulator") for name in started)


def test_it_stops_with_sessions_that_stream() -> None:
    emulator = Emulator(concurrent_sessions=3, size=SMALL).start()
    stopped: list[float] = []

    @scenario
    async def stream() -> None:
        async with (
            connect(credentials_of(emulator), goodbye=False) as one,
            connect(credentials_of(emulator), goodbye=False) as other,
        ):
            for client in (one, other):
                client.start()
                await client.frame()
            began = time.monotonic()
            await asyncio.to_thread(emulator.stop)
            stopped.append(time.monotonic() - began)
            for client in (one, other):
                error = await asyncio.wait_for(client.signaling.get(), PATIENCE_S)
                assert error == {"type": "error", "reason": "streamer_disconnected"}

    stream()
    assert stopped[0] < PATIENCE_S


def test_it_stops_with_sessions_that_nobody_uses() -> None:
    with Emulator(concurrent_sessions=3) as emulator:
        for _ in range(3):
            authorise(emulator.api_url, emulator.api_key)


@pytest.mark.parametrize("into_it_s", [0.0, 0.01, 0.02, 0.03, 0.05, 0.08])
def test_it_stops_in_the_middle_of_many_handshakes(into_it_s: float) -> None:
    emulator = Emulator(concurrent_sessions=8).start()

    @scenario
    async def rush() -> None:
        async def one() -> None:
            async with connect(await asyncio.to_thread(credentials_of, emulator), goodbye=False) as client:
                await client.signaling.get()

        tasks = [asyncio.create_task(one()) for _ in range(4)]
        await asyncio.wait(tasks, timeout=into_it_s)
        await asyncio.to_thread(emulator.stop)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=PATIENCE_S)

    rush()


def test_ten_connects_in_a_row_leave_nothing(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()

    @scenario
    async def connect_again_and_again() -> None:
        for number in range(10):
            async with connect(await asyncio.to_thread(credentials_of, emulator)) as client:
                if number % 5 == 0:
                    client.start()
                    await client.frame()

    connect_again_and_again()


def test_the_library_does_not_load_the_emulator() -> None:
    code = (
        "import odyssey_proto, sys; print([name for name in sys.modules if 'emulator' in name or name == 'PIL'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_a_stream_loads_nothing() -> None:
    """Streams begin on several threads at once, which NumPy's lazy imports do not survive."""
    code = """
import sys
from odyssey_proto.emulator import Emulator
from odyssey_proto.emulator._stream.grain import Grain
from odyssey_proto.emulator._worlds import PaintedWorld
before = set(sys.modules)
world = PaintedWorld(seed=0, prompt="Rain on a town", portrait=False, size=(512, 64))
Grain(2, seed=0).over(world.picture(0.0), 0.0)
print(sorted(set(sys.modules) - before))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["aiohttp", "PIL"])
def test_a_missing_extra_is_reported_with_the_command_that_installs_it(missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
from odyssey_proto._base.errors import MissingExtraError
try:
    from odyssey_proto.emulator import Emulator
except MissingExtraError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert 'pip install "odyssey-proto[emulator]"' in found.stdout
