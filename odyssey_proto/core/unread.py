"""Guards for messages that cannot be read, by the type of the intended message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .inputs import Unreadable

__all__ = ["meant"]


def meant(kind: str) -> Callable[[object, Unreadable], bool]:
    """Return a guard for rows on `Unreadable`: whether the message was meant to be of type ``kind``."""

    def was_meant(_machine: object, item: Unreadable) -> bool:
        return item.error.message_type == kind

    # For the diagrams and the table in ARCHITECTURE.md.
    was_meant.__name__, was_meant.__doc__ = f"meant_{kind}", f"Return whether it was meant to be `{kind}`."
    return was_meant
