"""Start images of streams: a data URL in any supported format becomes a backdrop."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Final

import pillow_heif
from PIL import Image, ImageOps

__all__ = ["read_image"]

_MOST_PIXELS: Final = 89_478_485
"""Largest number of pixels of an image: Pillow warns above it, and refuses more than twice as many."""

pillow_heif.register_heif_opener()  # HEIC and HEIF, which Pillow alone does not read


def read_image(data_url: str, size: tuple[int, int]) -> Image.Image:
    """Return the image in ``data_url``, scaled to cover ``size`` and cropped to its middle.

    Raises:
        ValueError: it is not a data URL, or its image cannot be decoded or is too large.
    """
    head, comma, content = data_url.partition(",")
    if not comma or not head.startswith("data:"):
        raise ValueError("not a data URL")
    try:
        raw = base64.b64decode(content, validate=True) if head.endswith(";base64") else content.encode("latin-1")
        return _fitted(raw, size)
    except (
        binascii.Error,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as exc:
        raise ValueError("not an image that can be read") from exc


def _fitted(raw: bytes, size: tuple[int, int]) -> Image.Image:
    # Pillow only warns. Making that an error would change the filters of the whole process, in all its threads.
    with Image.open(io.BytesIO(raw)) as image:
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError("too large")
        upright = ImageOps.exif_transpose(image)
        return ImageOps.fit(upright.convert("RGB"), size, Image.Resampling.LANCZOS)
