"""Coroutines that tests run to their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["in_time"]

T = TypeVar("T")


def in_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new loop, and return its result; fail if it hangs."""
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE_S))
