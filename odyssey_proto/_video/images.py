"""Converting a user's image to the data URL that a stream starts from: upright, and of the stream's size.

The format is recognised by the content, never by a name. An image that the service accepts passes unchanged; any
other becomes an RGB JPEG (spec/behaviour.md#images). Limits are checked before decoding, and only one decoder sees
the content. This module reads only the given file, keeps no state, and loads Pillow when it is first called. It
does not check whether the streamer takes images.
"""

from __future__ import annotations

import base64
import errno
import importlib
import io
import os
import re
import stat
import sys
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote_to_bytes

from .._base.errors import MissingExtraError, OdysseyConfigError
from .._base.forks import RLock
from .._base.secrets import redact
from .png import PngParts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

    from .._model.script import ImageInput

__all__ = ["MAX_ENCODED_BYTES", "MAX_PIXELS", "only_one", "to_data_url"]

MAX_ENCODED_BYTES: Final = 25 * 1024 * 1024
"""The largest file, in bytes; 25 MB (Python client reference, "start_stream()")."""
MAX_PIXELS: Final = 120_000_000
"""Width × height of the largest picture, in px; phones take pictures of up to 108 million."""

_PORTRAIT: Final = (704, 1280)  # width, height in px
_LANDSCAPE: Final = (1280, 704)
_JPEG_QUALITY: Final = 90
_ACCEPTED: Final = "JPEG, PNG, WebP, GIF, BMP, HEIC, HEIF or AVIF"
_UNCHANGED: Final = ("JPEG", "PNG", "WEBP")  # every decoder reads these; others are always re-encoded

# The system's errors for a path that does not exist; EINVAL is that of Windows for one like "https://…".
_NO_SUCH_FILE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)

# How a file of each format begins, at which byte; ISO media files have brands instead.
_BEGINNINGS: Final = (
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("GIF", 0, b"GIF87a"),
    ("GIF", 0, b"GIF89a"),
    ("WEBP", 8, b"WEBPVP8"),
    ("BMP", 0, b"BM"),
)
_BRANDS: Final = (
    ("AVIF", {b"avif", b"avis"}),
    ("HEIF", {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}),
)
_DECODERS: Final = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
}
# Browsers name no type, or only a generic one, for files with unknown extensions, such as .heic.
_DATA_URL: Final = re.compile(
    r"data:(?:image/[a-z0-9.+-]+|application/octet-stream)?(?: *;[^;,]*)* *; *base64 *\Z", re.IGNORECASE
)
_AROUND_TEXT: Final = "\ufeff \t\r\n"  # of a file, or of a literal
_STANDARD_LETTERS: Final = bytes.maketrans(b"-_", b"+/")
_BLANKS: Final = b" \t\r\n\f"
_OPEN: Final = "pass it before its `with` block ends, and open it again after verify()"
_LONGEST_PATH: Final = 1024  # characters
_loading = RLock()


def to_data_url(image: ImageInput, *, portrait: bool) -> str:
    """Return ``image`` as ``data:image/…;base64,…``, 704×1280 px when ``portrait``, else 1280×704.

    The image is rotated by its EXIF data, scaled to cover that size, cropped around the centre, converted to sRGB,
    laid on white if it is transparent, and written as a JPEG. An upright, opaque JPEG, PNG or WebP of that size
    passes unchanged, including its metadata, unless it is a PNG whose metadata are damaged or larger than 1 MiB.
    An animation yields its first picture.

    Args:
        image: one of
            - the path of a file, or the bytes of one: JPEG, PNG, WebP, GIF, BMP, HEIC, HEIF or AVIF;
            - a ``data:image/…;base64,…`` URL of one, also URL-safe, wrapped into lines, or without padding;
            - a PIL image that is not closed, which is not changed; with 16 or 32 bits a pixel, its values go from
              0 to 65535;
            - an RGB array, uint8, of shape (H, W, 3), or what NumPy converts to one, such as a `VideoFrame`.
        portrait: the orientation of the stream.

    Raises:
        TypeError: ``image`` is none of these.
        OdysseyConfigError: ``image`` cannot be used; ``code`` is ``image_not_found`` (with the `OSError` as its
            cause), ``image_too_large``, ``image_not_supported``, ``image_damaged`` or ``image_invalid``.
        MissingExtraError: Pillow, or the package that it needs for this format, is not installed.

    >>> import numpy
    >>> to_data_url(numpy.zeros((100, 200, 3), numpy.uint8), portrait=False)[:28]
    'data:image/jpeg;base64,/9j/4'
    """
    pillow = _import("PIL.Image", "Images need Pillow")
    size = _PORTRAIT if portrait else _LANDSCAPE
    if isinstance(image, pillow.Image):
        return _from_pil(cast("Any", image), size)
    if hasattr(type(image), "__array__") or hasattr(type(image), "__array_interface__"):
        return _from_array(cast("Any", image), size)
    raw, what = _encoded(image)
    return _from_file(raw, size, what)


def only_one(image: ImageInput | None, image_path: str | os.PathLike[str] | None) -> ImageInput | None:
    """Return the one that was given; ``image_path`` is the old name of the argument, for paths only.

    Call it directly from the function that the user calls, so that the warning points to the user's code.

    Raises:
        OdysseyConfigError: both were given.
        TypeError: ``image_path`` is not a path.
    """
    if image_path is None:
        return image
    if image is not None:
        raise _error("image_invalid", "Give image alone: image_path is its old name, and both were given")
    if not isinstance(image_path, str | os.PathLike):
        raise TypeError(f"image_path must be a path, not {type(image_path).__name__}")
    warnings.warn("image_path is deprecated: image takes a path too", DeprecationWarning, stacklevel=3)
    return image_path


# --- reading


def _encoded(image: object) -> tuple[bytes, str]:
    """Return the encoded image, and its name for error texts."""
    if isinstance(image, str) and (url := image.lstrip(_AROUND_TEXT))[:5].lower() == "data:":
        return _from_data_url(url)
    if isinstance(image, str | os.PathLike):
        return _from_path(image)
    if isinstance(image, bytes | bytearray | memoryview):
        length = memoryview(image).nbytes
        what = f"The image of {length} bytes"
        _check_length(length, what)
        raw = bytes(image)
        if raw[:5].lower() == b"data:":
            raise _error("image_invalid", f"{what} is a data URL in bytes: pass it as a str")
        return raw, what
    raise TypeError(
        "image must be a path, bytes, a data URL, a PIL image or an RGB array, "
        f"not {type(image).__module__}.{type(image).__qualname__}".replace("builtins.", "")
    )


def _from_path(given: str | os.PathLike[Any]) -> tuple[bytes, str]:
    path = os.fsdecode(given)
    # Anything longer is probably not a path but the image itself, and content is never shown.
    is_path = len(path) <= _LONGEST_PATH
    what = f"The image file {redact(repr(path))}" if is_path else f"The text of {len(path)} characters"
    try:
        status = os.stat(path)  # noqa: PTH116  # `Path("")` is the working directory
        if not stat.S_ISREG(status.st_mode):  # opening a pipe or a device may block forever
            raise _error("image_not_found", f"{what} is not a file but a directory or a device")
        _check_length(status.st_size, what)
        with Path(path).open("rb") as file:
            raw = file.read(MAX_ENCODED_BYTES + 1)
    except OdysseyConfigError:
        raise
    except (OSError, ValueError) as exc:  # ValueError: the path contains a NUL
        if getattr(exc, "errno", None) not in (None, *_NO_SUCH_FILE):
            raise _error("image_not_found", f"{what} cannot be read: {exc.args[-1]}") from exc
        if not is_path:
            raise _error(
                "image_not_found",
                f"{what} is neither a path nor a data URL: base64 needs data:image/…;base64, before it",
            ) from exc
        hint = "a web address must be downloaded first" if "://" in path else "and it is not a data URL either"
        raise _error("image_not_found", f"{what} does not exist, {hint}") from exc
    _check_length(len(raw), what)
    return raw, what


def _from_data_url(url: str) -> tuple[bytes, str]:
    comma = url.find(",", 0, 1024)
    if comma < 0 or not _DATA_URL.match(url[:comma]):
        raise _error("image_invalid", "The data URL is not of the form data:image/…;base64,…")
    what = f"The image in the data URL of {len(url)} characters"
    # Before it is decoded, so that an oversized URL with any other fault costs nothing.
    _check_length((len(url.rstrip("=")) - comma - 1 - url.count("\n") - url.count("\r")) * 3 // 4, what)
    try:
        return _from_base64(url[comma + 1 :].encode("ascii")), what
    except ValueError as exc:
        raise _error("image_invalid", f"{what} is not valid base64") from exc


def _from_base64(text: bytes) -> bytes:
    """Decode every unambiguous form of base64: also URL-safe, wrapped, escaped or without padding."""
    if b"%" in text:
        text = unquote_to_bytes(text)
    text = text.translate(_STANDARD_LETTERS, _BLANKS)
    if b"=" not in text:
        text += b"=" * (-len(text) % 4)
    return base64.b64decode(text, validate=True)


def _check_length(length: int, what: str) -> None:
    if length > MAX_ENCODED_BYTES:
        size = length / 1024 / 1024
        raise _error("image_too_large", f"{what} is too large: {size:.1f} MB, and the limit is 25 MB")


# --- decoding


def _from_pil(image: Image, size: tuple[int, int]) -> str:
    what = f"The PIL image (mode {image.mode}, {image.width}×{image.height} px)"
    _check_pixels(image.width, image.height, what)
    if image.mode == "F":  # its values may end at 1, at 255 or anywhere: a wrong guess would give black
        raise _error("image_invalid", f"{what} has no defined range of values: convert it to RGB first")
    with _decoding(what), _loading:
        try:
            image.load()
        except Exception as exc:
            if _is_closed(image):
                raise _error("image_invalid", f"{what} is closed: {_OPEN}") from exc
            if not isinstance(exc, ValueError) or getattr(image, "tile", None) != []:
                raise
            image.load()  # its pixels are complete; only the rest of the file cannot be read
        turn = _orientation(image)
    return _as_jpeg(image, turn, size, what)


def _is_closed(image: Image) -> bool:
    """Return whether an image that could not be loaded, or the file of its pixels, was closed."""
    try:
        image.im  # noqa: B018  # raises if the image is closed
    except ValueError:
        return True
    except AssertionError:  # nothing has been loaded yet
        pass
    file = getattr(image, "fp", None)
    return bool(getattr(image, "tile", None)) and (file is None or getattr(file, "closed", False))


def _from_array(image: Any, size: tuple[int, int]) -> str:
    import numpy as np
    from PIL import Image

    array = np.asarray(image)
    what = f"The array ({array.dtype}, shape {array.shape})"
    if array.dtype != "uint8" or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise _error("image_invalid", f"{what} is not an image: it must be RGB, uint8, of shape (H, W, 3)")
    _check_pixels(array.shape[1], array.shape[0], what)
    return _as_jpeg(Image.fromarray(array), 1, size, what)


def _from_file(raw: bytes, size: tuple[int, int], what: str) -> str:
    kind = _kind(raw)
    if kind is None:
        problem = "has an unknown format" if raw else "is empty"
        raise _error("image_not_supported", f"{what} {problem}: use {_ACCEPTED}")
    decoder = _decoder(kind)
    png = PngParts.of(raw) if kind == "PNG" else None
    # The decoder's own class, not `Image.open`, which warns about large pictures: warnings cannot be caught
    # safely while other threads run.
    with _decoding(what):
        image: ImageFile = decoder(io.BytesIO(png.picture if png else raw))
    with image:
        _check_pixels(image.width, image.height, what)
        with _decoding(what):
            image.draft(None, (2 * max(size), 2 * max(size)))  # a large JPEG is decoded at half its size or less
            image.load()
            turn = _orientation(image)
            ready = turn == 1 and _is_ready(image, kind, size)
            if png is not None:
                ready = ready and png.is_sound and not png.is_animated
                image.info["icc_profile"] = png.profile
        if ready:
            return f"data:image/{kind.lower()};base64,{base64.b64encode(raw).decode('ascii')}"
        return _as_jpeg(image, turn, size, what)


def _kind(raw: bytes) -> str | None:
    """Return the format of the content, or None if it is unknown."""
    for kind, at, beginning in _BEGINNINGS:
        if raw.startswith(beginning, at):
            return kind
    if raw[4:8] != b"ftyp":
        return None
    box = raw[: min(int.from_bytes(raw[:4], "big"), 256)]
    brands = {box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
    return next((kind for kind, known in _BRANDS if brands & known), None)


def _decoder(kind: str) -> Any:
    module, name = _DECODERS[kind]
    if TYPE_CHECKING:
        import pillow_heif  # noqa: F401  # programs like PyInstaller look for imports, and find no names in tables
    needs = f"{'HEIC and HEIF' if kind == 'HEIF' else kind} images need a package that is not installed"
    found = _import(module, needs)
    if not getattr(found, "SUPPORTED", True):  # Pillow was built without it
        raise MissingExtraError(_install(needs), code="missing_images")
    return getattr(found, name)


def _import(module: str, needs: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise MissingExtraError(_install(needs), code="missing_images") from exc


def _install(needs: str) -> str:
    return f'{needs}: pip install "odyssey-proto[images]"'


def _check_pixels(width: int, height: int, what: str) -> None:
    if not width or not height:
        raise _error("image_invalid", f"{what} has no pixels")
    if width * height > MAX_PIXELS:
        most = f"the limit is {MAX_PIXELS // 1_000_000} million"
        raise _error("image_too_large", f"{what} has too many pixels: {width}×{height}; {most}")


def _is_ready(image: ImageFile, kind: str, size: tuple[int, int]) -> bool:
    return (
        kind in _UNCHANGED
        and image.size == size
        and image.mode in ("RGB", "L")
        and not image.has_transparency_data
        and getattr(image, "n_frames", 1) == 1
    )


# --- converting


def _as_jpeg(image: Image, turn: int, size: tuple[int, int], what: str) -> str:
    from PIL import Image, ImageOps

    width, height = size
    out = io.BytesIO()
    with _decoding(what):
        # Scaling first gives the same result, and leaves a small picture to rotate.
        lying = (height, width) if turn >= 5 else (width, height)
        fitted = ImageOps.fit(_resizable(image), lying, method=Image.Resampling.LANCZOS)
        upright = fitted if turn == 1 else fitted.transpose(_turns()[turn])
        flat = _on_white(_in_srgb(upright, image.info.get("icc_profile")))
        flat.info = {}  # or Pillow would write some of it into the file
        flat.save(out, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getbuffer()).decode('ascii')}"


def _orientation(image: Image) -> int:
    """Return the EXIF orientation: 1 is upright, 2 to 8 are turned or mirrored."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001  # broken EXIF data must not spoil the picture
        return 1
    return orientation if orientation in _turns() else 1


def _turns() -> dict[Any, Any]:
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }


def _resizable(image: Image) -> Image:
    """Return ``image`` as RGB, RGBA or CMYK: other modes cannot be interpolated, or are cut off at 8 bits."""
    if image.mode in ("RGB", "RGBA", "CMYK") and "transparency" not in image.info:
        return image
    if image.mode == "I;16N":  # Pillow before 13 cuts off its values at 255
        from PIL.Image import frombytes

        image = frombytes("I;16" if sys.byteorder == "little" else "I;16B", image.size, image.tobytes())
    if image.mode.startswith("I"):
        return image.convert("I").point(cast("Any", lambda value: value / 257)).convert("L").convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _in_srgb(image: Image, profile: bytes | None) -> Image:
    """Return ``image`` in sRGB, the default when no profile is given; RGBA stays RGBA, others become RGB."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        from PIL import ImageCms

        # A profile that is broken, or not for this kind of picture, is ignored.
        with suppress(ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):
            theirs, ours = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            return cast("Image", ImageCms.profileToProfile(image, theirs, ours, outputMode=mode))
    return image.convert(mode)


def _on_white(image: Image) -> Image:
    from PIL import Image

    if image.mode != "RGBA":
        return image
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A"))
    return flat


# --- errors


@contextmanager
def _decoding(what: str) -> Iterator[None]:
    from PIL.Image import DecompressionBombError

    try:
        yield
    except (OdysseyConfigError, MemoryError):
        raise
    except DecompressionBombError as exc:
        raise _error("image_too_large", f"{what} has too many pixels for Pillow") from exc
    except Exception as exc:  # decoders may raise anything on broken content
        if isinstance(exc, OSError) and exc.errno is not None:  # not the decoder's, but the system's
            raise _error("image_not_found", f"{what} cannot be read: {exc.strerror}") from exc
        if isinstance(exc, Warning):  # the program turns them into errors
            warns = f"{what} makes Pillow warn, which is an error in this program: {exc}"
            raise _error("image_damaged", warns.strip()) from exc
        raise _error("image_damaged", f"{what} cannot be decoded: it is damaged or incomplete") from exc


def _error(code: str, text: str) -> OdysseyConfigError:
    return OdysseyConfigError(text, code=code)
