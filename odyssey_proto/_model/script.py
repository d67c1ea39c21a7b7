"""Types of simulation scripts and of images (Python types reference, "Simulate API Types").

Data only: `odyssey_proto._rest.simulation_request` checks and sends scripts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypeAlias, TypedDict

import odyssey_models as wire

from .._base.public_path import publish

__all__ = ["ImageInput", "InteractAction", "Script", "ScriptEntry", "StartAction"]


class _Array(Protocol):
    """An object that NumPy can convert by ``__array__``: a `VideoFrame`, a tensor, an array."""

    def __array__(self) -> Any: ...


class _Pixels(Protocol):
    """An object that exposes its memory to NumPy: a Pillow image, an array."""

    @property
    def __array_interface__(self) -> Any: ...


ImageInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | _Array | _Pixels
"""A start image: a path, the bytes of a file, a data URL, a Pillow image, or an RGB array, uint8, (H, W, 3)."""


class StartAction(TypedDict):
    """Begin a stream."""

    prompt: str
    """A description of the world."""
    image: NotRequired[ImageInput]
    """The start image, as for `Session.start_stream`."""


class InteractAction(TypedDict):
    """Steer the stream."""

    prompt: str
    """A description of what happens next."""


class ScriptEntry(TypedDict):
    """One step of a script: a time and exactly one action.

    >>> entry: ScriptEntry = {"timestamp_ms": 0, "start": {"prompt": "A cat"}}
    """

    timestamp_ms: float
    """Time in ms from the start of the script; not less than in the entry before."""
    start: NotRequired[StartAction]
    """Begin a stream."""
    interact: NotRequired[InteractAction]
    """Steer the stream."""
    end: NotRequired[dict[str, Any]]
    """End the stream; an empty dict."""


# Plain dicts too, as documented: a script built step by step has no narrower type.
Script: TypeAlias = Sequence[ScriptEntry | wire.ScriptEntry | Mapping[str, Any]]
"""A script: entries by ascending time, each with one action."""

publish("odyssey_proto", InteractAction, ScriptEntry, StartAction)
