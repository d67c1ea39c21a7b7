"""Sloppy HTTP: the tables of other ways in which a lenient service may give the same answer.

Each kind keeps the meaning for a tolerant reader (spec/README.md#what-a-reader-tolerates).
`odyssey_proto.emulator._faults.sloppiness` decides when a kind is used, and on what.
"""

from __future__ import annotations

import gzip
import random
import zlib
from typing import Final

import attrs
from aiohttp import hdrs, web

from .._traffic import MOVED
from .sloppy_json import Kind

__all__ = [
    "ANSWERS",
    "CONFIGS",
    "EARLY",
    "HANDSHAKE",
    "PLAYLIST",
    "WHEP",
    "Answer",
    "SloppyCall",
    "second_home",
]

CONFIGS: Final = ("GET /signaling/config", "GET /config")
HANDSHAKE: Final = "GET /signaling/client/{session_id}"
PLAYLIST: Final = "GET /live/{stream_id}/index.m3u8"
WHEP: Final = "POST /live/{stream_id}/whep"
_BOM: Final = b"\xef\xbb\xbf"


# Before the answer


@attrs.define
class SloppyCall:
    """One call that is about to be answered."""

    where: str
    request: web.Request
    first: bool
    """Whether this is the first answered call to this address."""
    instead: web.Response | None = None
    """The answer to give instead, if any."""


def second_home(routes: list[web.RouteDef]) -> list[web.RouteDef]:
    """Return ``routes`` at the addresses to which calls are redirected."""
    return [web.RouteDef(route.method, MOVED + route.path, route.handler, route.kwargs) for route in routes]


def _redirect(chosen: random.Random, call: SloppyCall) -> bool:
    path = call.request.rel_url.raw_path_qs
    if path.startswith(MOVED):
        return False
    statuses = [301, 302, 303, 307, 308] if call.request.method in ("GET", "HEAD") else [307, 308]
    bases = ["", f"{call.request.scheme}://{call.request.host}", f"//{call.request.host}"]
    location = chosen.choice(bases) + MOVED + path
    call.instead = web.Response(status=chosen.choice(statuses), headers={hdrs.LOCATION: location})
    return True


def _refused_at_first(_: random.Random, call: SloppyCall) -> bool:
    if call.where != HANDSHAKE or not call.first or call.instead is not None:
        return False
    call.instead = web.json_response({"detail": "Not Found"}, status=404)
    return True


def _early_hints(chosen: random.Random, call: SloppyCall) -> bool:
    transport = call.request.transport
    if call.where == HANDSHAKE or transport is None or call.request.version < (1, 1):
        return False
    lines = [
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n",
    ]
    transport.write("".join(chosen.sample(lines, chosen.randint(1, 2))).encode())
    return True


EARLY: Final[tuple[Kind[SloppyCall], ...]] = (
    Kind("a redirect", _redirect, 0.1),
    Kind("a first handshake that is refused", _refused_at_first, 0.2),
    Kind("an answer before the answer", _early_hints, 0.1),
)
"""Kinds that come before an answer, or instead of it."""


# The answer


@attrs.define
class Answer:
    """One answer, to be changed."""

    where: str
    request: web.Request
    response: web.Response
    body: bytes


def _is_json(answer: Answer) -> bool:
    return answer.response.content_type == "application/json"


def _mark(_: random.Random, answer: Answer) -> bool:
    if not _is_json(answer):
        return False
    answer.body = _BOM + answer.body
    return True


def _code(answer: Answer, body: bytes, label: str) -> bool:
    accepted = answer.request.headers.get(hdrs.ACCEPT_ENCODING, "gzip")
    if hdrs.CONTENT_ENCODING in answer.response.headers or not answer.body or "gzip" not in accepted:
        return False
    answer.body = body
    answer.response.headers[hdrs.CONTENT_ENCODING] = label
    return True


def _gzip(chosen: random.Random, answer: Answer) -> bool:
    return _code(answer, gzip.compress(answer.body), chosen.choice(["gzip", "x-gzip", "GZIP", " gzip"]))


def _gzip_members(chosen: random.Random, answer: Answer) -> bool:
    cuts = sorted(chosen.randint(0, len(answer.body)) for _ in range(chosen.randint(1, 3)))
    ends = zip([0, *cuts], [*cuts, len(answer.body)], strict=True)
    members = [gzip.compress(answer.body[begin:end]) for begin, end in ends]
    return _code(answer, b"".join(members), "gzip")


def _deflate(chosen: random.Random, answer: Answer) -> bool:
    packer = zlib.compressobj(wbits=chosen.choice([15, -15]))  # with the header of zlib, and without
    return _code(answer, packer.compress(answer.body) + packer.flush(), "deflate")


def _two_codings(chosen: random.Random, answer: Answer) -> bool:
    inner, label = chosen.choice([(gzip.compress(answer.body), "gzip"), (zlib.compress(answer.body), "deflate")])
    return _code(answer, gzip.compress(inner), f"{label}, gzip")


def _no_coding(chosen: random.Random, answer: Answer) -> bool:
    return _code(answer, answer.body, chosen.choice(["none", "UTF-8", "binary", "aws-chunked", "identity", ""]))


_TYPES: Final = (
    "text/plain",
    "text/html; charset=utf-8",
    "application/octet-stream",
    "application/vnd.odyssey+json",
    "application/JSON;charset=UTF8",
    "json",
)


def _odd_type(chosen: random.Random, answer: Answer) -> bool:
    answer.response.headers[hdrs.CONTENT_TYPE] = chosen.choice(_TYPES)
    return True


def _no_type(_: random.Random, answer: Answer) -> bool:
    answer.response.headers[hdrs.CONTENT_TYPE] = ""  # which `sloppiness.untype` removes
    return True


def _another_status(chosen: random.Random, answer: Answer) -> bool:
    if answer.where not in CONFIGS or answer.response.status != 200:
        return False
    answer.response.set_status(chosen.choice([201, 203, 404, 500, 503]))
    return True


def _another_location(chosen: random.Random, answer: Answer) -> bool:
    location = answer.response.headers.get(hdrs.LOCATION, "")
    if answer.where != WHEP or not location.startswith("/"):
        return False
    stream, whep, resource = location.split("/")[-3:]
    origin = f"{answer.request.scheme}://{answer.request.host}"
    forms = [f"{whep}/{resource}", f"../{stream}/{whep}/{resource}", origin + location, origin[5:] + location]
    answer.response.headers[hdrs.LOCATION] = chosen.choice(forms)
    return True


def _in_chunks(_: random.Random, answer: Answer) -> bool:
    if not answer.body or answer.request.version < (1, 1):
        return False
    answer.response.enable_chunked_encoding()
    return True


ANSWERS: Final[tuple[Kind[Answer], ...]] = (
    Kind("a byte order mark", _mark),
    Kind("gzip", _gzip, 0.1),
    Kind("gzip of several members", _gzip_members, 0.1),
    Kind("deflate", _deflate, 0.1),
    Kind("two codings", _two_codings, 0.1),
    Kind("a coding that is none", _no_coding, 0.1),
    Kind("an odd Content-Type", _odd_type),
    Kind("no Content-Type", _no_type),
    Kind("another status", _another_status, 0.25),
    Kind("another form of the Location", _another_location, 0.5),
    Kind("a body in chunks", _in_chunks, 0.1),
)
"""Kinds that change an answer, in the order in which they are used."""
