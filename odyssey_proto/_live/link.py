"""The driver's view of the network, as protocols: links, and the access that makes them. Tests bring their own.

A *link* is one attempt at a connection. It posts everything that it receives as inputs of the core, with its
number, and decides nothing. Closing may overtake opening: a connection that opens too late is closed at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from .._net.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Clock, Deadline
    from .._video.frame_hub import FrameHub
    from .._video.meters import VideoTotals
    from ..core import effects, inputs

__all__ = ["Link", "LinkAccess", "LinkContext"]


@attrs.frozen
class LinkContext:
    """The driver's objects that a link uses."""

    clock: Clock
    hub: FrameHub
    """The receiver of frames."""
    totals: VideoTotals
    """The counters of packets and frames."""
    post: Callable[[inputs.Input], None]
    """Takes an input for the core; never blocks."""
    tap: Tap = attrs.field(factory=Tap)
    """Shows what travels over the link."""


class Link(Protocol):
    """One link, from `prepare` or `open` to `close` or `cut`.

    Only `prepare`, `open` and `close` block, and run on workers.
    """

    @property
    def packets(self) -> int | None:
        """How many packets of any kind have arrived, except keepalives of the path; None if unknown."""

    @property
    def has_moved(self) -> bool:
        """Whether this machine would now send to the other side from another address."""
        ...

    def prepare(self, deadline: Deadline) -> None:
        """Take in advance those steps of `open` that the other side does not notice. `open` or `close` may
        overtake it."""

    def open(self, deadline: Deadline) -> None:
        """Connect, and post the outcome; raising an error also means that the link failed."""

    def close(self) -> None:
        """Finish the remaining work and end everything; return when nothing is left."""

    def cut(self) -> None:
        """End everything at once, without a goodbye."""

    def say_goodbye(self) -> None:
        """Say goodbye to the other side if it can be reached, at the latest in `close`."""

    def ask_for_keyframe(self) -> None:
        """Ask the sender for a keyframe: a picture that can be decoded without any other."""

    def ask_for_sign_of_life(self) -> None:
        """Post `SignOfLife` when the other side has shown that it is alive."""

    def carry_out(self, effect: effects.LinkEffect) -> None:
        """Carry out an effect that only this kind of link supports."""


class LinkAccess(Protocol):
    """The access to a service: it creates links, and takes the steps that come before the first."""

    def make_link(self, plan: effects.OpenEffect, context: LinkContext) -> Link:
        """Create a link that is not open yet."""
        ...

    def take_step(self, step: effects.Step, clock: Clock, /) -> inputs.Input:
        """Take a step that comes before the first link, and return the outcome; blocks, and may raise."""
        ...

    def hurry(self) -> None:
        """Abandon the steps whose outcome is no longer needed: the session is over."""

    def cut(self) -> None:
        """End all steps at once."""

    def release(self) -> None:
        """Release the resources of this connection; called last."""
