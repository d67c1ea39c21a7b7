"""What a driver needs of the network, as protocols: links, and whoever makes them. Tests bring their own.

A *link* is one attempt at a connection. It posts what it hears as inputs of the core, with its number, and decides
nothing. Closing may overtake opening: what is opened too late is closed at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Clock, Deadline
    from .._video.frame_hub import FrameHub
    from .._video.meters import VideoTotals
    from ..core import effects, inputs

__all__ = ["Access", "Link", "LinkContext"]


@attrs.frozen
class LinkContext:
    """What a link is given by its driver."""

    clock: Clock
    hub: FrameHub
    """Where frames go."""
    totals: VideoTotals
    """Where packets and frames are counted."""
    post: Callable[[inputs.Input], None]
    """Takes what was heard; never blocks."""


class Link(Protocol):
    """One link, from `open` to `close` or `cut`. These two block and have workers; the rest does not."""

    def open(self, deadline: Deadline) -> None:
        """Connect, and post what came of it; an error may also be raised, and means that there is no link."""

    def close(self) -> None:
        """Do what is left to do and end everything; return when nothing is left."""

    def cut(self) -> None:
        """End everything at once, without a word."""

    def say_goodbye(self) -> None:
        """Have the other side told of the end, with `close` at the latest, if it still hears."""

    def ask_for_keyframe(self) -> None:
        """Ask the sender for a picture that needs no other one."""

    def carry_out(self, effect: effects.LinkEffect) -> None:
        """Do what only links of this kind can do."""


class Access(Protocol):
    """The way to a service: it makes links and takes the steps that come before one."""

    def make_link(self, plan: effects.OpenEffect, context: LinkContext) -> Link:
        """Make a link that is not open yet."""

    def take_step(self, step: effects.Step, clock: Clock, /) -> inputs.Input:
        """Do what has to be done before there is a link, and return what came of it; blocks, and may raise."""
        ...

    def hurry(self) -> None:
        """Let go of steps whose outcome nobody needs: the session is over."""

    def cut(self) -> None:
        """End all steps at once."""

    def release(self) -> None:
        """Give back what belongs to this one connection; comes last."""
