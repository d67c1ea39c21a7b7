"""PNG files with good pixels, but with texts and profiles that are large, odd or damaged: the picture is taken.

Image generators write whole workflows into their files, and files for print have large profiles. Pillow alone
refuses texts that unpack to more than 1 MiB.
"""

from __future__ import annotations

import base64
import functools
import io
import os
import random
import struct
import zlib
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image, ImageCms

from odyssey_proto import OdysseyConfigError
from odyssey_proto._video.images import to_data_url
from odyssey_proto._video.png import PngParts
from tests.support.bombs import MIB, zeros

if TYPE_CHECKING:
    from pathlib import Path

RED: Final = (200, 30, 30)
SIZE: Final = (1280, 704)
AFTER_HEADER: Final = 8 + 25

_random = random.Random(1)
TEXT: Final = _random.randbytes(MIB + 300_000).translate((b'{}[]":, abcdef0123456789' * 11)[:256])
PACKED_TEXT: Final = zlib.compress(TEXT)
PACKED_MIB: Final = zlib.compress(b"x" * MIB)
NOISE: Final = _random.randbytes(MIB)
PROFILE: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@functools.cache
def red(width: int, height: int) -> bytes:
    return saved(Image.new("RGB", (width, height), RED))


def saved(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def png(
    *chunks: bytes, at_end: bool = False, size: tuple[int, int] = SIZE, picture: Image.Image | None = None
) -> bytes:
    """Return a red picture of ``size``, or another one, with ``chunks`` after the header, or after the pixels."""
    raw = red(*size) if picture is None else saved(picture)
    at = len(raw) - 12 if at_end else AFTER_HEADER
    return raw[:at] + b"".join(chunks) + raw[at:]


def profile(content: bytes) -> bytes:
    return packed_profile(zlib.compress(content))


def packed_profile(content: bytes) -> bytes:
    return chunk(b"iCCP", b"printer\0\0" + content)


# Chunks that may keep other decoders from the picture, so that the file cannot pass unchanged.
ODD: Final = {
    "zTXt of 1.3 MB": [chunk(b"zTXt", b"workflow\0\0" + PACKED_TEXT)],
    "iTXt of 1.3 MB, packed": [chunk(b"iTXt", b"parameters\0\x01\0\0\0" + PACKED_TEXT)],
    "iTXt of 1.3 MB": [chunk(b"iTXt", b"parameters\0\0\0\0\0" + TEXT)],
    "tEXt of 1.3 MB": [chunk(b"tEXt", b"parameters\0" + TEXT)],
    "70 texts of 1 MB": [chunk(b"zTXt", b"%d\0\0" % number + PACKED_MIB) for number in range(70)],
    "20 MB of texts": [chunk(b"tEXt", b"%d\0" % number + NOISE[: MIB - 9]) for number in range(20)],
    "profile of 1.3 MB": [profile(PROFILE + NOISE)],
    "profile that unpacks to 1 GB": [packed_profile(zeros(64))],
    "broken zTXt": [chunk(b"zTXt", b"c\0\0garbage")],
    "broken profile": [chunk(b"iCCP", b"c\0\0garbage")],
    "empty profile": [chunk(b"iCCP", b"")],
    "wrong checksum of a text": [chunk(b"tEXt", b"k\0v")[:-4] + b"\0\0\0\0"],
    "wrong checksum of a profile": [profile(PROFILE)[:-4] + b"\0\0\0\0"],
    "wrong checksum of gamma": [chunk(b"gAMA", b"\0\0\xb1\x8f")[:-4] + b"\0\0\0\0"],
}
# Chunks that harm no decoder.
HARMLESS: Final = {
    "nothing": [],
    "text": [chunk(b"tEXt", b"Author\0Me"), chunk(b"iTXt", b"Titel\0\0\0de\0\0K\xc3\xa4se")],
    "profile": [profile(PROFILE)],
    "broken Exif": [chunk(b"eXIf", b"garbage!")],
    "a kind nobody knows": [chunk(b"caBX", os.urandom(2000))],
    "Apple's iDOT": [chunk(b"iDOT", bytes(28))],
}


def shown(url: str) -> Image.Image:
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        picture.load()
        return picture


def is_red(picture: Image.Image) -> bool:
    seen = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(seen, tuple)
    return all(abs(channel - meant) <= 8 for channel, meant in zip(seen, RED, strict=True))


@pytest.mark.parametrize("at_end", [False, True], ids=["before the pixels", "after the pixels"])
@pytest.mark.parametrize("name", [*ODD, *HARMLESS])
def test_the_picture_is_taken(name: str, at_end: bool, tmp_path: Path) -> None:
    chunks = (ODD | HARMLESS)[name]
    path = tmp_path / "picture.png"
    path.write_bytes(png(*chunks, at_end=at_end, size=(640, 360)))
    assert is_red(shown(to_data_url(path, portrait=False)))


@pytest.mark.parametrize("name", ODD)
def test_one_that_others_may_refuse_is_sent_as_a_jpeg(name: str) -> None:
    url = to_data_url(png(*ODD[name]), portrait=False)
    assert url.startswith("data:image/jpeg;base64,")
    assert len(url) < MIB


@pytest.mark.parametrize("name", HARMLESS)
def test_one_that_everybody_reads_passes_unchanged(name: str) -> None:
    raw = png(*HARMLESS[name])
    assert to_data_url(raw, portrait=False) == f"data:image/png;base64,{base64.b64encode(raw).decode()}"


def test_a_large_profile_is_applied() -> None:
    """The profile swaps red and blue, so that the picture shows whether it was applied."""
    swapped = bytearray(PROFILE)
    table = {PROFILE[at : at + 4]: at for at in range(132, 132 + 12 * int.from_bytes(PROFILE[128:132], "big"), 12)}
    red, blue = table[b"rXYZ"], table[b"bXYZ"]
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    picture = shown(to_data_url(png(profile(bytes(swapped) + NOISE)), portrait=False))
    seen = picture.getpixel((10, 10))
    assert isinstance(seen, tuple)
    assert seen[2] > 150 > 100 > seen[0]


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("how", ["eXIf", "XMP", "ImageMagick"])
def test_its_orientation_is_found_wherever_it_is_written(how: str, at_end: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    data = exif.tobytes()
    written = {
        "eXIf": chunk(b"eXIf", data.removeprefix(b"Exif\0\0")),
        "XMP": chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="3"/>'),
        "ImageMagick": chunk(
            b"zTXt",
            b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n%8d\n%b\n" % (len(data), data.hex().encode())),
        ),
    }[how]
    picture = Image.new("RGB", (640, 352), "white")
    picture.paste(RED, (0, 0, 640, 176))
    turned = shown(
        to_data_url(png(written, *ODD["zTXt of 1.3 MB"], at_end=at_end, picture=picture), portrait=False)
    )
    assert turned.getpixel((640, 100)) == (255, 255, 255)
    assert not is_red(turned.crop((0, 0, 1280, 300)))
    assert is_red(turned.crop((0, 400, 1280, 704)))


def test_an_animation_shows_its_first_picture_and_does_not_pass() -> None:
    out = io.BytesIO()
    first, second = Image.new("RGB", SIZE, RED), Image.new("RGB", SIZE, "blue")
    first.save(out, "PNG", save_all=True, append_images=[second])
    assert PngParts.of(out.getvalue()).is_animated
    assert is_red(shown(to_data_url(out.getvalue(), portrait=False)))


def test_a_damaged_animation_is_a_picture_all_the_same() -> None:
    raw = png(chunk(b"acTL", struct.pack(">II", 0, 0)), chunk(b"fcTL", b"short"))
    assert is_red(shown(to_data_url(raw, portrait=False)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_what_changes_the_picture_is_kept(mode: str) -> None:
    picture = Image.new("RGB", (64, 64), RED).convert("L" if mode == "I;16" else mode).convert(mode)
    plain, odd = (png(*chunks, picture=picture) for chunks in ([], ODD["zTXt of 1.3 MB"]))
    assert to_data_url(odd, portrait=False) == to_data_url(plain, portrait=False)


def test_transparency_is_kept() -> None:
    picture = Image.new("P", (64, 64), 0)
    picture.putpalette([*RED, 0, 0, 255])
    picture.info["transparency"] = 0
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=0)
    raw = out.getvalue()
    odd = raw[:AFTER_HEADER] + ODD["tEXt of 1.3 MB"][0] + raw[AFTER_HEADER:]
    assert shown(to_data_url(odd, portrait=False)).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_one_that_breaks_off_is_refused_for_that(part: float) -> None:
    noise = Image.frombytes("RGB", (300, 300), NOISE[: 300 * 300 * 3])
    raw = png(chunk(b"tEXt", b"k\0v"), picture=noise)
    with pytest.raises(OdysseyConfigError, match="damaged or incomplete") as caught:
        to_data_url(raw[: int(len(raw) * part)], portrait=False)
    assert caught.value.code == "image_damaged"


@pytest.mark.parametrize("at_end", [False, True])
def test_a_pillow_image_of_such_a_file_is_taken_if_pillow_opened_it(at_end: bool) -> None:
    raw = png(*ODD["zTXt of 1.3 MB"], at_end=at_end)
    if not at_end:
        with pytest.raises(ValueError, match="too large"):
            Image.open(io.BytesIO(raw))
        return
    with Image.open(io.BytesIO(raw)) as picture:
        assert is_red(shown(to_data_url(picture, portrait=False)))
