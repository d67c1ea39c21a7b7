"""ICE servers sorted out and resolved, and what a peer connection offers, on real sockets of this machine."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from aioice import stun
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcicetransport import connection_kwargs
from odyssey_models import IceServer

from odyssey_proto.transport import ice
from odyssey_proto.transport.ice import IceUrl

T = TypeVar("T")
GENEROUS = 30.0  # s; a hang fails, a slow machine does not
LOOPBACK = {"127.0.0.1", "::1"}


def in_time(coroutine: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        return await asyncio.wait_for(coroutine, GENEROUS)

    return asyncio.run(bounded())


def turn(*urls: str) -> IceServer:
    return IceServer(urls=list(urls), username="user-4711", credential="secret-4711")


class TestUsableServers:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("stun:a.example", "stun:a.example:3478"),
            ("stun:a.example:19302", "stun:a.example:19302"),
            ("STUN:A.Example:1", "stun:a.example:1"),
            (" stun:a.example:1 ", "stun:a.example:1"),
            ("stun:a.example:1?transport=udp", "stun:a.example:1"),
            ("turn:a.example", "turn:a.example:3478"),
            ("turn:10.0.0.1:3479?transport=udp", "turn:10.0.0.1:3479"),
            ("turn:a.example:443?transport=tcp", "turn:a.example:443?transport=tcp"),
            ("turns:a.example", "turns:a.example:5349"),
            ("turns:a.example:443?transport=tcp", "turns:a.example:443"),
        ],
    )
    def test_takes_what_a_connection_can_use(self, url: str, expected: str) -> None:
        usable, left_out = ice.usable_servers([turn(url)])
        assert ([str(each) for each in usable], left_out) == ([expected], ())

    @pytest.mark.parametrize(
        "url", ["stun:a.example", "turn:a.example", "turns:a.example", "turn:a?transport=tcp"]
    )
    def test_gives_aiortc_only_what_it_understands(self, url: str) -> None:
        usable, _ = ice.usable_servers([turn(url)])
        arguments = connection_kwargs(ice.for_aiortc(usable))
        if url.startswith("stun"):
            assert arguments == {"stun_server": ("a.example", 3478)}
        else:
            assert (arguments["turn_username"], arguments["turn_password"]) == ("user-4711", "secret-4711")
            assert arguments["turn_ssl"] == url.startswith("turns")

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("", "malformed"),
            ("stun:", "malformed"),
            ("a.example:3478", "malformed"),
            ("http://a.example", "malformed"),
            ("stun://a.example", "malformed"),
            ("turn:user@a.example", "malformed"),
            ("turn:a.example:port", "malformed"),
            ("turn:a.example:123456", "malformed"),
            ("turn:a.example?transport=", "malformed"),
            ("stun:a.example\nx", "malformed"),
            ("turn:a.example:0", "impossible port"),
            ("turn:a.example:65536", "impossible port"),
            ("stuns:a.example", "not supported"),
            ("turn:a.example?transport=sctp", "not supported"),
            ("turns:a.example?transport=udp", "not supported"),
            ("stun:a.example?transport=tcp", "not supported"),
            ("stun:[2001:db8::1]:3478", "IPv6"),
            ("turn:[::1]", "IPv6"),
        ],
    )
    def test_leaves_out_the_rest_and_says_why(self, url: str, reason: str) -> None:
        usable, left_out = ice.usable_servers([turn(url), IceServer(urls="stun:b.example")])
        assert [str(each) for each in usable] == ["stun:b.example:3478"]
        assert len(left_out) == 1
        assert reason in left_out[0]

    @pytest.mark.parametrize(
        ("username", "credential"), [(None, None), ("u", None), (None, "c"), ("", "c"), ("u", "")]
    )
    def test_turn_without_credentials_is_of_no_use(self, username: str | None, credential: str | None) -> None:
        server = IceServer(urls="turn:a.example", username=username, credential=credential)
        assert ice.usable_servers([server]) == ((), ("turn:a.example:3478 comes without user name and password",))

    def test_the_old_spelling_counts(self) -> None:
        usable, _ = ice.usable_servers([IceServer(url="stun:a.example"), IceServer(url=["stun:b.example"])])
        assert [each.host for each in usable] == ["a.example", "b.example"]

    @pytest.mark.parametrize("server", [IceServer(), IceServer(urls=[])])
    def test_a_server_without_an_address_is_left_out(self, server: IceServer) -> None:
        assert ice.usable_servers([server]) == ((), ("an ICE server has no address",))

    def test_no_servers_are_none(self) -> None:
        assert ice.usable_servers([]) == ((), ())

    def test_a_long_list_is_cut(self) -> None:
        usable, left_out = ice.usable_servers([IceServer(urls=[f"stun:{n}.example" for n in range(20)])])
        assert [each.host for each in usable] == [f"{n}.example" for n in range(8)]
        assert left_out == ("12 more ICE servers are not tried",)

    def test_no_text_shows_a_secret(self) -> None:
        server = turn("turn:a.example", "turns:a.example?token=secret-4711", "turn:user:secret-4711@a", "stuns:b")
        usable, left_out = ice.usable_servers([server])
        shown = " ".join([*left_out, *map(str, usable), *map(repr, usable)])
        assert usable[0].credential == "secret-4711"
        assert "secret-4711" not in shown

    def test_the_fallback_is_public_stun(self) -> None:
        usable, left_out = ice.usable_servers(ice.FALLBACK_SERVERS)
        assert {each.scheme for each in usable} == {"stun"}
        assert left_out == ()


def known(names: dict[str, str]) -> Callable[[str], str]:
    def look_up(name: str) -> str:
        if name not in names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return names[name]

    return look_up


def urls(*texts: str) -> tuple[IceUrl, ...]:
    return ice.usable_servers([turn(*texts)])[0]


class TestResolve:
    def test_replaces_names_and_keeps_the_order(self) -> None:
        given = urls("stun:b.example", "turn:a.example?transport=tcp")
        found, left_out = in_time(
            ice.resolve(given, look_up=known({"a.example": "198.51.100.1", "b.example": "198.51.100.2"}))
        )
        assert [str(each) for each in found] == ["stun:198.51.100.2:3478", "turn:198.51.100.1:3478?transport=tcp"]
        assert found[1].credential == "secret-4711"
        assert left_out == ()

    def test_asks_nobody_about_an_address(self) -> None:
        given = urls("stun:198.51.100.7")
        assert in_time(ice.resolve(given, look_up=pytest.fail)) == (given, ())

    def test_turns_keeps_the_name_that_its_certificate_has(self) -> None:
        given = urls("turns:a.example")
        assert in_time(ice.resolve(given, look_up=known({"a.example": "198.51.100.1"}))) == (given, ())

    def test_a_name_that_nobody_knows_is_left_out(self) -> None:
        found, left_out = in_time(
            ice.resolve(urls("stun:dead.example", "stun:b.example"), look_up=known({"b.example": "198.51.100.2"}))
        )
        assert [each.host for each in found] == ["198.51.100.2"]
        assert left_out == ("stun:dead.example:3478 was not found in the DNS",)

    def test_a_name_that_cannot_be_one_is_left_out(self) -> None:
        name = "a" * 64 + ".example"
        found, left_out = in_time(ice.resolve(urls(f"stun:{name}")))
        assert found == ()
        assert "was not found in the DNS" in left_out[0]

    def test_a_lookup_that_hangs_is_given_up(self) -> None:
        released = threading.Event()

        def hang(name: str) -> str:
            released.wait(GENEROUS)
            return "198.51.100.1"

        try:
            found, left_out = in_time(ice.resolve(urls("stun:slow.example", "stun:198.51.100.2"), look_up=hang))
        finally:
            released.set()
        assert [each.host for each in found] == ["198.51.100.2"]
        assert left_out == ("stun:slow.example:3478 was not found in the DNS in time",)

    def test_a_stun_server_on_this_machine_tells_nothing_new(self) -> None:
        assert in_time(
            ice.resolve(urls("stun:127.0.0.1:9", "stun:localhost:9"), look_up=known({"localhost": "127.0.0.1"}))
        ) == (
            (),
            (),
        )

    def test_a_turn_server_on_this_machine_is_kept(self) -> None:
        found, _ = in_time(ice.resolve(urls("turn:localhost"), look_up=known({"localhost": "127.0.0.1"})))
        assert [str(each) for each in found] == ["turn:127.0.0.1:3478"]

    def test_the_system_is_asked_by_default(self) -> None:
        found, _ = in_time(ice.resolve(urls("turn:localhost")))
        assert [str(each) for each in found] == ["turn:127.0.0.1:3478"]

    def test_no_urls_are_none(self) -> None:
        assert in_time(ice.resolve(())) == ((), ())


class Responder(asyncio.DatagramProtocol):
    """A STUN server on the loopback address that answers, or does not."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.asked = 0

    @classmethod
    async def listen(cls, *, answers: bool) -> tuple["Responder", tuple[str, int]]:
        transport, responder = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: cls(answers=answers), local_addr=("127.0.0.1", 0)
        )
        return responder, transport.get_extra_info("sockname")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        if self.answers:
            request = stun.parse_message(data)
            response = stun.Message(
                message_method=stun.Method.BINDING,
                message_class=stun.Class.RESPONSE,
                transaction_id=request.transaction_id,
            )
            response.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.50", 5000)
            self.transport.sendto(bytes(response), addr)


def connection() -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("video", direction="recvonly")
    pc.createDataChannel("x")
    return pc


def agents(pc: RTCPeerConnection) -> list[Any]:
    """Return aioice's connections, that of the video and that of the channels; aiortc does not show them."""
    assert pc.sctp is not None
    transports = [pc.getTransceivers()[0].receiver.transport, pc.sctp.transport]
    return [transport.transport.iceGatherer._connection for transport in transports]


def addresses(pc: RTCPeerConnection) -> list[set[str]]:
    return [{candidate.host for candidate in agent.local_candidates} for agent in agents(pc)]


async def offered(**arrangement: Any) -> list[set[str]]:
    """Return the addresses that each transport of a new peer connection offers."""
    pc = connection()
    ice.arrange_gathering(pc, **arrangement)
    await pc.setLocalDescription(await pc.createOffer())
    found = addresses(pc)
    await pc.close()
    return found


async def gathered(*hosts: str, stun_server: tuple[str, int] | None = None) -> set[tuple[str, str]]:
    """Return kind and address of the candidates where ``hosts`` are the interfaces of the machine."""
    pc = connection()
    agent = agents(pc)[0]
    agent.stun_server = stun_server
    ice.arrange_gathering(pc)
    candidates = await agent.get_component_candidates(component=1, addresses=list(hosts))
    assert agent.stun_server == stun_server
    await pc.close()
    return {(candidate.type, candidate.host) for candidate in candidates}


class TestArrangeGathering:
    def test_only_the_given_addresses_are_offered_on_every_transport(self) -> None:
        assert in_time(offered(only=("127.0.0.1",))) == [{"127.0.0.1"}, {"127.0.0.1"}]

    def test_an_address_that_is_not_of_this_machine_offers_nothing(self) -> None:
        assert in_time(offered(only=("203.0.113.1",))) == [set(), set()]

    def test_loopback_comes_beside_the_interfaces(self) -> None:
        plain, beside = in_time(offered())[0], in_time(offered(loopback=True))[0]
        assert beside >= plain
        assert "127.0.0.1" in beside
        assert beside - plain <= LOOPBACK

    def test_loopback_stands_in_where_there_is_no_other_interface(self) -> None:
        found = in_time(gathered())
        assert ("host", "127.0.0.1") in found
        assert {address for _, address in found} <= LOOPBACK

    def test_other_connections_of_the_process_are_untouched(self) -> None:
        async def gather() -> tuple[set[str], set[str]]:
            mine, theirs = connection(), connection()
            ice.arrange_gathering(mine, only=("127.0.0.1",))
            for pc in (mine, theirs):
                await pc.setLocalDescription(await pc.createOffer())
            found = addresses(mine)[0], addresses(theirs)[0]
            await asyncio.gather(mine.close(), theirs.close())
            return found

        mine, theirs = in_time(gather())
        assert mine == {"127.0.0.1"}
        assert not theirs & LOOPBACK

    def test_a_stun_server_that_answers_gives_a_candidate(self) -> None:
        found, _ = in_time(ask_stun("127.0.0.1", answers=True))
        assert found == {("host", "127.0.0.1"), ("srflx", "203.0.113.50")}

    def test_a_stun_server_that_is_silent_costs_its_candidate_only(self) -> None:
        found, asked = in_time(ask_stun("127.0.0.1", answers=False))
        assert found == {("host", "127.0.0.1")}
        assert asked > 0

    def test_a_stun_server_that_is_silent_is_not_waited_for_as_long_as_aioice_would(self) -> None:
        async def ask() -> None:
            await asyncio.wait_for(ask_stun("127.0.0.1", answers=False), 4.0)  # aioice: 5 s

        in_time(ask())

    def test_nobody_is_asked_from_a_loopback_address_that_was_added(self) -> None:
        _, asked = in_time(ask_stun(answers=True))
        assert asked == 0

    def test_another_aiortc_gathers_in_its_own_way(self) -> None:
        gatherer = SimpleNamespace()  # without the attribute that is not public
        transport = SimpleNamespace(transport=SimpleNamespace(iceGatherer=gatherer))
        transceiver = SimpleNamespace(receiver=SimpleNamespace(transport=transport))
        pc = SimpleNamespace(getTransceivers=lambda: [transceiver], sctp=None)
        ice.arrange_gathering(cast("RTCPeerConnection", pc), only=("127.0.0.1",))
        assert vars(gatherer) == {}


async def ask_stun(*hosts: str, answers: bool) -> tuple[set[tuple[str, str]], int]:
    responder, address = await Responder.listen(answers=answers)
    found = await gathered(*hosts, stun_server=address)
    responder.transport.close()
    return found, responder.asked
