"""`VideoFrame`, the public picture type: lazy conversion, shared by all receivers.

    decoder ── FrameHub.publish ──┬─▶ FrameQueue ──▶ iterator ──▶ VideoFrame.data, converted here
                                  ├─▶ FrameQueue ──▶ iterator
                                  └─▶ FrameHub.latest

A decoded picture stays as the decoder made it (YUV) and is shared by all receivers; the first thread that reads it
converts it, once. A picture that nobody reads, or that a queue drops, is never converted. This module starts no
thread and does not know where pictures come from; it measures times for statistics alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self, cast

from .._base import arguments
from .._base.errors import MissingExtraError, OdysseyConfigError
from .._base.forks import RLock
from .._base.late_module import LateModule
from .._base.public_path import publish
from .._base.tracebacks import is_from_here
from .colours import BT601, Colours, converted, shown

if TYPE_CHECKING:
    import av
    import numpy as np
    import numpy.typing as npt
    from av.video.plane import VideoPlane
    from PIL import Image

    from .meters import Mean
else:
    np, npt, Image = LateModule("numpy"), LateModule("numpy.typing"), LateModule("PIL.Image")

__all__ = ["VideoFrame"]

_PIXEL_FORMATS: Final = ("abgr", "argb", "bgr24", "bgra", "gray", "nv12", "rgb24", "rgba", "yuv420p")
_HALVED_CHROMA: Final = ("nv12", "yuv420p")  # fit into one array only if both sides are even
_WITH_ALPHA: Final = ("abgr", "argb", "bgra", "rgba")
_PLANAR: Final = ("yuv420p", "yuvj420p")
_LUMA_FIRST: Final = ("nv12", *_PLANAR)  # the first plane is the gray picture


def _view(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """Return a read-only view of a plane with 8 bits per sample; it keeps the memory alive."""
    import numpy as np

    memory = memoryview(cast("Any", plane)).toreadonly()  # the decoder predicts the next picture from it
    rows = np.frombuffer(memory, np.uint8, count=plane.line_size * plane.height)
    view: npt.NDArray[np.uint8] = rows.reshape(plane.height, plane.line_size)[:, : plane.width]
    return view


class _Picture:
    """One decoded picture and its one conversion to RGB, shared by all views of it."""

    __slots__ = (
        "_frame",
        "_lock",
        "_rgb",
        "converting",
        "due_at",
        "height",
        "index",
        "ready_at",
        "received_at",
        "timestamp_ms",
        "width",
    )

    def __init__(self, frame: av.VideoFrame, index: int, timestamp_ms: int, received_at: float) -> None:
        self.width: int = frame.width
        self.height: int = frame.height
        self.index: int = index
        self.timestamp_ms: int = timestamp_ms
        self.received_at: float = received_at
        self.ready_at: float | None = None
        self.due_at = 0.0  # for receivers at the sender's pace
        self.converting: Mean | None = None  # the meter of conversion times, if any
        self._frame = frame
        self._lock = RLock()
        self._rgb: npt.NDArray[np.uint8] | None = None

    def rgb(self) -> npt.NDArray[np.uint8]:
        with self._lock:
            if self._rgb is None:
                self._rgb = self._measured("rgb24")
            return self._rgb

    def array(self, pixel_format: str) -> npt.NDArray[np.uint8]:
        with self._lock:
            return self._measured(pixel_format)

    def planes(self) -> tuple[npt.NDArray[np.uint8], ...]:
        with self._lock:
            frame = self._frame
            if frame.format.name not in _PLANAR:
                frame = converted(frame, "yuv420p", Colours.of(frame))
            return tuple(_view(plane) for plane in frame.planes)

    @property
    def colours(self) -> Colours:
        """The colours of the picture as sent."""
        with self._lock:  # a conversion changes them while it runs
            return Colours.of(self._frame)

    @property
    def nbytes(self) -> int:
        """The memory that the decoded picture takes, in bytes, without its conversion."""
        return self.width * self.height * self._frame.format.padded_bits_per_pixel // 8

    def unconverted(self) -> _Picture:
        """Return the same picture, without its conversion to RGB, for a receiver that keeps it for long."""
        picture = _Picture(self._frame, self.index, self.timestamp_ms, self.received_at)
        picture._lock = self._lock  # of the frame that both of them convert
        return picture

    def drawn(self, width: int, height: int, colours: Colours) -> av.VideoFrame:
        """Return a copy in the format yuv420p, of this even size and in these colours."""
        import av

        with self._lock:
            drawn = converted(self._frame, "yuv420p", colours, width, height)
            return av.VideoFrame.from_ndarray(drawn.to_ndarray(), "yuv420p") if drawn is self._frame else drawn

    def packed(self) -> tuple[Any, ...]:
        """Return the first arguments of `_unpickled`; lossless for RGB, and for yuv420p of even size."""
        with self._lock:
            frame = self._frame
            even = not (frame.width % 2 or frame.height % 2)
            if even and frame.format.name in _PLANAR:
                pixel_format, pixels, colours = frame.format.name, frame.to_ndarray(), Colours.of(frame)
            else:
                pixel_format, pixels, colours = "rgb24", self._convert("rgb24"), BT601
        return pixels, pixel_format, colours, self.index, self.timestamp_ms, self.received_at

    def _measured(self, pixel_format: str) -> npt.NDArray[np.uint8]:
        if self.converting is None:
            return self._convert(pixel_format)
        with self.converting.measured():
            return self._convert(pixel_format)

    def _convert(self, pixel_format: str) -> npt.NDArray[np.uint8]:
        """Return a contiguous array with its own memory. Needs the lock, because PyAV writes to the picture."""
        import numpy as np

        frame = self._frame
        if pixel_format == "gray" and frame.format.name in _LUMA_FIRST:
            return _view(frame.planes[0]).copy()
        result = self._reformatted(pixel_format)
        array: npt.NDArray[Any] = result.to_ndarray()
        if result is frame and len(frame.planes) == 1:
            array = array.copy()  # otherwise drawing on the array would change the picture
        return np.ascontiguousarray(array)  # rows are padded at widths such as 854

    def _reformatted(self, pixel_format: str) -> av.VideoFrame:
        frame = self._frame
        if pixel_format in _HALVED_CHROMA:
            return converted(frame, pixel_format, BT601)
        if pixel_format == "gray" and not frame.format.is_rgb:
            return converted(frame, pixel_format, Colours.of(frame))
        if pixel_format in _WITH_ALPHA:
            # Directly from YUV, swscale gets the last columns wrong at widths such as 854, differently each time.
            frame = shown(frame, "rgb24")
        return shown(frame, pixel_format)


def _decoded(array: npt.NDArray[np.uint8]) -> av.VideoFrame:
    """Return an RGB array as a decoded frame."""
    import av
    import numpy as np

    try:
        array = np.asarray(array)
    except ValueError as exc:  # lists of unequal length
        if not is_from_here(exc):  # raised by a signal handler
            raise
        raise OdysseyConfigError("a frame needs a uint8 array of shape (H, W, 3)") from exc
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise OdysseyConfigError(
            f"a frame needs a uint8 array of shape (H, W, 3), not {array.dtype} {array.shape}"
        )
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")


def _numbered(timestamp_ms: int, index: int, received_at: float) -> tuple[int, int, float]:
    arguments.number("timestamp_ms", timestamp_ms, whole=True)
    arguments.number("index", index, whole=True, least=0)
    arguments.number("received_at", received_at)
    return index, timestamp_ms, received_at


class VideoFrame:
    """One video frame, as one receiver got it (Python types reference, "VideoFrame").

    It is immutable, compares by identity, and may be used from any thread. Pixels are converted on first use.

    >>> import numpy
    >>> frame = VideoFrame.from_ndarray(numpy.zeros((704, 1280, 3), numpy.uint8), timestamp_ms=50)
    >>> frame
    <VideoFrame 0: 1280x704 at 50 ms>
    >>> frame.data.shape, frame.to_ndarray("gray").shape
    ((704, 1280, 3), (704, 1280))
    """

    __slots__ = ("_dropped_before", "_picture")

    def __init__(
        self,
        data: npt.NDArray[np.uint8],
        width: int,
        height: int,
        timestamp_ms: int,
        *,
        index: int = 0,
        received_at: float = 0.0,
    ) -> None:
        """Create a frame from an RGB array; `from_ndarray` needs fewer arguments.

        Args:
            data: RGB, uint8, shape (H, W, 3); copied.
            width: W in px.
            height: H in px.
            timestamp_ms: presentation time in ms.
            index: its position in the stream, from 0.
            received_at: arrival time, in s of the client's clock.

        Raises:
            TypeError: a number is of the wrong type.
            OdysseyConfigError: the array has another shape or dtype, or a number is out of range.
        """
        arguments.number("width", width, whole=True, least=1)
        arguments.number("height", height, whole=True, least=1)
        picture = _Picture(_decoded(data), *_numbered(timestamp_ms, index, received_at))
        if (picture.width, picture.height) != (width, height):
            raise OdysseyConfigError(
                f"width and height must be {picture.width} and {picture.height}, as in the array, "
                f"not {width} and {height}"
            )
        self._picture = picture
        self._dropped_before = 0

    @classmethod
    def from_ndarray(
        cls, array: npt.NDArray[np.uint8], *, timestamp_ms: int = 0, index: int = 0, received_at: float = 0.0
    ) -> Self:
        """Create a frame from an RGB array, for tests of code that takes frames.

        Args:
            array: RGB, uint8, shape (H, W, 3); copied.
            timestamp_ms: presentation time in ms.
            index: its position in the stream, from 0.
            received_at: arrival time, in s of the client's clock.

        Raises:
            TypeError: a number is of the wrong type.
            OdysseyConfigError: the array has another shape or dtype, or a number is out of range.
        """
        return cls._of(_Picture(_decoded(array), *_numbered(timestamp_ms, index, received_at)))

    @classmethod
    def _of(cls, picture: _Picture, dropped_before: int = 0) -> Self:
        frame = cls.__new__(cls)
        frame._picture = picture
        frame._dropped_before = dropped_before
        return frame

    @property
    def width(self) -> int:
        """Width in px."""
        return self._picture.width

    @property
    def height(self) -> int:
        """Height in px."""
        return self._picture.height

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of `data`: (H, W, 3)."""
        return self.height, self.width, 3

    @property
    def timestamp_ms(self) -> int:
        """Presentation time in ms from the first frame of the connection; it continues after rejoining."""
        return self._picture.timestamp_ms

    @property
    def index(self) -> int:
        """Number of frames of the stream received before this one."""
        return self._picture.index

    @property
    def received_at(self) -> float:
        """Arrival time of the first packet, in s of the client's clock (`time.monotonic()`)."""
        return self._picture.received_at

    @property
    def dropped_before(self) -> int:
        """Number of frames that this receiver missed just before this one because it was too slow."""
        return self._dropped_before

    @property
    def data(self) -> npt.NDArray[np.uint8]:
        """The picture as RGB, uint8, shape (H, W, 3), contiguous; converted on first use.

        The conversion follows the matrix and the range that the stream names; by default, they are BT.601 and
        limited.

        All receivers of this frame get the same writable array: use ``data.copy()`` if changes must not be visible
        to the others.
        """
        return self._picture.rgb()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return `data` for NumPy: ``np.asarray(frame)`` is that array, ``np.array(frame)`` a copy of it."""
        import numpy as np

        if copy is None:  # which NumPy 1 does not take as an argument
            return np.asarray(self.data, dtype=dtype)
        return np.array(self.data, dtype=dtype, copy=copy)

    def to_ndarray(self, format: str = "rgb24") -> npt.NDArray[np.uint8]:  # noqa: A002 - known from PyAV, OpenCV
        """Return the picture as a new array that belongs to the caller.

        Args:
            format: ``rgb24`` or ``bgr24`` (H, W, 3); ``rgba``, ``bgra``, ``argb`` or ``abgr`` (H, W, 4); ``gray``
                (H, W), the luma as sent; ``yuv420p`` or ``nv12`` (H * 3 / 2, W), for even sizes, always in BT.601
                and limited range.

        Raises:
            OdysseyConfigError: the format is not one of these, or not possible for this size.
        """
        if format not in _PIXEL_FORMATS:
            raise OdysseyConfigError(f"unknown pixel format {format!r}; known are {', '.join(_PIXEL_FORMATS)}")
        if format in _HALVED_CHROMA and (self.width % 2 or self.height % 2):
            raise OdysseyConfigError(f"{format} needs an even width and height, not {self.width}x{self.height}")
        return self._picture.array(format)

    @property
    def planes(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """The decoded planes Y, U and V, neither converted nor copied.

        Read-only, uint8, shapes (H, W) for Y and (⌈H/2⌉, ⌈W/2⌉) for U and V, in the colours that were sent:
        usually BT.601 in limited range. Rows may be padded, so the arrays need not be contiguous; `to_ndarray`
        returns contiguous copies. Only a picture without such planes, such as one from `from_ndarray`, is
        converted to yuv420p first.
        """
        return self._picture.planes()

    def to_image(self) -> Image.Image:
        """Return the picture as a new Pillow image in mode RGB.

        Raises:
            MissingExtraError: Pillow is not installed.
        """
        try:
            from PIL import Image
        except ImportError as exc:
            raise MissingExtraError("to_image() needs Pillow: pip install pillow", code="missing_pillow") from exc
        return Image.fromarray(self.to_ndarray("rgb24"))

    @property
    def _ready_at(self) -> float | None:
        return self._picture.ready_at

    @property
    def _due_at(self) -> float:
        return self._picture.due_at

    def _after_dropped(self, count: int) -> VideoFrame:
        return VideoFrame._of(self._picture, count) if count else self

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the decoded picture, without changes made to `data`."""
        return _unpickled, (*self._picture.packed(), self._dropped_before)

    def __repr__(self) -> str:
        return f"<VideoFrame {self.index}: {self.width}x{self.height} at {self.timestamp_ms} ms>"


def _unpickled(
    pixels: npt.NDArray[np.uint8],
    pixel_format: str,
    colours: Colours,
    index: int,
    timestamp_ms: int,
    received_at: float,
    dropped_before: int,
) -> VideoFrame:
    """Create a frame from the result of `_Picture.packed`, in any process."""
    import av

    frame = av.VideoFrame.from_ndarray(pixels, format=pixel_format)
    if not frame.format.is_rgb:
        frame.color_range, frame.colorspace = colours.range, colours.matrix
        frame.color_primaries, frame.color_trc = colours.primaries, colours.transfer
    return VideoFrame._of(_Picture(frame, index, timestamp_ms, received_at), dropped_before)


publish("odyssey_proto", VideoFrame)
