"""Procedural worlds, which the emulator's streamer shows instead of a model's output.

A world depends only on its seed, its image, and its prompts and their moments: if these are the same, so are the
pictures. There is no network, no model and no clock: the time of a picture is an argument, and a prompt counts
from the time of the last picture.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs

from .images import read_image
from .painting import Painting
from .scene import first_scene, next_scene

if TYPE_CHECKING:
    import av

__all__ = ["LANDSCAPE", "PaintedWorld"]

LANDSCAPE = (1280, 704)
"""Width and height of a picture in landscape, in px."""


class PaintedWorld:
    """One world, created by its first prompt. Any thread may use it; pictures are painted one at a time.

    ``size`` is the width and height of pictures in landscape, in px; ``portrait`` swaps them.

    Raises:
        ValueError: the image cannot be read.
    """

    def __init__(
        self,
        *,
        seed: int,
        prompt: str,
        portrait: bool,
        image: str | None = None,
        expand: bool = True,
        size: tuple[int, int] = LANDSCAPE,
    ) -> None:
        width, height = size
        self.size = (height, width) if portrait else (width, height)
        self._seed = seed
        self._expand = expand
        self._lock = threading.Lock()
        self._version = 0
        self._moment = 0.0
        self._backdrop = None if image is None else read_image(image, (self.size[0] // 2, self.size[1] // 2))
        self._scene = first_scene(prompt, seed)
        if self._backdrop is not None:
            self._scene = attrs.evolve(self._scene, cast=())  # the image shows the cast
        self._painting = Painting(self._scene, self.size, self._backdrop)

    @property
    def version(self) -> int:
        """Number of prompts that have changed the world."""
        return self._version

    @property
    def applied_prompt(self) -> str:
        """The last prompt, as applied."""
        return self._scene.expanded_prompt if self._expand else self._scene.prompt

    def change(self, prompt: str) -> str:
        """Apply ``prompt`` from the next picture on, and return it as applied. Takes tens of ms."""
        scene = next_scene(self._scene, prompt, self._seed)
        painting = Painting(scene, self.size, self._backdrop)
        with self._lock:
            painting.follow(self._painting, self._moment)
            self._painting, self._scene = painting, scene
            self._version += 1
        return self.applied_prompt

    def picture(self, moment: float) -> av.VideoFrame:
        """Paint the world ``moment`` s after its start, as a yuv420p frame."""
        with self._lock:
            self._moment = moment
            return self._painting.picture(moment)
