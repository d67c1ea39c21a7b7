"""A check that every error text must pass."""

from __future__ import annotations

__all__ = ["is_one_clear_line"]


def is_one_clear_line(error: BaseException) -> bool:
    text = str(error)
    return 10 < len(text) < 400 and text.isprintable() and not text.endswith(":")
