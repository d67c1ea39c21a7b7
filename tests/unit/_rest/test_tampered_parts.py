"""Unfinished downloads whose files something else has written: they are ignored, or a typed error names them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import AdvancedConfig, Odyssey, OdysseyConfigError
from odyssey_proto._base.limits import NOTE_MOST_BYTES
from tests.support.servers import HttpServer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 8
PART, NOTE = "s-1.mp4.part", "s-1.mp4.part.json"


def note(validator: object, size: object) -> bytes:
    return json.dumps({"validator": validator, "size": size}).encode()


def download(folder: Path, etag: bytes = b'"a"') -> bytes:
    file = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: %s\r\n\r\n%s" % (len(VIDEO), etag, VIDEO)
    with HttpServer({"GET /f": file}) as server:
        server.routes["GET /recordings/s-1"] = json_answer({"stream_id": "s-1", "video_url": f"{server.url}/f"})
        with Odyssey("ody_k", api_url=server.url, advanced=AdvancedConfig(max_retries=0)) as odyssey:
            return odyssey.download_recording("s-1", folder, artifacts=["video"], timeout=20)["video"].read_bytes()


NOTES = {
    "nested": b"[" * 10_000,
    "a euro": note('"€"', len(VIDEO)),
    "a header": note('"a"\r\nX: y', len(VIDEO)),
    "half a character": note("\ud800", len(VIDEO)),
    "a long validator": note("x" * 5000, len(VIDEO)),
    "a long note": b" " * (NOTE_MOST_BYTES + 1) + note('"a"', len(VIDEO)),
    "a negative size": note('"a"', -1),
    "true": note('"a"', True),
    "digits": b'{"validator":"\\"a\\"","size":' + b"9" * 5000 + b"}",
    "an infinite size": note('"a"', float("inf")),
    "a list": b"[1]",
    "nothing": b"",
    "UTF-16": note('"a"', 5).decode().encode("utf-16"),
}


@pytest.mark.parametrize("content", NOTES)
def test_a_note_that_cannot_be_right_is_ignored(content: str, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(VIDEO[:100])
    (tmp_path / NOTE).write_bytes(NOTES[content])
    assert download(tmp_path) == VIDEO


@pytest.mark.parametrize("etag", ['"€"'.encode(), b'"' + b"x" * 5000 + b'"'])
def test_a_validator_that_cannot_be_sent_is_not_kept(etag: bytes, tmp_path: Path) -> None:
    assert download(tmp_path, etag) == VIDEO


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.skipif(os.name == "nt", reason="needs pipes and links")
@pytest.mark.parametrize("make", [pipe, link])
@pytest.mark.parametrize("name", [NOTE, f"{NOTE}.new"])
def test_a_pipe_or_a_link_in_place_of_a_note_is_replaced(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / name)
    (tmp_path / PART).write_bytes(VIDEO[:100])
    assert download(tmp_path) == VIDEO


@pytest.mark.skipif(os.name == "nt", reason="needs pipes and links")
@pytest.mark.parametrize(
    ("name", "make"),
    [
        (PART, pipe),
        (PART, link),
        (PART, folder),
        (NOTE, folder),
        (f"{NOTE}.new", folder),
        ("s-1.mp4", folder),
    ],
)
def test_what_is_no_file_is_named(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(OdysseyConfigError) as caught:
        download(tmp_path)
    assert (caught.value.code, str(caught.value).split(" ")[0]) == ("not_a_file", name)
