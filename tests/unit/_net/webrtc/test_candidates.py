"""The candidates of this machine that a peer connection offers, on real sockets."""

import asyncio
import contextlib
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aioice import Candidate
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcicetransport import connection_kwargs
from odyssey_models import IceServer

from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto._model.ice_urls import usable_servers
from odyssey_proto._net.webrtc import candidates
from odyssey_proto._net.webrtc.ice_servers import IceServers
from tests.support.coroutines import in_time

LOOPBACK = {"127.0.0.1", "::1"}


def test_the_fallback_is_public_stun() -> None:
    usable, left_out = usable_servers(candidates.FALLBACK_SERVERS)
    assert {each.scheme for each in usable} == {"stun"}
    assert left_out == ()


@pytest.mark.parametrize("url", ["stun:a.example", "turn:a.example", "turns:a.example", "turn:a?transport=tcp"])
def test_aiortc_is_given_only_what_it_understands(url: str) -> None:
    usable, _ = usable_servers([IceServer(urls=url, username="user-4711", credential="secret-4711")])
    arguments = connection_kwargs(candidates.for_aiortc(usable))
    if url.startswith("stun"):
        assert arguments == {"stun_server": ("a.example", 3478)}
    else:
        assert (arguments["turn_username"], arguments["turn_password"]) == ("user-4711", "secret-4711")
        assert arguments["turn_ssl"] == url.startswith("turns")


def connection() -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("video", direction="recvonly")
    pc.createDataChannel("x")
    return pc


def agents(pc: RTCPeerConnection) -> list[Any]:
    """Return aioice's connections, one for the video and one for the channels; aiortc does not expose them."""
    assert pc.sctp is not None
    transports = [pc.getTransceivers()[0].receiver.transport, pc.sctp.transport]
    return [transport.transport.iceGatherer._connection for transport in transports]


def addresses(pc: RTCPeerConnection) -> list[set[str]]:
    return [{candidate.host for candidate in agent.local_candidates} for agent in agents(pc)]


async def offered(**arrangement: Any) -> list[set[str]]:
    """Return the addresses that each transport of a new peer connection offers."""
    pc = connection()
    candidates.arrange_gathering(pc, **arrangement)
    await pc.setLocalDescription(await pc.createOffer())
    found = addresses(pc)
    await pc.close()
    return found


class TestArrangeGathering:
    def test_only_the_given_addresses_are_offered_on_every_transport(self) -> None:
        assert in_time(offered(only=("127.0.0.1",))) == [{"127.0.0.1"}, {"127.0.0.1"}]

    def test_its_sockets_hold_as_much_as_the_system_gives(self) -> None:
        async def sizes() -> list[int]:
            pc = connection()
            candidates.arrange_gathering(pc, loopback=True)
            await pc.setLocalDescription(await pc.createOffer())
            protocols = [protocol for agent in agents(pc) for protocol in agent._protocols]
            sockets = [protocol.transport.get_extra_info("socket") for protocol in protocols]
            found = [each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for each in sockets]
            await pc.close()
            return found

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, candidates._RECEIVE_BUFFER)
            most = other.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        found = in_time(sizes())
        assert len(found) >= 2
        assert set(found) == {most}

    def test_an_address_that_is_not_of_this_machine_offers_nothing(self) -> None:
        assert in_time(offered(only=("203.0.113.1",))) == [set(), set()]

    def test_loopback_comes_beside_the_interfaces(self) -> None:
        plain, beside = in_time(offered())[0], in_time(offered(loopback=True))[0]
        assert beside >= plain
        assert "127.0.0.1" in beside
        assert beside - plain <= LOOPBACK

    def test_loopback_stands_in_where_there_is_no_other_interface(self) -> None:
        async def gather() -> set[str]:
            pc = connection()
            candidates.arrange_gathering(pc)
            gathered = await agents(pc)[0].get_component_candidates(component=1, addresses=[])
            await pc.close()
            return {candidate.host for candidate in gathered}

        found = in_time(gather())
        assert "127.0.0.1" in found
        assert found <= LOOPBACK

    def test_other_connections_of_the_process_are_untouched(self) -> None:
        async def gather() -> tuple[set[str], set[str]]:
            mine, theirs = connection(), connection()
            candidates.arrange_gathering(mine, only=("127.0.0.1",))
            for pc in (mine, theirs):
                await pc.setLocalDescription(await pc.createOffer())
            found = addresses(mine)[0], addresses(theirs)[0]
            await asyncio.gather(mine.close(), theirs.close())
            return found

        mine, theirs = in_time(gather())
        assert mine == {"127.0.0.1"}
        assert not theirs & LOOPBACK

    def test_where_only_relays_are_wanted_nothing_of_this_machine_is_offered(self) -> None:
        servers = IceServers((), relay_only=True)
        assert in_time(offered(servers=servers, loopback=True)) == [set(), set()]

    def test_another_aiortc_gathers_in_its_own_way(self) -> None:
        pc, gatherer = another_aiortc()
        candidates.arrange_gathering(pc, only=("127.0.0.1",))
        assert vars(gatherer) == {}

    def test_another_aiortc_that_cannot_be_told_to_use_relays_only_is_refused(self) -> None:
        pc, _ = another_aiortc()
        with pytest.raises(OdysseyConnectionError, match="does not work with the installed version") as caught:
            candidates.arrange_gathering(pc, servers=IceServers((), relay_only=True))
        assert caught.value.code == "no_relay"


def another_aiortc() -> tuple[RTCPeerConnection, SimpleNamespace]:
    gatherer = SimpleNamespace()  # without aioice's connection, which is not public
    transport = SimpleNamespace(transport=SimpleNamespace(iceGatherer=gatherer))
    transceiver = SimpleNamespace(receiver=SimpleNamespace(transport=transport))
    return cast("RTCPeerConnection", SimpleNamespace(getTransceivers=lambda: [transceiver], sctp=None)), gatherer


def test_a_candidate_that_comes_late_is_announced_for_the_first_section_of_its_transport() -> None:
    late = Candidate.from_sdp("1 1 udp 100 203.0.113.60 4000 typ relay raddr 0.0.0.0 rport 9")

    def found(pc: RTCPeerConnection, agent: Any) -> list[tuple[str | None, int | None]]:
        messages = list(candidates.announced(pc, agent, late))
        assert {message.candidate for message in messages} <= {f"candidate:{late.to_sdp()}"}
        return [(message.sdp_mid, message.sdp_mline_index) for message in messages]

    async def announce() -> None:
        pc, bundled = connection(), RTCPeerConnection(RTCConfiguration(iceServers=[]))
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(pc.close)
            closing.push_async_callback(bundled.close)
            await pc.setLocalDescription(await pc.createOffer())
            video, channels = agents(pc)
            assert (found(pc, video), found(pc, channels)) == ([("0", 0)], [("1", 1)])
            assert found(pc, object()) == []
            await bundled.setRemoteDescription(pc.localDescription)
            await bundled.setLocalDescription(await bundled.createAnswer())
            shared, also = agents(bundled)
            assert shared is also
            assert found(bundled, shared) == [("0", 0)]

    in_time(announce())
    assert list(candidates.announced(None, None, None)) == []
