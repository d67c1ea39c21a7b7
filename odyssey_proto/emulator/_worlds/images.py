"""Start images of streams: turns a data URL of any listed format and size into a backdrop."""

from __future__ import annotations

import base64
import binascii
import io
import warnings

import pillow_heif
from PIL import Image, ImageOps

__all__ = ["read_image"]

pillow_heif.register_heif_opener()  # HEIC and HEIF, which Pillow alone does not read


def read_image(data_url: str, size: tuple[int, int]) -> Image.Image:
    """Return the image in ``data_url``, scaled to cover ``size`` and cropped to its middle.

    Raises:
        ValueError: it is not a data URL, or its image cannot be decoded.
    """
    head, comma, content = data_url.partition(",")
    if not comma or not head.startswith("data:"):
        raise ValueError("not a data URL")
    try:
        raw = base64.b64decode(content, validate=True) if head.endswith(";base64") else content.encode("latin-1")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(raw)) as image:
                upright = ImageOps.exif_transpose(image)
                return ImageOps.fit(upright.convert("RGB"), size, Image.Resampling.LANCZOS)
    except (
        binascii.Error,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as exc:
        raise ValueError("not an image that can be read") from exc
