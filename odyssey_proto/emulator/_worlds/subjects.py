"""The subjects of the worlds by name: small figures in a few phases of their movement.

This module does not know where a figure stands or how it moves about.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

from . import creatures, things
from .pen import Pen

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from .palette import Palette

__all__ = ["PHASES", "SUBJECTS", "Figure", "figure_of"]

PHASES: Final = 8
"""Phases in one cycle of a movement."""


@attrs.frozen(kw_only=True, eq=False)
class Figure:
    """A subject, ready to paste into a picture."""

    phases: tuple[tuple[Image.Image, Image.Image], ...]
    """Colours and mask for each phase."""
    flies: bool
    """Whether it belongs in the air (or the water) rather than on the ground."""
    moves: bool
    """Whether it goes somewhere on its own."""


SUBJECTS: Final[dict[str, Callable[[Pen, float, Palette], None]]] = {
    "cat": creatures.cat,
    "dog": creatures.quadruped(body=0.40, neck=0.18, snout=0.09, leg=0.44, thick=0.20, ears="floppy", tail="thin"),
    "fox": creatures.quadruped(
        body=0.40, neck=0.16, snout=0.11, leg=0.40, thick=0.17, ears="pointed", tail="bushy"
    ),
    "wolf": creatures.quadruped(
        body=0.44, neck=0.18, snout=0.11, leg=0.46, thick=0.20, ears="pointed", tail="bushy"
    ),
    "horse": creatures.quadruped(
        body=0.44, neck=0.34, snout=0.13, leg=0.54, thick=0.20, ears="pointed", tail="mane", extra="mane"
    ),
    "deer": creatures.quadruped(
        body=0.38, neck=0.34, snout=0.09, leg=0.52, thick=0.17, ears="pointed", tail="stub", extra="antlers"
    ),
    "bear": creatures.quadruped(body=0.50, neck=0.10, snout=0.08, leg=0.46, thick=0.30, ears="round", tail="stub"),
    "lion": creatures.quadruped(
        body=0.46, neck=0.16, snout=0.07, leg=0.44, thick=0.22, ears="round", tail="thin", extra="lion"
    ),
    "rabbit": creatures.quadruped(
        body=0.28, neck=0.14, snout=0.04, leg=0.30, thick=0.19, ears="long", tail="stub"
    ),
    "bird": creatures.bird,
    "butterfly": creatures.butterfly,
    "fish": creatures.fish,
    "dragon": creatures.dragon,
    "person": creatures.person,
    "astronaut": creatures.astronaut,
    "robot": things.robot,
    "car": things.car,
    "boat": things.boat,
    "rocket": things.rocket,
    "balloon": things.balloon,
    "house": things.house,
    "tree": things.tree,
    "flower": things.flower,
}
_FLYING: Final = frozenset({"bird", "butterfly", "fish", "dragon", "rocket", "balloon"})
_SLEEPING: Final = frozenset({"cat", "dog", "fox", "wolf", "bear", "lion", "rabbit", "deer", "horse"})
_MOVING: Final = frozenset({"bird", "butterfly", "fish", "dragon", "car", "boat", "balloon"})


def figure_of(subject: str, *, asleep: bool, size: int, palette: Palette, rightwards: bool = True) -> Figure:
    """Draw all phases of ``subject`` in a square of ``size`` px, facing its direction of movement."""
    draw = creatures.curled if asleep and subject in _SLEEPING else SUBJECTS[subject]
    phases = []
    for phase in range(PHASES):
        pen = Pen(size, palette.subject, palette.rim)
        draw(pen, math.sin(2 * math.pi * phase / PHASES), palette)
        phases.append(pen.finished(mirrored=rightwards))
    return Figure(phases=tuple(phases), flies=subject in _FLYING, moves=subject in _MOVING)
