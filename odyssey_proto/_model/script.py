"""Scripts of simulations as users write them, and what counts as an image (types page, "Simulate API Types").
Data only: what is checked and sent is in `odyssey_proto._rest.simulation_request`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import numpy as np
    import odyssey_models as wire
    from numpy.typing import NDArray
    from PIL.Image import Image

    ImageInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Image | NDArray[np.uint8]
    # Plain dicts too, as documented: a script that is built step by step has no narrower type.
    Script: TypeAlias = Sequence["ScriptEntry | wire.ScriptEntry | Mapping[str, Any]"]
__all__ = ["InteractAction", "ScriptEntry", "StartAction"]


class StartAction(TypedDict):
    """Begin a stream."""

    prompt: str
    """What to show."""
    image: NotRequired[ImageInput]
    """A picture to start from: whatever `Session.start_stream` takes."""


class InteractAction(TypedDict):
    """Steer the stream."""

    prompt: str
    """What should happen."""


class ScriptEntry(TypedDict):
    """One step of a script: a moment, and exactly one action.

    >>> entry: ScriptEntry = {"timestamp_ms": 0, "start": {"prompt": "A cat"}}
    """

    timestamp_ms: int
    """When, in ms from the start of the script; never less than in the entry before."""
    start: NotRequired[StartAction]
    """Begin a stream."""
    interact: NotRequired[InteractAction]
    """Steer it."""
    end: NotRequired[dict[str, Any]]
    """End it; an empty dict."""
