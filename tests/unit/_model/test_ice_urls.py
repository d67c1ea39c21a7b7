"""Addresses of ICE servers: which of them a connection can use, and the reasons against the others."""

import pytest
from odyssey_models import IceServer

from odyssey_proto._model.ice_urls import usable_servers


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
        usable, left_out = usable_servers([turn(url)])
        assert ([str(each) for each in usable], left_out) == ([expected], ())

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
            ("stun:\x1b[2Ja.example", "malformed"),
            ("stun:a\u202e.example", "malformed"),
            ("turn:a.example:0", "invalid port"),
            ("turn:a.example:65536", "invalid port"),
            ("stuns:a.example", "not supported"),
            ("turn:a.example?transport=sctp", "not supported"),
            ("turns:a.example?transport=udp", "not supported"),
            ("stun:a.example?transport=tcp", "not supported"),
            ("stun:[2001:db8::1]:3478", "IPv6"),
            ("turn:[::1]", "IPv6"),
        ],
    )
    def test_leaves_out_the_rest_and_says_why(self, url: str, reason: str) -> None:
        usable, left_out = usable_servers([turn(url), IceServer(urls="stun:b.example")])
        assert [str(each) for each in usable] == ["stun:b.example:3478"]
        assert len(left_out) == 1
        assert reason in left_out[0]

    @pytest.mark.parametrize(
        ("username", "credential"), [(None, None), ("u", None), (None, "c"), ("", "c"), ("u", "")]
    )
    def test_turn_without_credentials_is_of_no_use(self, username: str | None, credential: str | None) -> None:
        server = IceServer(urls="turn:a.example", username=username, credential=credential)
        assert usable_servers([server]) == ((), ("turn:a.example:3478 has no user name or no password",))

    def test_the_old_spelling_counts(self) -> None:
        usable, _ = usable_servers([IceServer(url="stun:a.example"), IceServer(url=["stun:b.example"])])
        assert [each.host for each in usable] == ["a.example", "b.example"]

    @pytest.mark.parametrize("server", [IceServer(), IceServer(urls=[])])
    def test_a_server_without_an_address_is_left_out(self, server: IceServer) -> None:
        assert usable_servers([server]) == ((), ("an ICE server has no address",))

    def test_no_servers_are_none(self) -> None:
        assert usable_servers([]) == ((), ())

    def test_a_long_list_is_cut(self) -> None:
        usable, left_out = usable_servers([IceServer(urls=[f"stun:{n}.example" for n in range(20)])])
        assert [each.host for each in usable] == [f"{n}.example" for n in range(8)]
        assert left_out == ("only the first 8 STUN servers are tried",)

    def test_stun_servers_never_cost_a_turn_server(self) -> None:
        stun = IceServer(urls=[f"stun:{n}.example" for n in range(20)])
        usable, left_out = usable_servers([stun, turn(*(f"turn:{n}.example" for n in range(9)))])
        assert [each.host for each in usable if each.scheme == "turn"] == [f"{n}.example" for n in range(8)]
        assert left_out == ("only the first 8 STUN servers are tried", "only the first 8 TURN servers are tried")

    def test_a_server_that_is_named_again_counts_once(self) -> None:
        again = [turn("turn:a.example", "TURN:A.example:3478", "turns:a.example")] * 10
        usable, left_out = usable_servers([*again, IceServer(urls=["stun:b.example"] * 10)])
        assert [str(each) for each in usable] == [
            "turn:a.example:3478",
            "turns:a.example:5349",
            "stun:b.example:3478",
        ]
        assert left_out == ()

    def test_no_text_shows_a_secret(self) -> None:
        server = turn("turn:a.example", "turns:a.example?token=secret-4711", "turn:user:secret-4711@a", "stuns:b")
        usable, left_out = usable_servers([server])
        shown = " ".join([*left_out, *map(str, usable), *map(repr, usable)])
        assert usable[0].credential == "secret-4711"
        assert "secret-4711" not in shown
