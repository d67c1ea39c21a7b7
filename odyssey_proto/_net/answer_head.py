"""The heads of HTTP answers, in the form that strict parsers read.

The parsers of http.client and websocket-client stop at the first malformed line. They miss whatever comes after
it, such as the length of the body, and wait for more. This module reads a head as lenient clients do, and writes
it as these parsers expect it. It reads no socket itself, and does not act on what the fields say.
"""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, Self

import attrs

from .._base.limits import HEAD_MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AnswerHead", "read_head"]

_STATUS_LINE: Final = re.compile(rb"HTTP/(?P<version>\d+(\.\d+)?) +(?P<status>\d{3})(?P<reason>(?: .*)?)")
_END_OF_LINE: Final = re.compile(rb"\n")
_END: Final = re.compile(rb"\r?\n\r?\n")
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ANNOUNCEMENTS: Final = frozenset({100, *range(102, 200)})  # after 101 there is no other answer
_SINGLE: Final = frozenset({b"content-length", b"content-type", b"date", b"location", b"retry-after"})
_JOINED: Final = frozenset({b"connection", b"transfer-encoding", b"upgrade"})
_SAME_LENGTH: Final = re.compile(rb"(\d+)(?:\s*,\s*\1)+")


@attrs.frozen
class AnswerHead:
    """The head of one answer."""

    status: int
    """The status code."""
    reason: bytes
    """The reason phrase."""
    version: bytes
    """1.0 or 1.1; later versions, which some servers write by mistake, count as 1.1."""
    fields: tuple[tuple[bytes, bytes], ...]
    """The names and values of the fields. Of a field that must not be repeated, only the first one is kept."""

    def field(self, name: bytes) -> bytes | None:
        """Return the value of the field ``name`` (in lower case), or None."""
        return next((value for known, value in self.fields if known.lower() == name), None)

    def all(self, name: bytes) -> bytes:
        """Return all values of the field ``name`` (in lower case), joined by commas; b"" if there is none."""
        return b", ".join(value for known, value in self.fields if known.lower() == name)

    def without(self, name: bytes) -> Self:
        """Return the head without the field ``name`` (in lower case)."""
        return attrs.evolve(self, fields=tuple(each for each in self.fields if each[0].lower() != name))

    def text(self) -> bytes:
        """Return the head as a server writes it, up to and including the empty line.

        >>> AnswerHead(200, b"OK", b"1.1", ((b"Date", b"today"),)).text()
        b'HTTP/1.1 200 OK\\r\\nDate: today\\r\\n\\r\\n'
        """
        lines = [b"HTTP/%s %03d %s" % (self.version, self.status, self.reason)]
        lines += [b"%s: %s" % each for each in self.fields]
        return b"\r\n".join((*lines, b"", b""))


def read_head(receive: Callable[[], bytes]) -> tuple[AnswerHead | None, bytes]:
    """Read the head of an answer, and skip interim responses (1xx, except 101).

    Args:
        receive: returns the next bytes of the stream, b"" at its end.

    Returns:
        The head, and the bytes read after it. The head is None if the stream ends too early, or brings something
        other than HTTP or a head of more than 256 KiB: then the bytes are those read after the interim responses.
    """
    ahead, passed, searched = b"", 0, 0
    while True:
        ahead = ahead.lstrip(b"\r\n")  # some servers end the previous answer with an extra empty line
        line = _END_OF_LINE.search(ahead)
        begins = _STATUS_LINE.match(ahead) if line else None
        if line and not begins:
            return None, ahead
        end = _END.search(ahead, max(0, searched - 3))
        if begins and end:
            status = int(begins["status"])
            if status not in _ANNOUNCEMENTS:
                return _head(status, begins, ahead[: end.start()]), ahead[end.end() :]
            passed += end.end()
            ahead, searched = ahead[end.end() :], 0
            continue
        searched = len(ahead)
        data = receive() if passed + len(ahead) <= HEAD_MOST_BYTES else b""
        if not data:
            return None, ahead
        ahead += data


def _head(status: int, begins: re.Match[bytes], head: bytes) -> AnswerHead:
    found: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for name, value in _fields(head):
        known = found.setdefault(name.lower(), [])
        if known and name.lower() in _JOINED:
            known[0] = (known[0][0], b", ".join(filter(None, (known[0][1], value))))
        elif not known or name.lower() not in _SINGLE:
            known.append((name, value))
    _name_one_length(found)
    _unmix_codings(found)
    # RFC 9110, 6.6.1, requires this of recipients that cache or forward an answer; other code calculates with it.
    found.setdefault(b"date", [(b"Date", formatdate(usegmt=True).encode())])
    return AnswerHead(
        status=status,
        reason=begins["reason"].strip(),
        version=b"1.0" if begins["version"] in (b"1.0", b"0.9") else b"1.1",
        fields=tuple(each for same in found.values() for each in same),
    )


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a head in their order, without invalid lines."""
    fields: list[tuple[bytes, bytes]] = []
    is_kept = False
    for line in head.split(b"\n")[1:]:
        if line.startswith((b" ", b"\t")):
            if is_kept:
                name, value = fields[-1]
                fields[-1] = (name, b" ".join(filter(None, (value, _one_line(line)))))
            continue
        name, colon, value = line.partition(b":")
        is_kept = bool(colon) and _TOKEN.fullmatch(name.strip()) is not None
        if is_kept:
            fields.append((name.strip(), _one_line(value)))
    return fields


def _one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b" ").replace(b"\0", b" ").strip()


def _name_one_length(found: dict[bytes, list[tuple[bytes, bytes]]]) -> None:
    """Reduce a length that a proxy has repeated (``51, 51``) to one."""
    for name, value in found.get(b"content-length", ()):
        if same := _SAME_LENGTH.fullmatch(value):
            found[b"content-length"] = [(name, same[1])]


def _unmix_codings(found: dict[bytes, list[tuple[bytes, bytes]]]) -> None:
    """Move transfer codings other than ``chunked`` to the content codings, which are undone after it."""
    for name, value in found.get(b"transfer-encoding", ()):
        *packed, last = (coding.strip() for coding in value.split(b","))
        if packed and last.lower() == b"chunked":
            found[b"transfer-encoding"] = [(name, last)]
            found.setdefault(b"content-encoding", []).extend((b"Content-Encoding", coding) for coding in packed)
