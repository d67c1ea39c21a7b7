"""An emulator for measurements over bad networks: pictures with grain, encoded live.

    python -m tools.bench.studio FOLDER HOST BITS_PER_S [follows]

prints the emulator's line of JSON and serves until it is killed. Painting is done in advance; encoding is not,
because a keyframe has to come when a client asks for one. The bit rate is fixed; with ``follows``, it follows
the client's reports up to BITS_PER_S. The folder has a log for each stream, named by its prompt; the `Counters` of
all; and coarse copies of the pictures, for clients that look for corrupt ones.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.video.frame import PictureType

from odyssey_proto._video import stamp
from odyssey_proto.emulator._server import Emulator
from odyssey_proto.emulator._stream import history, requests
from odyssey_proto.emulator._stream.camera import Camera
from odyssey_proto.emulator._stream.grain import Grain
from odyssey_proto.emulator._worlds import PaintedWorld
from tools.bench.tape import Log

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FPS", "Counters", "coarse", "looks", "number_of"]

FPS: Final = 20
_PICTURES: Final = 40  # shown forwards and backwards
_GRAIN: Final = 10  # levels; without grain, no picture would need so many bits
_BLOCK: Final = 32  # px
_STEP: Final = 4  # px; looking at all of them would take longer than decoding
_LOOKS: Final = "looks.npy"


class Counters:
    """Counts of the requests to all senders and of their actions, shared by two processes."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self.values: Any = np.memmap(path, np.int64, "w+" if new else "r", shape=(4,))

    def read(self) -> dict[str, int]:
        """Return the counts so far, over all streams."""
        names = ("packets", "again", "requested", "keyframes")
        return dict(zip(names, map(int, self.values), strict=True))


def coarse(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean of each block of a picture below its stamp, from some of the pixels."""
    some = gray[::_STEP, ::_STEP]
    side = _BLOCK // _STEP
    rows, columns = some.shape[0] // side, some.shape[1] // side
    blocks = some[: rows * side, : columns * side].reshape(rows, side, columns, side)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)[1:]
    return means


def number_of(picture: NDArray[np.uint8]) -> int:
    """Return the number in the stamp of a picture, RGB or grey."""
    cells = picture[stamp.CELL // 2, stamp.CELL // 2 : stamp.COLUMNS * stamp.CELL : stamp.CELL]
    return int.from_bytes(np.packbits((cells if cells.ndim == 1 else cells[:, 1]) > 128).tobytes())


def looks(folder: Path, number: int) -> NDArray[np.float32]:
    """Return the appearance of picture ``number``, in the form that `coarse` returns."""
    found: NDArray[np.float32] = np.load(folder / _LOOKS, mmap_mode="r")[_place(number)]
    return found


def _place(number: int) -> int:
    place = number % (2 * _PICTURES - 2)
    return min(place, 2 * _PICTURES - 2 - place)


def _painted(folder: Path) -> list[Any]:
    world, grain = PaintedWorld(seed=0, prompt="A cat on a hill at sunset", portrait=False), Grain(_GRAIN, seed=0)
    pictures = [grain.over(world.picture(place / FPS), place / FPS) for place in range(_PICTURES)]
    lumas: list[Any] = [picture.to_ndarray(format="yuv420p")[: picture.height] for picture in pictures]
    np.save(folder / _LOOKS, np.array([coarse(luma) for luma in lumas]))
    return pictures


class _Nothing:
    """Stands in for a world whose pictures are painted already."""

    def start(self, *_: Any) -> None:
        """Accept the prompt, whose text the stream keeps."""

    interact = start

    def picture(self, _: float) -> None:
        """Return nothing, as nobody looks."""


class _GrainCamera(Camera):
    """Shows painted pictures, each with its number."""

    def __init__(self, scenery: Any, *, pictures: list[Any], folder: Path, **_: Any) -> None:
        super().__init__(scenery, fps=FPS, stamped=False, before_each=_always)
        self._pictures = pictures
        self._log = Log(folder / scenery.applied_prompt, new=True)

    async def _film(self) -> None:
        began = time.monotonic()
        for number in itertools.count():
            due = began + number / FPS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            while self.track is None or not self.track.has_room:
                await asyncio.sleep(0.001)
            picture = self._pictures[_place(number)]
            stamp.draw(picture, number, 0)
            picture.pict_type = PictureType.NONE if number else PictureType.I
            self._log.note(number)
            self.track.show(picture, due)


async def _always() -> bool:
    return True


def _count(counters: Counters) -> None:
    """Make every sender count into ``counters``."""
    values, may_send = counters.values, history.SentPackets.may_send
    keep: Any = history.SentPackets.__setitem__
    answer: Any = requests.KeyframeRequests.__call__

    def counted_packet(self: Any, place: int, packet: Any) -> None:
        values[0] += 1
        keep(self, place, packet)

    def counted_request(self: Any, number: int, round_trip_s: float) -> bool:
        found = may_send(self, number, round_trip_s)
        values[1] += found
        values[2] += 1
        return found

    def counted_keyframe(self: Any) -> None:
        values[3] += 1
        answer(self)

    patched: Any = history.SentPackets
    patched.__setitem__, patched.may_send = counted_packet, counted_request
    asked: Any = requests.KeyframeRequests
    asked.__call__ = counted_keyframe


def _main(folder: str, host: str, bits_per_s: str, follows: str = "") -> None:
    counters = Counters(Path(folder) / "counters", new=True)
    _count(counters)
    pictures = _painted(Path(folder))

    def camera(scenery: Any, **arguments: Any) -> Camera:
        return _GrainCamera(scenery, **{**arguments, "pictures": pictures, "folder": Path(folder)})

    settings: dict[str, Any] = {"codec": "h264", "record": False, "streamers": 8, "concurrent_sessions": 8}
    settings |= {"bitrate": int(bits_per_s), "congestion_control": bool(follows)}
    with Emulator(host=host, world=_Nothing, camera=camera, **settings) as emulator:
        print(json.dumps({"api_url": emulator.api_url, "api_key": emulator.api_key}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    _main(*sys.argv[1:])
