"""The films that the demo makes, as read from their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import av
import numpy as np

from odyssey_proto._video import stamp

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@attrs.frozen
class Film:
    """The result of a demo."""

    summary: dict[str, Any]
    pictures: list[NDArray[np.uint8]]
    """In colour, at a quarter of the width and height."""
    times_ms: list[float]
    stamps: list[stamp.Stamp | None]
    sizes: set[tuple[int, int]]


def watch(path: Path, summary: dict[str, Any]) -> Film:
    film = Film(summary, [], [], [], set())
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            film.sizes.add((frame.width, frame.height))
            film.times_ms.append(float(frame.time or 0) * 1000)
            film.stamps.append(stamp.read(frame.to_ndarray(format="gray")))
            film.pictures.append(frame.to_ndarray(format="rgb24")[::4, ::4])
    return film


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the mean difference of two pictures, in levels from 0 to 255, without the stamp."""
    return float(np.abs(one[8:].astype(np.int16) - other[8:]).mean())
