"""Compares everything but schemas, calls and messages, key by key: servers, bindings, security schemes, links.

No key has to be foreseen here, so no change of the envelopes is silently skipped.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tools.spec_diff.changes import NOBODY, Breaks, Change

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["between_nodes"]

_TEXTS: Final = frozenset({"title", "summary", "description", "examples", "license", "tags"})
_NOTHING: Final = object()


def between_nodes(place: str, old: Any, new: Any, why: str, breaks: Breaks) -> Iterator[Change]:
    """Yield a change for each value that differs, except for texts; `why` explains each of them."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            was, now = old.get(key, _NOTHING), new.get(key, _NOTHING)
            if key == "x-assumed" and was != now:
                yield Change(place, f"`{key}` is now {_shown(now)}", "a note on where the fact comes from", NOBODY)
            elif key not in _TEXTS:
                yield from between_nodes(f"{place}/{key}", was, now, why, breaks)
    elif old is _NOTHING:
        yield Change(place, f"is new: {_shown(new)}", why, breaks)
    elif old != new:
        yield Change(place, f"{_shown(old)} is now {_shown(new)}", why, breaks)


def _shown(value: Any) -> str:
    return "gone" if value is _NOTHING else f"`{json.dumps(value, ensure_ascii=False)}`"
