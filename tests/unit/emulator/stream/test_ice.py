"""The addresses that the emulator's peer connections offer, on real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from odyssey_proto.emulator._stream.ice import address_reached, new_connection, offer_only
from tests.support.coroutines import in_time

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection


def candidates(connection: RTCPeerConnection) -> list[tuple[str, str]]:
    """Return address and type of each candidate in an offer."""
    lines = connection.localDescription.sdp.splitlines()
    found = [line.split() for line in lines if line.startswith("a=candidate:")]
    return [(words[4], words[7]) for words in found]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_the_given_address_is_offered_and_no_other(address: str) -> None:
    async def offered() -> list[tuple[str, str]]:
        connection = new_connection()
        connection.addTransceiver("video", direction="sendonly")
        connection.createDataChannel("x")
        offer_only(connection, address)
        await connection.setLocalDescription(await connection.createOffer())
        found = candidates(connection)
        await connection.close()
        return found

    assert set(in_time(offered())) == {(address, "host")}


def test_a_connection_with_only_data_channels_offers_the_given_address_too() -> None:
    async def offered() -> list[tuple[str, str]]:
        connection = new_connection()
        connection.createDataChannel("x")
        offer_only(connection, "127.0.0.1")
        await connection.setLocalDescription(await connection.createOffer())
        found = candidates(connection)
        await connection.close()
        return found

    assert in_time(offered()) == [("127.0.0.1", "host")]


def test_two_connections_do_not_share_an_address() -> None:
    async def offered() -> list[set[tuple[str, str]]]:
        connections = [new_connection(), new_connection()]
        for connection, address in zip(connections, ("127.0.0.1", "127.0.0.2"), strict=True):
            connection.createDataChannel("x")
            offer_only(connection, address)
        for connection in connections:
            await connection.setLocalDescription(await connection.createOffer())
        found = [set(candidates(connection)) for connection in connections]
        for connection in connections:
            await connection.close()
        return found

    assert in_time(offered()) == [{("127.0.0.1", "host")}, {("127.0.0.2", "host")}]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_the_address_that_a_client_reached_is_that_of_its_request(address: str) -> None:
    async def answered() -> str:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(text=address_reached(request))

        application = web.Application()
        application.add_routes([web.get("/", answer)])
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as http, http.get(f"http://{address}:{port}/") as response:
            text = await response.text()
        await runner.cleanup()
        return text

    assert in_time(answered()) == address
