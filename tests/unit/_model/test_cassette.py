"""The format of live cassettes: what is written can be read, and damaged files are refused in bounded time."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import pytest

from odyssey_proto import CassetteError
from odyssey_proto._base.limits import CASSETTE_HEAD_MOST_BYTES, CASSETTE_PAYLOAD_MOST_BYTES
from odyssey_proto._model.cassette import BEGINNING, TooLargeError, encode, index

RECORDS = [
    ({"kind": "cassette", "at_ms": 0, "made_by": "a test"}, b""),
    ({"kind": "message", "at_ms": 1.5, "place": "signaling", "from": "client"}, '{"type": "größe"}'.encode()),
    ({"kind": "frame", "at_ms": 50, "codec": "h264", "timestamp": 90, "key": True}, bytes(range(256)) * 3),
    ({"kind": "end", "at_ms": 60}, b""),
]
WHOLE = BEGINNING + b"".join(encode(*record) for record in RECORDS)


def read(data: bytes) -> tuple[list[tuple[dict[str, Any], bytes]], bool]:
    file = io.BytesIO(data)
    records, whole = index(file)
    return [(record.head, record.payload(file)) for record in records], whole


def test_what_is_written_is_read() -> None:
    assert read(WHOLE) == (RECORDS, True)


def test_a_cassette_begins_as_the_format_says() -> None:
    assert BEGINNING.hex(" ") == "89 4f 44 59 43 41 53 54 00 01 00 00"
    assert encode({"kind": "x", "at_ms": 0}, b"ab")[:8] == struct.pack(">II", 22, 2)


def test_a_cassette_that_is_cut_anywhere_is_read_up_to_there() -> None:
    ends = [len(BEGINNING)]
    for record in RECORDS:
        ends.append(ends[-1] + len(encode(*record)))
    for length in range(len(BEGINNING), len(WHOLE) + 1):
        records, whole = read(WHOLE[:length])
        assert (len(records), whole) == (sum(end <= length for end in ends) - 1, length in ends)


def test_a_damaged_byte_is_found_wherever_it_is() -> None:
    for place in range(len(BEGINNING), len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[place] ^= 0x41
        with contextlib.suppress(CassetteError):
            records, whole = read(bytes(damaged))
            assert not whole  # a damaged length that reaches beyond the end looks like a cut
            assert len(records) < len(RECORDS)


@pytest.mark.parametrize("data", [b"", b"\x89ODY", b"\x89PNG\r\n\x1a\n" + bytes(100), b"{}" * 100])
def test_what_is_no_cassette_is_refused(data: bytes) -> None:
    with pytest.raises(CassetteError) as caught:
        index(io.BytesIO(data))
    assert caught.value.code == "not_a_cassette"


def test_a_later_version_is_refused() -> None:
    with pytest.raises(CassetteError, match="version 2, and only 1") as caught:
        index(io.BytesIO(b"\x89ODYCAST\x00\x02\x00\x00"))
    assert caught.value.code == "unknown_version"


@pytest.mark.parametrize(
    "head",
    [
        {},
        [],
        {"kind": "x"},
        {"kind": 7, "at_ms": 0},
        {"kind": "x", "at_ms": "0"},
        {"kind": "x", "at_ms": True},
        {"kind": "x", "at_ms": -1},
        {"kind": "x", "at_ms": 1e300},
    ],
)
def test_a_head_without_kind_or_time_is_damaged(head: Any) -> None:
    with pytest.raises(CassetteError, match="at byte 12"):
        index(io.BytesIO(BEGINNING + encode(head)))


def test_a_head_that_is_not_json_is_damaged() -> None:
    text = b"[" * 50_000
    lengths = struct.pack(">II", len(text), 0)
    record = lengths + struct.pack(">I", zlib.crc32(lengths + text)) + text
    with pytest.raises(CassetteError, match="not JSON"):
        index(io.BytesIO(BEGINNING + record))


@pytest.mark.parametrize("lengths", [(2**32 - 1, 0), (0, 2**32 - 1), (65_537, 0), (10, 64 * 2**20 + 1)])
def test_an_impossible_length_is_not_read(lengths: tuple[int, int]) -> None:
    with pytest.raises(CassetteError, match="its length is impossible"):
        index(io.BytesIO(BEGINNING + struct.pack(">III", *lengths, 0) + bytes(100)))


def test_too_many_records_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odyssey_proto._model.cassette.CASSETTE_RECORDS_MOST", 3)
    with pytest.raises(CassetteError, match="more than 3 records"):
        index(io.BytesIO(WHOLE))


def test_a_file_that_shrinks_while_it_is_read_is_noticed() -> None:
    file = io.BytesIO(WHOLE)
    records, _ = index(file)
    file.truncate(len(WHOLE) - 60)
    with pytest.raises(CassetteError, match="cut off"):
        records[2].payload(file)


def test_a_head_with_a_thousand_lists_is_refused_and_an_address_with_brackets_is_not() -> None:
    read(BEGINNING + encode({"kind": "call", "at_ms": 0, "path": "/" + "[" * 5000}))
    with pytest.raises(CassetteError, match="too many objects and lists"):
        read(BEGINNING + encode({"kind": "call", "at_ms": 0, "x": [[]] * 1000}))


def test_no_record_is_written_that_is_not_read() -> None:
    longest = encode({"kind": "x", "at_ms": 0, "text": "x" * (CASSETTE_HEAD_MOST_BYTES - 33)})
    assert len(read(BEGINNING + longest)[0]) == 1
    with pytest.raises(TooLargeError):
        encode({"kind": "x", "at_ms": 0, "text": "x" * CASSETTE_HEAD_MOST_BYTES})
    with pytest.raises(TooLargeError):
        encode({"kind": "x", "at_ms": 0}, bytes(CASSETTE_PAYLOAD_MOST_BYTES + 1))
