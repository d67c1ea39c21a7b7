"""Images for the service: real files of every format and mode, and everything that is not an image."""

from __future__ import annotations

import base64
import errno
import io
import os
import stat
import struct
import sys
import threading
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image, ImageCms, ImageDraw, PngImagePlugin

from odyssey_proto._base.errors import MissingExtraError, OdysseyConfigError
from odyssey_proto._video.images import MAX_ENCODED_BYTES, MAX_PIXELS, only_one, to_data_url
from tests.support.systems import NEEDS_PIPES, NEEDS_PROC

if TYPE_CHECKING:
    from collections.abc import Callable

Colour = tuple[int, int, int]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 255, 255)
GENEROUS = 60.0  # s; a hang fails, a slow machine does not
SIZES = {True: (704, 1280), False: (1280, 704)}
ORIENTATION = 0x0112
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "HEIF", "AVIF")


def quarters(width: int = 320, height: int = 176) -> Image.Image:
    """Return a picture whose quarters, in reading order, are red, green, blue and white."""
    picture = Image.new("RGB", (width, height), WHITE)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, width // 2 - 1, height // 2 - 1), RED)
    pen.rectangle((width // 2, 0, width - 1, height // 2 - 1), GREEN)
    pen.rectangle((0, height // 2, width // 2 - 1, height - 1), BLUE)
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    if kind == "HEIF":
        if not pillow_heif.libheif_info()["HEIF"]:
            pytest.skip("this pillow-heif cannot encode")
        pillow_heif.from_pillow(picture).save(out, **options)
    else:
        picture.save(out, kind, **({"speed": 10} if kind == "AVIF" else {}), **options)
    return out.getvalue()


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data.tobytes()


def data_url(raw: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def content(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2], validate=True)


def shown(url: str, *, portrait: bool) -> Image.Image:
    """Return the image as the service will see it, after checking its form."""
    assert url.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(content(url))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", SIZES[portrait])
        picture.load()
        return picture


def near(seen: Any, meant: Colour, tolerance: int = 12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(seen, meant, strict=True))


def corners(picture: Image.Image) -> list[str]:
    """Return the names of the colours in the middle of the four quarters."""
    width, height = picture.size
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    found = []
    for x, y in ((1, 1), (3, 1), (1, 3), (3, 3)):
        seen = picture.getpixel((width * x // 4, height * y // 4))
        found.append(next((name for name, colour in names.items() if near(seen, colour, 24)), str(seen)))
    return found


AS_ONE_READS = ["red", "green", "blue", "white"]


def refusal(image: Any, *, portrait: bool = False) -> OdysseyConfigError:
    """Return the error that refuses ``image``, after checking its text."""
    with pytest.raises(OdysseyConfigError) as caught:
        to_data_url(image, portrait=portrait)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 1300
    return caught.value


class TestWhatIsAccepted:
    @pytest.mark.parametrize("portrait", [True, False])
    @pytest.mark.parametrize("kind", FORMATS)
    def test_a_file_of_every_format(self, kind: str, portrait: bool) -> None:
        raw = encoded(quarters(), kind)
        assert corners(shown(to_data_url(raw, portrait=portrait), portrait=portrait)) == AS_ONE_READS

    @pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
    def test_a_heif_file_of_any_brand(self, brand: bytes) -> None:
        raw = encoded(quarters(), "HEIF")
        other = raw[:8] + brand + raw[12:]
        assert corners(shown(to_data_url(other, portrait=False), portrait=False)) == AS_ONE_READS

    def test_an_avif_file_that_says_so_among_its_compatible_brands_alone(self) -> None:
        raw = encoded(quarters(), "AVIF")
        other = raw[:8] + b"mif1" + raw[12:]
        assert corners(shown(to_data_url(other, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize(
        "written",
        [
            pytest.param(lambda raw: base64.encodebytes(raw).decode(), id="lines of 76"),
            pytest.param(lambda raw: base64.encodebytes(raw).decode().replace("\n", "\r\n"), id="CRLF"),
            pytest.param(lambda raw: f"\n  {base64.b64encode(raw).decode()}\t\n", id="indented"),
            pytest.param(lambda raw: base64.urlsafe_b64encode(raw).decode(), id="URL-safe"),
            pytest.param(
                lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="), id="URL-safe, no padding"
            ),
            pytest.param(lambda raw: base64.b64encode(raw).decode().rstrip("="), id="no padding"),
            pytest.param(lambda raw: quote(base64.b64encode(raw).decode()), id="escaped"),
            pytest.param(lambda raw: quote(base64.encodebytes(raw).decode(), safe=""), id="lines, escaped"),
        ],
    )
    def test_a_data_url_in_every_way_of_writing_base64(self, written: Callable[[bytes], str]) -> None:
        for extra in range(3):  # every length of the padding
            raw = encoded(quarters(160, 88), "BMP") + bytes(extra) + b"\xfb\xff\xfe"
            url = f"data:image/bmp;base64,{written(raw)}"
            assert corners(shown(to_data_url(url, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize("as_given", [str, Path, os.fsencode])
    def test_a_path_with_a_misleading_name(self, tmp_path: Path, as_given: Callable[[Path], Any]) -> None:
        path = tmp_path / "picture ü.gif"
        path.write_bytes(encoded(quarters(), "PNG"))

        class Given(os.PathLike[Any]):
            def __fspath__(self) -> Any:
                return as_given(path)

        given_path = as_given(path) if as_given is not os.fsencode else Given()
        assert corners(shown(to_data_url(given_path, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize(
        "as_given", [bytes, bytearray, memoryview, lambda raw: memoryview(raw * 2)[: len(raw)]]
    )
    def test_bytes_of_every_kind(self, as_given: Callable[[bytes], Any]) -> None:
        raw = encoded(quarters(), "PNG")
        assert corners(shown(to_data_url(as_given(raw), portrait=False), portrait=False)) == AS_ONE_READS

    def test_bytes_that_are_not_contiguous(self) -> None:
        raw = encoded(quarters(), "PNG")
        spread = np.zeros(len(raw) * 2, np.uint8)
        spread[::2] = np.frombuffer(raw, np.uint8)
        url = to_data_url(memoryview(spread)[::2], portrait=False)
        assert corners(shown(url, portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize(
        "head",
        [
            "data:image/png",
            "DATA:Image/PNG",
            "data:image/jpeg",
            "data:image/svg+xml",
            "data:image/png;name=a",
            "data:image/png ; name=a ",
            "data:",
            "data:application/octet-stream",
            "\n    data:image/png",
            "\ufeffdata:image/png",
        ],
    )
    def test_a_data_url_by_its_content_whatever_it_says(self, head: str) -> None:
        url = f"{head};base64,{base64.b64encode(encoded(quarters(), 'PNG')).decode()}"
        assert corners(shown(to_data_url(url, portrait=False), portrait=False)) == AS_ONE_READS

    def test_an_array(self) -> None:
        array = np.asarray(quarters())
        assert corners(shown(to_data_url(array, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize(
        "view",
        [
            lambda array: array[::-1, ::-1][::-1, ::-1],
            lambda array: np.asfortranarray(array),
            lambda array: np.repeat(array, 2, axis=1)[:, ::2],
            lambda array: np.concatenate([array, array], axis=2)[..., :3],
        ],
    )
    def test_a_read_only_array_in_any_memory_layout(self, view: Callable[[Any], Any]) -> None:
        array = view(np.array(quarters()))
        array.flags.writeable = False
        assert corners(shown(to_data_url(array, portrait=False), portrait=False)) == AS_ONE_READS

    def test_a_pil_image_of_a_format_that_no_file_may_have(self) -> None:
        with Image.open(io.BytesIO(encoded(quarters(), "TIFF"))) as picture:
            assert corners(shown(to_data_url(picture, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 3), (1280, 704), (704, 1280), (1281, 703)])
    @pytest.mark.parametrize("portrait", [True, False])
    def test_a_picture_of_any_size(self, size: tuple[int, int], portrait: bool) -> None:
        picture = shown(to_data_url(Image.new("RGB", size, GREEN), portrait=portrait), portrait=portrait)
        assert all(near(picture.getpixel(at), GREEN) for at in ((0, 0), (350, 350), (703, 703)))

    @settings(deadline=None, max_examples=15)
    @given(
        width=st.integers(1, 400),
        height=st.integers(1, 400),
        mode=st.sampled_from(["RGB", "RGBA", "L", "LA", "P", "CMYK", "YCbCr", "1"]),
        portrait=st.booleans(),
    )
    def test_a_picture_of_one_colour_keeps_it(self, width: int, height: int, mode: str, portrait: bool) -> None:
        source = Image.new("RGB", (width, height), WHITE).convert(mode)
        picture = shown(to_data_url(source, portrait=portrait), portrait=portrait)
        assert picture.getextrema() == ((255, 255), (255, 255), (255, 255))


class TestCovering:
    def test_a_wide_picture_loses_both_sides_alike(self) -> None:
        source = Image.new("RGB", (2280, 704), RED)
        source.paste(BLUE, (500, 0, 1780, 704))
        source.paste(GREEN, (600, 0, 1680, 704))
        picture = shown(to_data_url(source, portrait=False), portrait=False)
        row = [picture.getpixel((x, 350)) for x in (10, 80, 120, 1160, 1200, 1270)]
        assert [near(seen, BLUE) for seen in row] == [True, True, False, False, True, True]
        assert near(row[2], GREEN)
        assert near(row[3], GREEN)

    def test_a_tall_picture_loses_top_and_bottom_alike(self) -> None:
        source = Image.new("RGB", (640, 1352), RED)  # half the size: 352 of 1352 rows are seen
        source.paste(BLUE, (0, 500, 640, 852))
        source.paste(GREEN, (0, 550, 640, 802))
        picture = shown(to_data_url(source, portrait=False), portrait=False)
        column = [picture.getpixel((640, y)) for y in (12, 80, 120, 590, 630, 690)]
        assert [near(seen, BLUE) for seen in column] == [True, True, False, False, True, True]
        assert near(column[2], GREEN)
        assert near(column[3], GREEN)

    def test_one_that_is_made_smaller_is_smoothed(self) -> None:
        checks = (np.indices((1408, 2560)).sum(axis=0) % 2 * 255).astype(np.uint8)
        picture = shown(to_data_url(Image.fromarray(checks), portrait=False), portrait=False)
        assert all(near(picture.getpixel(at), (127, 127, 127), 6) for at in ((300, 300), (301, 300), (900, 641)))

    def test_a_photograph_that_is_decoded_at_a_fraction_of_its_size_looks_the_same(self) -> None:
        source = quarters(6400, 3520)
        whole = shown(to_data_url(source, portrait=True), portrait=True)
        reduced = shown(to_data_url(encoded(source, "JPEG", quality=95), portrait=True), portrait=True)
        difference = np.abs(np.asarray(whole, np.int16) - np.asarray(reduced, np.int16))
        assert difference.mean() < 1


class TestTurning:
    # How a rotated camera stored the upright picture (Exif 2.32, "Orientation").
    STORED: ClassVar = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }

    def stored(self, orientation: int, size: tuple[int, int] = (320, 176)) -> Image.Image:
        turn = self.STORED[orientation]
        upright = quarters(*size)
        return upright if turn is None else upright.transpose(turn)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
    def test_a_file_is_turned_as_its_exif_data_says(self, kind: str, orientation: int) -> None:
        portrait = orientation in (1, 4, 6, 7)  # half of those stored as landscape, and half of those as portrait
        raw = encoded(self.stored(orientation), kind, exif=exif(orientation))
        picture = shown(to_data_url(raw, portrait=portrait), portrait=portrait)
        assert corners(picture) == AS_ONE_READS
        assert not picture.getexif()

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_pil_image_is_turned_too(self, orientation: int) -> None:
        with Image.open(io.BytesIO(encoded(self.stored(orientation), "JPEG", exif=exif(orientation)))) as picture:
            assert corners(shown(to_data_url(picture, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_a_file_of_the_right_size_is_turned_as_well(self, orientation: int) -> None:
        raw = encoded(self.stored(orientation, (1280, 704)), "PNG", exif=exif(orientation))
        assert corners(shown(to_data_url(raw, portrait=False), portrait=False)) == AS_ONE_READS

    def test_the_part_that_is_seen_is_cut_from_the_upright_picture(self) -> None:
        upright = Image.new("RGB", (2280, 704), RED)
        upright.paste(GREEN, (495, 0, 1785, 704))
        raw = encoded(upright.transpose(self.STORED[6]), "PNG", exif=exif(6))  # type: ignore[arg-type]  # not None
        picture = shown(to_data_url(raw, portrait=False), portrait=False)
        assert all(near(picture.getpixel(at), GREEN) for at in ((0, 0), (1279, 0), (640, 352), (1279, 703)))

    @pytest.mark.parametrize("said", [0, 9, 700])
    def test_an_orientation_that_does_not_exist_counts_as_upright(self, said: int) -> None:
        raw = encoded(quarters(), "JPEG", exif=exif(said))
        assert corners(shown(to_data_url(raw, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's own
    @pytest.mark.parametrize("broken", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense" * 9])
    def test_exif_data_that_cannot_be_read_does_not_matter(self, broken: bytes) -> None:
        raw = encoded(quarters(), "JPEG", exif=broken)
        assert corners(shown(to_data_url(raw, portrait=False), portrait=False)) == AS_ONE_READS

    def test_invalid_exif_data_of_a_pil_image_does_not_matter(self) -> None:
        picture = quarters()
        picture.info["exif"] = b"nonsense"
        assert corners(shown(to_data_url(picture, portrait=False), portrait=False)) == AS_ONE_READS


class TestColours:
    def seen(self, picture: Image.Image | bytes) -> Any:
        return shown(to_data_url(picture, portrait=False), portrait=False).getpixel((640, 352))

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB"])
    def test_a_mode_with_colours_keeps_them(self, mode: str) -> None:
        via = {"PA": "P", "RGBa": "RGBA"}.get(mode, mode)
        if mode == "LAB":
            to_lab = ImageCms.buildTransform(
                ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
            )
            source: Any = ImageCms.applyTransform(quarters(), to_lab)
        else:
            source = quarters().convert(via).convert(mode)
        assert source.mode == mode
        assert corners(shown(to_data_url(source, portrait=False), portrait=False)) == AS_ONE_READS

    @pytest.mark.parametrize(
        ("mode", "value"),
        [
            ("1", 1),
            ("L", 255),
            ("LA", (255, 255)),
            ("La", (255, 255)),
            ("I;16", 65535),
            ("I;16L", 65535),
            ("I;16B", 65535),
            ("I;16N", 65535),
            ("I", 65535),
            ("I", 10**6),
        ],
    )
    def test_a_mode_without_colours_is_grey_from_black_to_white(self, mode: str, value: Any) -> None:
        assert near(self.seen(Image.new(mode, (64, 64), value)), WHITE)
        assert near(self.seen(Image.new(mode, (64, 64), (0, 255) if mode in ("LA", "La") else 0)), (0, 0, 0))

    @pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
    def test_sixteen_bits_are_scaled_and_not_cut_off(self, mode: str) -> None:
        assert near(self.seen(Image.new(mode, (64, 64), 0x8080)), (128, 128, 128), 3)

    def test_a_png_of_sixteen_bits_is_scaled(self) -> None:
        raw = encoded(Image.new("I;16", (64, 64), 0x4040), "PNG")
        assert near(self.seen(raw), (64, 64, 64), 3)

    def test_a_cmyk_photograph_keeps_its_colours(self) -> None:
        assert near(self.seen(encoded(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG")), (254, 0, 0))

    def test_floating_point_pixels_are_refused_because_nobody_knows_their_range(self) -> None:
        error = refusal(Image.new("F", (64, 64), 0.5))
        assert error.code == "image_invalid"
        assert "convert it to RGB" in str(error)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF"])
    def test_what_is_transparent_shows_white(self, kind: str) -> None:
        source = Image.new("RGBA", (1280, 704), (0, 0, 0, 0))
        source.paste((255, 0, 0, 255), (0, 0, 640, 704))
        picture = shown(to_data_url(encoded(source, kind), portrait=False), portrait=False)
        assert near(picture.getpixel((100, 350)), RED)
        assert near(picture.getpixel((1200, 350)), WHITE)

    def test_what_is_half_transparent_is_mixed_with_white(self) -> None:
        assert near(self.seen(Image.new("RGBA", (64, 64), (255, 0, 0, 128))), (255, 127, 127), 3)

    def test_colours_that_are_hidden_by_transparency_do_not_shine_through_when_it_is_scaled(self) -> None:
        source = Image.new("RGBA", (64, 64), (0, 0, 0, 0))  # transparent black
        source.paste((255, 255, 255, 255), (0, 0, 32, 64))  # beside opaque white
        picture = shown(to_data_url(source, portrait=False), portrait=False)
        assert min(low for low, _ in picture.getextrema()) > 245  # type: ignore[misc, operator]  # pairs of RGB

    @pytest.mark.parametrize(
        ("mode", "colour", "transparent"), [("P", 0, 0), ("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3)), ("1", 0, 0)]
    )
    def test_one_colour_that_counts_as_transparent_shows_white(
        self, mode: str, colour: Any, transparent: Any
    ) -> None:
        raw = encoded(Image.new(mode, (1280, 704), colour), "PNG", transparency=transparent)
        assert near(self.seen(raw), WHITE)

    def test_a_transparent_gif_shows_white(self) -> None:
        raw = encoded(Image.new("P", (64, 64), 3), "GIF", transparency=3)
        assert near(self.seen(raw), WHITE)

    @staticmethod
    def profile_with_red_and_green_exchanged() -> bytes:
        raw: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        head, table = raw[:132], raw[132:]
        return head + table.replace(b"rXYZ", b"xXYZ").replace(b"gXYZ", b"rXYZ").replace(b"xXYZ", b"gXYZ")

    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_a_colour_profile_is_applied_and_not_sent(self, mode: str) -> None:
        source = Image.new("RGB", (64, 64), (255, 0, 0)).convert(mode)
        raw = encoded(source, "PNG", icc_profile=self.profile_with_red_and_green_exchanged())
        picture = shown(to_data_url(raw, portrait=False), portrait=False)
        assert near(picture.getpixel((640, 352)), (0, 255, 0))
        assert "icc_profile" not in picture.info

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200, None])
    def test_a_colour_profile_that_is_broken_or_of_another_kind_does_not_matter(
        self, mode: str, profile: bytes | None
    ) -> None:
        if profile is None:
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        raw = encoded(Image.new("RGB", (64, 64), WHITE).convert(mode), "JPEG", icc_profile=profile)
        assert near(self.seen(raw), WHITE)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
    def test_the_first_picture_of_an_animation_is_taken(self, kind: str) -> None:
        first, second = Image.new("RGB", (1280, 704), RED), Image.new("RGB", (1280, 704), BLUE)
        raw = encoded(first, kind, save_all=True, append_images=[second], duration=100)
        assert near(self.seen(raw), RED)

    def test_the_current_picture_of_a_pil_animation_is_taken(self) -> None:
        first, second = Image.new("RGB", (64, 64), RED), Image.new("RGB", (64, 64), BLUE)
        raw = encoded(first, "GIF", save_all=True, append_images=[second], duration=100)
        with Image.open(io.BytesIO(raw)) as animation:
            animation.seek(1)
            assert near(self.seen(animation), BLUE)
            assert animation.tell() == 1


class TestWhatPassesUnchanged:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("portrait", [True, False])
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_a_file_that_is_ready(self, kind: str, portrait: bool, mode: str, tmp_path: Path) -> None:
        raw = encoded(quarters(*SIZES[portrait]).convert(mode), kind)
        path = tmp_path / "picture"
        path.write_bytes(raw)
        expected = data_url(raw, f"image/{kind.lower()}")
        for image in (raw, path, str(path), expected, data_url(raw, "image/x-other")):
            assert to_data_url(image, portrait=portrait) == expected

    def test_one_that_says_it_is_upright(self) -> None:
        raw = encoded(quarters(1280, 704), "JPEG", exif=exif(1))
        assert content(to_data_url(raw, portrait=False)) == raw

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(lambda: encoded(quarters(1279, 704), "JPEG"), id="another size"),
            pytest.param(lambda: encoded(quarters(704, 1280), "JPEG"), id="the other orientation"),
            pytest.param(lambda: encoded(quarters(1280, 704), "BMP"), id="BMP"),
            pytest.param(lambda: encoded(quarters(1280, 704), "GIF"), id="GIF"),
            pytest.param(lambda: encoded(quarters(1280, 704), "HEIF"), id="HEIF"),
            pytest.param(lambda: encoded(quarters(1280, 704), "AVIF"), id="AVIF"),
            pytest.param(lambda: encoded(quarters(1280, 704).convert("CMYK"), "JPEG"), id="CMYK"),
            pytest.param(lambda: encoded(quarters(1280, 704).convert("P"), "PNG"), id="palette"),
            pytest.param(lambda: encoded(quarters(1280, 704).convert("RGBA"), "PNG"), id="alpha"),
            pytest.param(lambda: encoded(quarters(1280, 704), "PNG", transparency=RED), id="transparent colour"),
        ],
    )
    def test_any_other_becomes_a_jpeg(self, raw: Callable[[], bytes]) -> None:
        given_file = raw()
        url = to_data_url(given_file, portrait=False)
        assert content(url) != given_file
        shown(url, portrait=False)

    def test_what_is_converted_takes_no_metadata_along(self) -> None:
        data = Image.Exif()
        data[ORIENTATION], data[0x010E] = 6, "where I live"
        raw = encoded(quarters(), "JPEG", exif=data.tobytes(), comment=b"and how", dpi=(300, 300))
        sent = content(to_data_url(raw, portrait=False))
        assert b"where I live" not in sent
        assert b"and how" not in sent
        assert b"Exif" not in sent


class TestTheCallersOwn:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "I;16", "CMYK", "L"])
    def test_pil_image_stays_as_it_is(self, mode: str) -> None:
        picture = Image.new(mode, (1280, 704))
        picture.info = {"comment": b"mine", "icc_profile": b"mine too", "dpi": (72, 72)}
        before = (picture.mode, picture.size, picture.tobytes(), dict(picture.info))
        to_data_url(picture, portrait=True)
        to_data_url(picture, portrait=False)
        assert (picture.mode, picture.size, picture.tobytes(), dict(picture.info)) == before

    def test_array_stays_as_it_is(self) -> None:
        array = np.asarray(quarters(1280, 704)).copy()
        before = array.copy()
        to_data_url(array, portrait=False)
        assert np.array_equal(array, before)

    def test_pil_image_that_was_only_opened_may_be_used_by_many_threads_at_once(self, tmp_path: Path) -> None:
        path = tmp_path / "picture.jpg"
        quarters(2000, 1500).save(path, exif=exif(3))
        expected = to_data_url(Image.open(path), portrait=False)
        together = threading.Barrier(8)
        results: list[str] = []

        with Image.open(path) as shared:

            def convert() -> None:
                together.wait(GENEROUS)
                results.append(to_data_url(shared, portrait=False))

            threads = [threading.Thread(target=convert) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(GENEROUS)
        assert results == [expected] * 8

    def test_descriptors_are_given_back_whatever_happens(self, tmp_path: Path) -> None:
        good, bad = tmp_path / "good", tmp_path / "bad"
        good.write_bytes(encoded(quarters(), "PNG"))
        bad.write_bytes(encoded(quarters(), "PNG")[:500])
        before = len(list(Path("/dev/fd").iterdir()))
        for _ in range(5):
            to_data_url(good, portrait=False)
            refusal(bad)
        assert len(list(Path("/dev/fd").iterdir())) == before


def png_of(width: int, height: int) -> bytes:
    """Return a PNG that claims this size, but has far less data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def jpeg_of(width: int, height: int) -> bytes:
    raw = bytearray(encoded(Image.new("RGB", (64, 64)), "JPEG"))
    at = raw.index(b"\xff\xc0")
    raw[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(raw)


def gif_of(width: int, height: int) -> bytes:
    raw = encoded(Image.new("P", (64, 64)), "GIF")
    return raw[:6] + struct.pack("<HH", width, height) + raw[10:]


def bmp_of(width: int, height: int) -> bytes:
    raw = encoded(Image.new("RGB", (64, 64)), "BMP")
    return raw[:18] + struct.pack("<ii", width, height) + raw[26:]


def webp_of(width: int, height: int) -> bytes:
    raw = bytearray(
        encoded(Image.new("RGB", (64, 64), RED), "WEBP", save_all=True, append_images=[quarters(64, 64)])
    )
    at = raw.index(b"VP8X") + 12
    raw[at : at + 6] = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return bytes(raw)


def iso_of(kind: str) -> Callable[[int, int], bytes]:
    def make(width: int, height: int) -> bytes:
        raw = bytearray(encoded(Image.new("RGB", (64, 64)), kind))
        at = raw.index(b"ispe") + 8
        raw[at : at + 8] = struct.pack(">II", width, height)
        return bytes(raw)

    return make


class TestLimits:
    def test_bytes_that_are_too_many_are_refused_unseen(self) -> None:
        error = refusal(bytes(MAX_ENCODED_BYTES + 1))
        assert (error.code, str(error)) == (
            "image_too_large",
            "The image of 26214401 bytes is too large: 25.0 MB, and the limit is 25 MB",
        )

    def test_a_file_that_is_too_large_is_refused_unread(self, tmp_path: Path) -> None:
        path = tmp_path / "huge.png"
        with path.open("wb") as file:
            file.truncate(2**40)  # a hole on the disk; reading it would take minutes and all memory
        error = refusal(path)
        assert error.code == "image_too_large"
        assert "huge.png" in str(error)

    @NEEDS_PROC
    def test_a_file_that_grows_without_end_is_refused_at_the_limit(self) -> None:
        assert refusal(Path("/proc/self/pagemap")).code == "image_too_large"

    def test_a_data_url_that_is_too_long_is_refused_before_it_is_decoded(self) -> None:
        error = refusal("data:image/png;base64," + "!" * (MAX_ENCODED_BYTES * 4 // 3 + 8))
        assert error.code == "image_too_large"

    @pytest.mark.parametrize("as_given", [bytes, data_url])
    def test_a_file_of_exactly_the_limit_is_taken(self, as_given: Callable[[bytes], Any]) -> None:
        raw = encoded(quarters(1280, 704), "JPEG")
        full = raw + bytes(MAX_ENCODED_BYTES - len(raw))  # what follows a JPEG does not count
        url = to_data_url(as_given(full), portrait=False)
        assert content(url) == full
        assert len(url) < 64 * 1024 * 1024  # the longest signaling message (spec/asyncapi.yaml)

    @pytest.mark.parametrize(
        ("make", "width", "height"),
        [
            pytest.param(png_of, 20_000, 6_001, id="PNG just above"),
            pytest.param(png_of, 2**31 - 1, 2**31 - 1, id="PNG"),
            pytest.param(jpeg_of, 65_500, 65_500, id="JPEG"),
            pytest.param(gif_of, 65_535, 65_535, id="GIF"),
            pytest.param(bmp_of, 30_000, 30_000, id="BMP"),
            pytest.param(webp_of, 12_000, 12_000, id="WebP"),
            pytest.param(iso_of("HEIF"), 16_000, 16_000, id="HEIF"),
        ],
    )
    def test_a_small_file_with_too_many_pixels_is_refused_before_they_are_decoded(
        self, make: Callable[[int, int], bytes], width: int, height: int
    ) -> None:
        error = refusal(make(width, height))
        assert error.code == "image_too_large"
        assert "the limit is 120 million" in str(error)

    def test_a_file_with_too_many_pixels_for_pillow_itself_is_refused_alike(self) -> None:
        error = refusal(webp_of(16_383, 16_383))
        assert error.code == "image_too_large"
        # Pillow before 13 opens it, and we check its size.
        assert str(error).endswith(("has too many pixels for Pillow", "16383×16383; the limit is 120 million"))

    def test_an_avif_file_that_lies_about_its_size_is_refused(self) -> None:
        assert refusal(iso_of("AVIF")(16_000, 16_000)).code in ("image_too_large", "image_damaged")

    def test_a_picture_about_which_pillow_would_only_warn_is_taken_without_a_warning(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert Image.MAX_IMAGE_PIXELS is not None
        # Pillow refuses an image with more than twice as many.
        assert Image.MAX_IMAGE_PIXELS < MAX_PIXELS < 2 * Image.MAX_IMAGE_PIXELS
        raw = encoded(Image.new("L", (1000, 1000), 200), "PNG")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 950_000)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = shown(to_data_url(raw, portrait=False), portrait=False)
        assert near(picture.getpixel((0, 0)), (200, 200, 200))

    def test_a_pil_image_with_too_many_pixels_is_refused_before_it_is_loaded(self, tmp_path: Path) -> None:
        with PngImagePlugin.PngImageFile(io.BytesIO(png_of(20_000, 20_000))) as picture:
            assert refusal(picture).code == "image_too_large"

    def test_an_array_with_too_many_pixels_is_refused(self) -> None:
        array = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (MAX_PIXELS // 1000 + 1, 1000, 3))
        assert refusal(array).code == "image_too_large"


class TestWhatIsRefused:
    @pytest.mark.parametrize("missing", ["no/such/file.jpg", "file.jpg\0", "/dev/null/x", "~/cat.jpg", ""])
    def test_a_path_at_which_there_is_nothing(self, missing: str) -> None:
        error = refusal(missing)
        assert error.code == "image_not_found"
        assert repr(missing) in str(error)
        assert isinstance(error.__cause__, OSError | ValueError)

    def test_a_missing_file_has_the_os_error_as_its_cause(self) -> None:
        assert isinstance(refusal(Path("no/such/file.jpg")).__cause__, FileNotFoundError)

    def test_a_web_address_with_an_error_that_says_what_to_do_and_hides_the_query(self) -> None:
        text = str(refusal("https://files.example/cat.png?signature=s3cret"))
        assert "downloaded first" in text
        assert "s3cret" not in text

    def test_a_text_of_many_lines_in_one_line(self) -> None:
        assert "\\n" in str(refusal("a cat\nand a dog"))

    def test_base64_without_its_head_is_not_shown(self) -> None:
        text = str(refusal(base64.b64encode(encoded(quarters(640, 352), "PNG")).decode()))
        assert "iVBOR" not in text
        assert "data URL" in text

    def test_a_name_that_no_file_system_takes(self) -> None:
        assert refusal("x" * 600).code == "image_not_found"

    def test_a_directory(self, tmp_path: Path) -> None:
        error = refusal(tmp_path)
        assert error.code == "image_not_found"
        assert "directory" in str(error)

    @NEEDS_PIPES
    def test_a_pipe_without_waiting_for_its_other_end(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe.png"
        os.mkfifo(pipe)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert refusal(pipe).code == "image_not_found"

    @NEEDS_PROC
    def test_a_file_that_cannot_be_read(self) -> None:
        error = refusal("/proc/self/mem")
        assert error.code == "image_not_found"
        assert "cannot be read: Input/output error" in str(error)

    @pytest.mark.parametrize("as_given", [bytes, lambda raw: data_url(raw), "path"])
    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"a cat, my own", id="text"),
            pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
            pytest.param(b"%PDF-1.7 my own", id="PDF"),
            pytest.param(b"\0\0\0\x18ftypisom\0\0\0\0isommp42", id="MP4"),
            pytest.param(b"\0\0\0\0ftyp", id="ISO without a brand"),
            pytest.param(encoded(quarters(), "TIFF"), id="TIFF"),
            pytest.param(encoded(quarters(), "ICO"), id="ICO"),
            pytest.param(encoded(quarters(), "JPEG2000"), id="JPEG 2000"),
            pytest.param(encoded(quarters(), "PPM"), id="PPM"),
        ],
    )
    def test_content_of_another_format(self, raw: bytes, as_given: Any, tmp_path: Path) -> None:
        path = tmp_path / "picture.jpg"
        path.write_bytes(raw)
        error = refusal(path if as_given == "path" else as_given(raw))
        assert error.code == "image_not_supported"
        assert str(error).endswith("use JPEG, PNG, WebP, GIF, BMP, HEIC, HEIF or AVIF")
        assert "my own" not in str(error)

    @pytest.mark.parametrize(
        "url",
        [
            "data:",
            "data:,",
            "data:image/png,abc",
            "data:image/png;base64",
            "data:text/plain;base64,YQ==",
            "data:image/;base64,YQ==",
            "data:image/png;base64x,YQ==",
            "data:image/png\n;base64,YQ==",
            "data:" + "x" * 5000 + ",",
        ],
    )
    def test_a_data_url_of_another_form(self, url: str) -> None:
        error = refusal(url)
        assert (error.code, str(error)) == (
            "image_invalid",
            "The data URL is not of the form data:image/…;base64,…",
        )

    def test_base64_alone_is_not_called_a_missing_file(self) -> None:
        error = refusal(base64.b64encode(encoded(quarters(), "BMP")).decode())
        assert error.code == "image_not_found"
        assert str(error).endswith("is neither a path nor a data URL: base64 needs data:image/…;base64, before it")

    @pytest.mark.parametrize(
        "payload", ["Y", "YQ==YQ==", "YQ=", "Y!Q=", "%ZZ==", "YQ%3D%3DYQ", "ü", "====", "\ud800"]
    )
    def test_a_data_url_that_is_no_base64(self, payload: str) -> None:
        error = refusal(f"data:image/png;base64,{payload}")
        assert error.code == "image_invalid"
        assert "not valid base64" in str(error)

    @pytest.mark.parametrize("raw", [b"data:image/png;base64,YQ==", b"DATA:image/png;base64,YQ=="])
    def test_a_data_url_in_bytes_with_an_error_that_says_what_to_do(self, raw: bytes) -> None:
        error = refusal(raw)
        assert error.code == "image_invalid"
        assert str(error).endswith("is a data URL in bytes: pass it as a str")

    @pytest.mark.parametrize("kind", FORMATS)
    def test_a_file_that_breaks_off(self, kind: str) -> None:
        noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8))
        raw = encoded(noise, kind)
        for part in (0.3, 0.6, 0.9):
            error = refusal(raw[: int(len(raw) * part)])
            assert error.code == "image_damaged"
            assert error.__cause__ is not None

    def test_one_of_the_right_size_that_breaks_off_does_not_pass(self) -> None:
        raw = encoded(quarters(1280, 704), "JPEG")
        assert refusal(raw[:-400]).code == "image_damaged"

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4, 1), np.uint8),
            np.zeros((4, 4, 4), np.uint8),
            np.zeros((3, 4, 4), np.uint8),
            np.zeros((1, 4, 4, 3), np.uint8),
            np.zeros((4, 4, 3), np.float64),
            np.zeros((4, 4, 3), np.int8),
            np.zeros((4, 4, 3), np.uint16),
            np.zeros((4, 4, 3), bool),
            np.zeros((4, 4, 3), object),
            np.zeros((0, 4, 3), np.uint8),
            np.zeros((4, 0, 3), np.uint8),
            np.uint8(3) * np.ones((), np.uint8),
        ],
    )
    def test_an_array_of_another_shape_or_type(self, array: Any) -> None:
        if not isinstance(array, np.ndarray):
            array = np.asarray(array)
        error = refusal(array)
        assert error.code == "image_invalid"
        assert str(error).endswith("it must be RGB, uint8, of shape (H, W, 3)")

    @pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
    def test_a_pil_image_without_pixels(self, size: tuple[int, int]) -> None:
        assert refusal(Image.new("RGB", size)).code == "image_invalid"

    @pytest.mark.parametrize("kind", [*FORMATS, "TIFF", "made", "copied"])
    @pytest.mark.parametrize("how", ["by close", "by close, loaded", "by with", "by the file's with"])
    def test_a_closed_pil_image_with_an_error_that_says_so(self, how: str, kind: str, tmp_path: Path) -> None:
        if kind in ("made", "copied"):
            picture = quarters(64, 64) if kind == "made" else quarters(64, 64).copy()
            picture.close()
        else:
            path = tmp_path / "picture"
            path.write_bytes(encoded(quarters(64, 64), kind))
            pillow_heif.register_heif_opener()
            if how == "by the file's with":
                with path.open("rb") as file:
                    picture = Image.open(file)
            elif how == "by with":
                with Image.open(path) as picture:
                    pass
            else:
                picture = Image.open(path)
                if how == "by close, loaded":
                    picture.load()
                picture.close()
        if kind in ("AVIF", "WEBP", "HEIF") and "by close" not in how:  # Pillow reads these when it opens them
            assert corners(shown(to_data_url(picture, portrait=False), portrait=False)) == AS_ONE_READS
            return
        error = refusal(picture)
        assert error.code == "image_invalid"
        assert "is closed: pass it before its `with` block ends, and open it again after verify()" in str(error)

    def test_a_pil_image_whose_file_the_system_cannot_read(self, tmp_path: Path) -> None:
        class Failing(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() > 5000:
                    raise OSError(errno.EIO, "Input/output error")
                return super().read(size)

        noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8))
        with Image.open(Failing(encoded(noise, "BMP"))) as picture:
            error = refusal(picture)
        assert error.code == "image_not_found"
        assert str(error).endswith("cannot be read: Input/output error")

    def test_a_pil_image_of_half_a_file_is_damaged(self) -> None:
        whole = encoded(quarters(), "JPEG")
        with Image.open(io.BytesIO(whole[: len(whole) // 2])) as picture:
            assert refusal(picture).code == "image_damaged"

    def test_a_pil_image_with_a_text_that_pillow_refuses_after_the_pixels_is_taken(self) -> None:
        text = b"Comment\0\0" + zlib.compress(bytes(2 * 1024 * 1024))
        chunk = b"zTXt" + text
        whole = encoded(quarters(), "PNG")
        added = len(text).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        with Image.open(io.BytesIO(whole[:-12] + added + whole[-12:])) as picture:
            assert corners(shown(to_data_url(picture, portrait=False), portrait=False)) == AS_ONE_READS

    def test_a_warning_that_the_program_turns_into_an_error_is_called_a_warning(self) -> None:
        raw = encoded(quarters(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert corners(shown(to_data_url(raw, portrait=False), portrait=False)) == AS_ONE_READS
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            error = refusal(raw)
        assert error.code == "image_damaged"
        assert "makes Pillow warn, which is an error in this program: Corrupt EXIF data" in str(error)

    def test_a_lack_of_memory_is_not_taken_for_a_damaged_image(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
        with pytest.raises(MemoryError):
            to_data_url(encoded(quarters(), "PNG"), portrait=False)

    def test_a_pil_image_whose_file_breaks_off(self) -> None:
        raw = encoded(quarters(2000, 2000), "JPEG")
        with Image.open(io.BytesIO(raw[: len(raw) // 2])) as picture:
            assert refusal(picture).code == "image_damaged"

    @pytest.mark.parametrize("wrong", [None, 3, 2.5, True, object(), [1, 2], {"a": 1}, io.BytesIO(b"x"), str, np])
    def test_anything_else_is_a_type_error_that_names_it(self, wrong: Any) -> None:
        with pytest.raises(
            TypeError, match="image must be a path, bytes, a data URL, a PIL image or an RGB array"
        ):
            to_data_url(wrong, portrait=False)

    def test_the_type_error_says_what_it_was(self) -> None:
        with pytest.raises(TypeError, match=r"not _io\.BytesIO$"):
            to_data_url(io.BytesIO(), portrait=False)  # type: ignore[arg-type]  # that is the test
        with pytest.raises(TypeError, match=r"not int$"):
            to_data_url(3, portrait=False)  # type: ignore[arg-type]  # that is the test


_small: dict[str, bytes] = {}


def SMALL(kind: str) -> bytes:  # noqa: N802  # a constant that is made when it is needed
    if kind not in _small:
        _small[kind] = encoded(quarters(48, 32), kind)
    return _small[kind]


class TestWithoutAPackage:
    @pytest.fixture
    def without(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        return lambda module: monkeypatch.setitem(sys.modules, module, None)

    def test_the_error_asks_for_pillow_whatever_was_given(self, without: Callable[[str], None]) -> None:
        without("PIL.Image")
        for image in ("cat.jpg", b"", np.zeros((4, 4, 3), np.uint8)):
            with pytest.raises(MissingExtraError, match=r'pip install "odyssey-proto\[images\]"') as caught:
                to_data_url(image, portrait=False)
            assert caught.value.code == "missing_images"

    def test_pillow_heif_is_asked_for_by_heif_files_alone(self, without: Callable[[str], None]) -> None:
        raw = encoded(quarters(), "HEIF")
        without("pillow_heif")
        with pytest.raises(MissingExtraError, match=r"^HEIC and HEIF images need"):
            to_data_url(raw, portrait=False)
        for kind in set(FORMATS) - {"HEIF"}:
            to_data_url(encoded(quarters(), kind), portrait=False)

    def test_a_pillow_that_knows_no_avif(self, without: Callable[[str], None]) -> None:
        raw = encoded(quarters(), "AVIF")
        without("PIL.AvifImagePlugin")
        with pytest.raises(MissingExtraError, match=r"^AVIF images need"):
            to_data_url(raw, portrait=False)

    def test_a_pillow_that_was_built_without_avif(self, monkeypatch: pytest.MonkeyPatch) -> None:
        raw = encoded(quarters(), "AVIF")
        monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
        with pytest.raises(MissingExtraError, match=r"^AVIF images need"):
            to_data_url(raw, portrait=False)

    def test_numpy_is_not_loaded_for_an_image_that_is_not_an_array(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "numpy")
        assert corners(shown(to_data_url(SMALL("PNG"), portrait=False), portrait=False)) == AS_ONE_READS
        assert "numpy" not in sys.modules


class TestTheOldNameOfTheArgument:
    def test_warns_at_the_line_of_the_callers_caller(self) -> None:
        def start_stream(image_path: str) -> Any:
            return only_one(None, image_path)

        with pytest.warns(DeprecationWarning, match="image_path is deprecated") as caught:
            assert start_stream("cat.jpg") == "cat.jpg"
        assert caught[0].filename == __file__

    def test_is_silent_if_it_is_not_used(self) -> None:
        assert only_one(b"cat", None) == b"cat"
        assert only_one(None, None) is None

    def test_is_refused_beside_the_new_one(self) -> None:
        with pytest.raises(OdysseyConfigError, match="both were given"):
            only_one("cat.jpg", "dog.jpg")

    @pytest.mark.parametrize("wrong", [b"raw", 3, np.zeros((4, 4, 3), np.uint8), quarters()])
    def test_takes_only_paths(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match="image_path must be a path"):
            only_one(None, wrong)
