"""Scripts of simulations as users write them, and what counts as an image (types page, "Simulate API Types").
Data only: what is checked and sent is in `odyssey_proto._rest.simulation_request`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypeAlias, TypedDict

import odyssey_models as wire

from .._base.public_path import publish

__all__ = ["ImageInput", "InteractAction", "Script", "ScriptEntry", "StartAction"]


class _Array(Protocol):
    """What says itself how NumPy makes an array of it: a `VideoFrame`, a tensor, an array."""

    def __array__(self) -> Any: ...


class _Pixels(Protocol):
    """What shows NumPy its memory: a Pillow image, an array."""

    @property
    def __array_interface__(self) -> Any: ...


ImageInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | _Array | _Pixels
"""A picture to start from: a path, the bytes of a file, a data URL, a Pillow image, or RGB, uint8, (H, W, 3)."""


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


# Plain dicts too, as documented: a script that is built step by step has no narrower type.
Script: TypeAlias = Sequence[ScriptEntry | wire.ScriptEntry | Mapping[str, Any]]
"""A script: entries by ascending time, each with one action."""

publish("odyssey_proto", InteractAction, ScriptEntry, StartAction)
