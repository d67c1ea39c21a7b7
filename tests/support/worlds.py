"""Users' worlds: one for each possible behaviour, and a clip and pictures with known content."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import av
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GATE", "SHARED", "Fickle", "Gated", "Levels", "clip", "level_of", "levels", "pictures"]

GATE: Final = "ODYSSEY_TESTS_GATE"
"""Environment variable with the path of the file for which `Gated` waits."""


class Levels:
    """A grey world: its level is 40, 40 more for each prompt after the first, and lower on the right."""

    def start(self, prompt: str, image: Any, size: tuple[int, int], seed: int) -> str:
        """Begin with the level of the image, if there is one."""
        self.asked = prompt, None if image is None else image.shape, size, seed
        self.level = 40 if image is None else int(image.mean())
        self.size = size
        return f"{prompt}, applied"

    def interact(self, prompt: str) -> None:
        """Become brighter."""
        self.level += 40
        print("a world may print")

    def picture(self, t: float) -> np.ndarray[Any, Any]:
        """Return one level on the left and half of it on the right."""
        picture = np.full((self.size[1], self.size[0], 3), self.level, np.uint8)
        picture[:, self.size[0] // 2 :] //= 2
        return picture


class Gated(Levels):
    """The same world, but each picture after the first waits until the file that `GATE` names exists."""

    def picture(self, t: float) -> np.ndarray[Any, Any]:
        """Wait, and return the picture."""
        while t > 0 and not Path(os.environ[GATE]).exists():
            time.sleep(0.01)
        return super().picture(t)


class Fickle:
    """A world that fails in the step that its prompt names ("start", "interact" or "picture")."""

    closed: ClassVar[int] = 0

    def start(self, prompt: str, *_: Any) -> None:
        """Begin."""
        self.interact(prompt)
        if prompt == "start":
            raise RuntimeError("no\nmodel")

    def interact(self, prompt: str) -> None:
        """Note the step that must fail; fail if it is "interact"."""
        self.fails = prompt
        if prompt == "interact":
            raise SystemExit("no idea")

    def picture(self, t: float) -> np.ndarray[Any, Any]:
        """Return a grey picture."""
        if self.fails == "picture":
            raise ValueError("no picture")
        return np.full((4, 4), 100, np.uint8)

    def close(self) -> None:
        """Count the worlds that were closed."""
        type(self).closed += 1


def levels() -> Levels:
    """Make a world, as a factory does."""
    return Levels()


SHARED = Levels()
"""One world for all streams."""


def clip(path: Path, levels: Sequence[int], *, fps: int, size: tuple[int, int] = (64, 64)) -> Path:
    """Write a video of grey pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for level in levels:
            picture = np.full((size[1], size[0], 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return path


def pictures(folder: Path, levels: dict[str, int]) -> Path:
    """Write a grey picture for each name in ``levels``."""
    folder.mkdir(exist_ok=True)
    for name, level in levels.items():
        Image.new("RGB", (64, 36), (level, level, level)).save(folder / name)
    return folder


def level_of(picture: Any) -> int:
    """Return the level of a grey picture, an array or a frame, just left of its middle."""
    array = picture.to_ndarray(format="rgb24") if isinstance(picture, av.VideoFrame) else np.asarray(picture)
    height, width = array.shape[:2]
    return round(float(array[height // 2 - 2 : height // 2 + 2, width // 2 - 8 : width // 2 - 4].mean()))
