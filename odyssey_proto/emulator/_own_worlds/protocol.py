"""`World`: the interface of an object that an emulator can stream. Nothing is called here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from ..._base.late_module import LateModule
from ..._base.public_path import publish

if TYPE_CHECKING:
    import av
    import numpy as np
    import numpy.typing as npt
else:
    av, np, npt = LateModule("av"), LateModule("numpy"), LateModule("numpy.typing")

__all__ = ["METHODS", "World"]

METHODS: Final = {
    "start": "start(prompt, image, size, seed)",
    "interact": "interact(prompt)",
    "picture": "picture(t)",
}
"""The methods of a world, with their arguments."""


class World(Protocol):
    """A world of your own: a model, a simulator, anything that makes pictures and takes prompts.

    Any class with these three methods is one; it need not inherit from this. `Emulator(world=…)` makes an object
    of it for each stream, and calls its methods, with arguments by position, from one thread that belongs to the
    stream. A method may take its time: that delays neither the service nor other streams, unless it holds the GIL.
    If there is also a method ``close()``, that is the last call.

        class Red:
            def start(self, prompt, image, size, seed):
                self.picture_of_red = np.full((size[1], size[0], 3), (255, 0, 0), np.uint8)

            def interact(self, prompt):
                return f"{prompt}, in red"

            def picture(self, t):
                return self.picture_of_red
    """

    def start(
        self, prompt: str, image: npt.NDArray[np.uint8] | None, size: tuple[int, int], seed: int, /
    ) -> str | None:
        """Begin. The client waits, so a model may load here.

        If it raises, the start fails with an ``interactive_stream_error``, reason ``world_failed``.

        Args:
            prompt: the first prompt.
            image: the image that the stream starts from, RGB, shape (H, W, 3), scaled and cropped to ``size``; or
                None.
            size: width and height of the stream's pictures, in px. Those that `picture` returns may have another
                size.
            seed: the ``seed`` of the emulator.

        Returns:
            The prompt as applied, which the client receives; None if it was applied as given.
        """
        ...

    def interact(self, prompt: str, /) -> str | None:
        """Apply another prompt. The client waits for it, and the last picture is shown meanwhile.

        If it raises, the client gets an ``interactive_stream_error``, reason ``world_failed``, and the stream
        continues.

        Returns:
            The prompt as applied; None if it was applied as given.
        """
        ...

    def picture(self, t: float, /) -> npt.NDArray[Any] | av.VideoFrame | None:
        """Return the picture for ``t`` s after the start, or None to show the last one again.

        ``t`` begins at 0 and grows by 1/``fps`` from one call to the next, or by more if the last picture took
        longer. A late picture does not hold up the stream, which shows the last one until it comes. If the method
        raises, the last one is shown again, and the first such failure is logged; after ten in a row the stream
        ends with an ``interactive_stream_error``, reason ``world_failed``.

        Returns:
            RGB, shape (H, W, 3): whole numbers from 0 to 255, or fractions from 0 to 1. Shapes (3, H, W), (H, W),
            and (H, W, 4), whose last channel is ignored, are understood, too, and so are PIL images, tensors in
            the memory of the CPU, and frames of PyAV in any format. A picture of another size is scaled; its
            proportions are kept, and the rest is black. Pictures are copied: the array may be used again.
        """
        ...


publish("odyssey_proto.emulator", World)
