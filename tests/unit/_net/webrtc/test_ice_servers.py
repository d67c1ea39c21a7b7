"""Contacting all ICE servers at once, with small servers on the loopback address that a test controls."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aioice import Candidate, Connection, stun
from odyssey_models import IceServer

from odyssey_proto._model.ice_urls import usable_servers
from odyssey_proto._net.webrtc import ice_servers
from odyssey_proto._net.webrtc.ice_servers import IceServers
from tests.support.coroutines import in_time
from tests.support.tls import self_signed

GENEROUS = 30.0  # s; a hang fails, a slow machine does not
DEAD = "192.0.2.1"  # reserved for documentation: nothing answers there
# Connecting there reaches the loopback address; servers given by a loopback address are never contacted.
HERE = "0.0.0.0"


class Server(asyncio.DatagramProtocol):
    """A STUN and TURN server over UDP.

    By default it grants everything. Options: ``error``, the number with which it refuses allocations;
    ``silent``; ``lacking``, an attribute that its answers do not have; ``after``, the s before each answer.
    """

    def __init__(self, *, error: int = 0, silent: bool = False, lacking: str = "", after: float = 0.0) -> None:
        self.error, self.silent, self.lacking, self.after = error, silent, lacking, after
        self.asked: list[stun.Method] = []
        self.given_back = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = stun.parse_message(data)
        self.asked.append(request.message_method)
        if request.message_method is stun.Method.REFRESH and request.attributes["LIFETIME"] == 0:
            self.given_back.set()
        if not self.silent:
            asyncio.get_running_loop().call_later(
                self.after, self.transport.sendto, self.answer(request, addr), addr
            )

    def answer(self, request: stun.Message, addr: tuple[str, int]) -> bytes:
        answer = stun.Message(
            message_method=request.message_method,
            message_class=stun.Class.ERROR if self.error else stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        if self.error:
            answer.attributes["ERROR-CODE"] = (self.error, "No")
        else:
            answer.attributes["LIFETIME"] = 600
            answer.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.50", 5000)
            answer.attributes["XOR-RELAYED-ADDRESS"] = ("203.0.113.60", self.port)
        answer.attributes.pop(self.lacking, None)
        return bytes(answer)

    def turn(self) -> str:
        return f"turn:127.0.0.1:{self.port}"


@asynccontextmanager
async def running(*servers: Server) -> AsyncIterator[None]:
    for server in servers:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda server=server: server, ("127.0.0.1", 0))
    yield
    for server in servers:
        server.transport.close()


USUAL_S = ice_servers._ANSWER_WITHIN_S
usually = pytest.mark.usefixtures("usual_time")
"""For tests of servers that answer too late, or never."""


@pytest.fixture(autouse=True)
def time_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine answer in time."""
    monkeypatch.setattr(ice_servers, "_ANSWER_WITHIN_S", GENEROUS)


@pytest.fixture
def usual_time(time_to_answer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice_servers, "_ANSWER_WITHIN_S", USUAL_S)


def asking(*urls: str, **how: Any) -> IceServers:
    server = IceServer(urls=list(urls), username="user-4711", credential="secret-4711")
    return IceServers(usable_servers([server])[0], **how)


async def given(servers: IceServers, *hosts: str) -> list[Candidate]:
    """Return the candidates that the servers give to a transport on ``hosts``, and close it."""
    agent = Connection(ice_controlling=False)
    bound = await agent.get_component_candidates(1, list(hosts))
    found = await servers.candidates(agent, 1, bound)
    await agent.close()
    await servers.cut()
    return cast("list[Candidate]", found)


async def told(*urls: str, **how: Any) -> tuple[str, ...]:
    """Return the notes about servers that all give nothing."""
    servers = asking(*urls, **how)
    assert await given(servers) == []
    return servers.notes


def known(names: dict[str, str]) -> Callable[[str], str]:
    def look_up(name: str) -> str:
        if name not in names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return names[name]

    return look_up


class TestNames:
    def test_a_name_is_looked_up(self) -> None:
        async def ask() -> list[Candidate]:
            async with running(server := Server()):
                found = asking(f"turn:a.example:{server.port}", look_up=known({"a.example": "127.0.0.1"}))
                return await given(found)

        assert [each.type for each in in_time(ask())] == ["relay"]

    def test_the_system_is_asked_by_default(self) -> None:
        async def ask() -> list[Candidate]:
            async with running(server := Server()):
                return await given(asking(f"turn:localhost:{server.port}"))

        assert [each.type for each in in_time(ask())] == ["relay"]

    @pytest.mark.parametrize("scheme", ["turn", "turns"])
    def test_one_that_is_not_in_the_dns_is_reported(self, scheme: str) -> None:
        assert in_time(told(f"{scheme}:dead.example:1", look_up=known({}))) == (
            f"no relay candidate from {scheme}:dead.example:1: not found in the DNS",
        )

    def test_one_that_is_too_long_is_reported(self) -> None:
        (note,) = in_time(told("turn:" + "a" * 64 + ".example"))
        assert note.endswith(": not found in the DNS")

    @usually
    def test_a_lookup_that_hangs_is_given_up(self) -> None:
        released = threading.Event()

        def hang(name: str) -> str:
            released.wait(GENEROUS)
            return DEAD

        try:
            notes = in_time(told("turn:slow.example", look_up=hang))
        finally:
            released.set()
        assert notes == ("no relay candidate from turn:slow.example:3478: no answer",)


class TestStun:
    def test_one_that_answers_gives_a_candidate(self) -> None:
        async def ask() -> tuple[list[Candidate], tuple[str, ...]]:
            async with running(server := Server()):
                servers = asking(f"stun:a.example:{server.port}", look_up=lambda _: HERE)
                return await given(servers, "127.0.0.1"), servers.notes

        (candidate,), notes = in_time(ask())
        assert (candidate.type, candidate.host, candidate.related_address) == (
            "srflx",
            "203.0.113.50",
            "127.0.0.1",
        )
        assert notes == ()

    @usually
    @pytest.mark.parametrize("how", [{"silent": True}, {"error": 400}, {"lacking": "XOR-MAPPED-ADDRESS"}], ids=str)
    def test_one_that_returns_no_address_is_reported(self, how: dict[str, Any]) -> None:
        async def ask() -> tuple[list[Candidate], tuple[str, ...], str]:
            async with running(server := Server(**how)):
                servers = asking(url := f"stun:a.example:{server.port}", look_up=lambda _: HERE)
                return await given(servers, "127.0.0.1"), servers.notes, url

        found, notes, url = in_time(ask())
        assert found == []
        assert notes == (f"no address candidate from {url}: no answer",)

    def test_the_second_is_asked_where_the_first_is_silent(self) -> None:
        async def ask() -> list[Candidate]:
            async with running(dead := Server(silent=True), alive := Server()):
                urls = [f"stun:a.example:{server.port}" for server in (dead, alive)]
                return await given(asking(*urls, look_up=lambda _: HERE), "127.0.0.1")

        assert [each.type for each in in_time(ask())] == ["srflx"]

    def test_a_server_on_this_machine_is_not_asked_and_not_complained_of(self) -> None:
        async def ask() -> tuple[list[Candidate], tuple[str, ...], list[stun.Method]]:
            async with running(server := Server()):
                servers = asking(f"stun:127.0.0.1:{server.port}", f"stun:localhost:{server.port}")
                return await given(servers, "127.0.0.1"), servers.notes, server.asked

        assert in_time(ask()) == ([], (), [])

    def test_it_is_not_asked_where_only_relays_are_wanted(self) -> None:
        async def ask() -> list[stun.Method]:
            async with running(server := Server()):
                await given(
                    asking(f"stun:a.example:{server.port}", look_up=lambda _: HERE, relay_only=True), "127.0.0.1"
                )
                return server.asked

        assert in_time(ask()) == []

    def test_no_servers_give_nothing(self) -> None:
        assert in_time(told()) == ()


class TestTurn:
    def test_one_that_grants_a_relay_gives_a_candidate(self) -> None:
        async def ask() -> tuple[list[Candidate], tuple[str, ...], int]:
            async with running(server := Server()):
                servers = asking(server.turn())
                return await given(servers), servers.notes, server.port

        (candidate,), notes, port = in_time(ask())
        assert (candidate.type, candidate.host, candidate.port) == ("relay", "203.0.113.60", port)
        assert candidate.related_address == "203.0.113.50"
        assert notes == ()

    def test_with_relays_only_the_address_of_this_machine_is_not_revealed(self) -> None:
        async def ask() -> list[Candidate]:
            async with running(server := Server()):
                return await given(asking(server.turn(), relay_only=True))

        (candidate,) = in_time(ask())
        assert (candidate.related_address, candidate.related_port) == ("0.0.0.0", 9)

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (401, "wrong credential? (401)"),
            (441, "wrong credential? (441)"),
            (403, "forbidden (403)"),
            (486, "its quota is used up (486)"),
            (508, "it is full (508)"),
            (500, "it refuses (500)"),
        ],
    )
    def test_one_that_refuses_is_reported_with_the_reason(self, error: int, words: str) -> None:
        async def ask() -> tuple[tuple[str, ...], str]:
            async with running(server := Server(error=error)):
                return await told(server.turn()), server.turn()

        notes, url = in_time(ask())
        assert notes == (f"no relay candidate from {url}: {words}",)

    def test_one_whose_answer_is_incomplete_is_reported(self) -> None:
        async def ask() -> tuple[str, ...]:
            async with running(server := Server(lacking="XOR-RELAYED-ADDRESS")):
                return await told(server.turn())

        (note,) = in_time(ask())
        assert "it does not speak TURN" in note

    @pytest.mark.parametrize("scheme", ["turn", "turns"])
    def test_one_that_is_not_there_is_reported(self, scheme: str) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"{scheme}:127.0.0.1:{unused.getsockname()[1]}"
            (note,) = in_time(told(url + ("?transport=tcp" if scheme == "turn" else "")))
        assert note.endswith(": Connection refused")

    def test_one_that_answers_at_none_of_its_addresses_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 9)) for n in (1, 2)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        assert in_time(told("turns:a.example")) == ("no relay candidate from turns:a.example:5349: no connection",)

    @usually
    @pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
    def test_one_that_is_silent_is_reported(self, transport: str) -> None:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            listening = udp if transport == "udp" else tcp
            listening.bind(("127.0.0.1", 0))
            if listening is tcp:
                tcp.listen()
            address = f"127.0.0.1:{listening.getsockname()[1]}"
            url = {"udp": f"turn:{address}", "tcp": f"turn:{address}?transport=tcp", "tls": f"turns:{address}"}
            assert in_time(told(url[transport])) == (f"no relay candidate from {url[transport]}: no answer",)

    @usually
    def test_the_second_is_used_where_the_first_is_silent(self) -> None:
        async def ask() -> tuple[list[Candidate], tuple[str, ...], str, int]:
            async with running(dead := Server(silent=True), alive := Server()):
                servers = asking(dead.turn(), alive.turn())
                servers.ask()
                await asyncio.wait(servers._ahead, return_when=asyncio.FIRST_COMPLETED)  # the second has answered
                return await given(servers), servers.notes, dead.turn(), alive.port

        found, notes, dead, port = in_time(ask())
        assert [each.port for each in found] == [port]
        assert notes == (f"no relay candidate from {dead}: no answer",)

    def test_the_second_is_used_where_the_first_refuses(self) -> None:
        async def ask() -> tuple[list[Candidate], int]:
            async with running(refusing := Server(error=401), alive := Server()):
                return await given(asking(refusing.turn(), alive.turn())), alive.port

        found, port = in_time(ask())
        assert [each.port for each in found] == [port]

    def test_all_that_are_there_in_time_are_offered_in_the_order_of_the_service(self) -> None:
        async def ask() -> tuple[list[Candidate], list[int]]:
            async with running(first := Server(), second := Server()):
                servers = asking(first.turn(), second.turn())
                servers.ask()
                await asyncio.wait(servers._ahead)
                return await given(servers), [first.port, second.port]

        found, ports = in_time(ask())
        assert [each.port for each in sorted(found, key=lambda each: -each.priority)] == ports

    def test_one_that_works_but_is_less_preferred_is_not_waited_for(self) -> None:
        async def ask() -> tuple[list[Candidate], tuple[str, ...], int]:
            async with running(first := Server(), silent := Server(silent=True)):
                servers = asking(first.turn(), silent.turn())
                return await given(servers), servers.notes, first.port

        found, notes, port = in_time(ask())
        assert [each.port for each in found] == [port]
        assert notes == ()  # it is not known yet whether the other works

    @usually
    @pytest.mark.parametrize("relay_only", [True, False])
    def test_a_slow_one_is_waited_for_where_there_is_no_other_way(self, relay_only: bool) -> None:
        async def ask() -> list[Candidate]:
            async with running(slow := Server(after=1.0)):
                return await given(asking(slow.turn(), relay_only=relay_only))

        assert bool(in_time(ask())) == relay_only

    @usually
    def test_one_that_comes_too_late_for_the_answer_is_given_to_its_transport(self) -> None:
        told: list[tuple[Any, Candidate]] = []

        async def ask() -> tuple[list[str], list[Candidate], tuple[str, ...], bool]:
            async with running(slow := Server(after=0.7)):
                servers, agent = asking(slow.turn()), Connection(ice_controlling=False)
                servers._on_late = lambda *what: told.append(what)
                bound = await agent.get_component_candidates(1, ["127.0.0.1"])
                assert await servers.candidates(agent, 1, bound) == []
                (note,) = servers.notes
                assert note.endswith(": no answer")
                await asyncio.wait(servers._late)
                kinds = [protocol.local_candidate.type for protocol in agent._protocols]
                found = kinds, agent.local_candidates, servers.notes, servers.has_late_relay
                await agent.close()
                await slow.given_back.wait()
                return found

        kinds, (candidate,), notes, has_late_relay = in_time(ask())
        assert kinds == ["host", "relay"]
        assert (candidate.type, candidate.host) == ("relay", "203.0.113.60")
        assert (notes, has_late_relay) == ((), True)
        assert [each for _, each in told] == [candidate]

    @usually
    @pytest.mark.parametrize("attribute", ["_check_list_done", "_closing"])
    def test_one_is_asked_for_no_longer_than_until_there_is_a_path_or_an_end(self, attribute: str) -> None:
        async def ask() -> tuple[list[Candidate], bool]:
            async with running(silent := Server(silent=True)):
                servers, agent = asking(silent.turn()), Connection(ice_controlling=False)
                await servers.candidates(agent, 1, [])
                setattr(agent, attribute, True)
                await asyncio.wait(servers._late)
                return agent.local_candidates, all(task.done() for task in servers._asking)

        assert in_time(ask()) == ([], True)

    def test_one_that_comes_together_with_a_path_is_given_back(self) -> None:
        async def ask() -> list[Candidate]:
            async with running(server := Server()):
                servers, agent = asking(server.turn()), Connection(ice_controlling=False)
                servers.ask()
                await asyncio.wait(servers._ahead)
                agent._check_list_done = True
                await servers._give_late(agent, 1, servers._ahead)
                await server.given_back.wait()
                return agent.local_candidates

        assert in_time(ask()) == []

    @usually
    def test_a_transport_whose_other_pairs_have_failed_waits_for_a_late_one(self) -> None:
        async def ask() -> tuple[list[str], str]:
            async with running(slow := Server(after=1.0)):
                servers, agent = asking(slow.turn()), Connection(ice_controlling=False)
                await agent.add_remote_candidate(Candidate.from_sdp("1 1 udp 1 127.0.0.1 9 typ host"))
                await agent.add_remote_candidate(None)
                await servers.candidates(agent, 1, [])  # the agent has no pair of candidates
                agent._local_candidates_end = True
                agent.remote_username, agent.remote_password = "user", "password" * 3
                connecting = asyncio.create_task(agent.connect())
                await asyncio.wait(servers._late)
                tried = [repr(pair) for pair in agent._check_list]
                await agent.close()
                await servers.cut()
                (failed,) = await asyncio.gather(connecting, return_exceptions=True)
                return tried, str(failed)

        tried, failed = in_time(ask())
        assert len(tried) == 1
        assert "203.0.113.60" in tried[0]
        assert failed == "ICE negotiation failed"

    @usually
    def test_an_aioice_of_another_shape_gets_no_late_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("odyssey_proto._net.webrtc.ice_servers._FOR_LATE_RELAYS", ("no such name",))

        async def ask() -> tuple[int, bool]:
            async with running(slow := Server(after=1.0)):
                servers, agent = asking(slow.turn()), Connection(ice_controlling=False)
                await servers.candidates(agent, 1, [])
                return len(servers._late), all(task.done() for task in servers._asking)

        assert in_time(ask()) == (0, True)

    def test_each_transport_gets_a_relay_of_its_own(self) -> None:
        async def ask() -> list[stun.Method]:
            async with running(server := Server()):
                servers = asking(server.turn())
                servers.ask()
                assert len(await given(servers)) == 1
                assert len(await given(servers)) == 1
                return [method for method in server.asked if method is stun.Method.ALLOCATE]

        assert len(in_time(ask())) == 2

    @pytest.mark.parametrize(
        ("errors", "hopeless"),
        [([401], True), ([401, 401], True), ([401, 508], False), ([508], False), ([], False)],
    )
    def test_asking_again_is_of_no_use_where_all_refuse_the_credentials(
        self, errors: list[int], hopeless: bool
    ) -> None:
        async def ask() -> bool:
            servers = [Server(error=error) for error in errors]
            async with running(*servers):
                ice_servers = asking(*(server.turn() for server in servers))
                await given(ice_servers)
                return ice_servers.is_hopeless

        assert in_time(ask()) is hopeless

    def test_no_note_shows_a_secret(self) -> None:
        async def ask() -> str:
            async with running(server := Server(error=401)):
                return str(await told(server.turn()))

        assert "4711" not in in_time(ask())


class TestTls:
    async def told_of(self, context: ssl.SSLContext | None, greeting: bytes = b"") -> tuple[tuple[str, ...], bool]:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
        async with server:
            servers = asking(f"turns:localhost:{server.sockets[0].getsockname()[1]}")
            assert await given(servers) == []
            return servers.notes, servers.is_hopeless

    def test_an_untrusted_certificate_is_reported_and_not_worth_a_retry(self, tmp_path: Path) -> None:
        (note,), hopeless = in_time(self.told_of(self_signed(tmp_path).server))
        assert "its certificate is not trusted (self" in note
        assert note.endswith("check the address, or set REQUESTS_CA_BUNDLE or SSL_CERT_FILE")
        assert hopeless

    @usually
    def test_one_that_is_trusted_but_is_not_a_turn_server_is_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = self_signed(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
        (note,), hopeless = in_time(self.told_of(certificate.server))
        assert "no answer" in note
        assert not hopeless

    def test_a_folder_of_certificates_that_are_not_named_by_their_hash_is_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = self_signed(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
        (note,), hopeless = in_time(self.told_of(certificate.server))
        # OpenSSL finds the certificates of a folder by the names of their files.
        assert "no certificate is named by its hash" in note
        assert hopeless

    def test_one_without_tls_is_reported(self) -> None:
        (note,), _ = in_time(self.told_of(None, greeting=b"220 smtp.example\r\n"))
        assert "no secure connection (" in note

    def test_a_bundle_that_cannot_be_read_is_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        (note,), _ = in_time(self.told_of(None))
        assert "REQUESTS_CA_BUNDLE names '" in note
        assert note.endswith("missing.pem', which does not exist: correct it, or unset it")


class TestEnd:
    async def after(self, then: Callable[[IceServers], Awaitable[None]], server: Server) -> None:
        async with running(server):
            servers = asking(server.turn())
            servers.ask()
            await asyncio.wait(servers._ahead)
            await then(servers)

    def test_a_relay_that_no_transport_took_is_given_back(self) -> None:
        server = Server()

        async def then(servers: IceServers) -> None:
            await servers.release()
            await server.given_back.wait()

        async def run() -> None:
            await self.after(then, server)

        in_time(run())

    def test_one_that_a_transport_took_is_left_to_it(self) -> None:
        async def run() -> None:
            async with running(server := Server()):
                servers, agent = asking(server.turn()), Connection(ice_controlling=False)
                await servers.candidates(agent, 1, [])
                await servers.release()
                assert not server.given_back.is_set()
                await agent.close()
                assert server.given_back.is_set()

        in_time(run())

    def test_what_is_still_asked_for_is_given_up(self) -> None:
        async def run() -> set[asyncio.Task[Any]]:
            async with running(server := Server(silent=True)):
                servers = asking(server.turn(), f"stun:{DEAD}")
                servers.ask()
                await servers.release()
                return asyncio.all_tasks()

        assert [task for task in in_time(run()) if "IceServers" in repr(task)] == []
