"""The sessions that this process holds, across all clients: what to check when an account has no session left.

Only weak references and hashes of keys are kept. This module ends no session. In the child of a fork, the sessions
of its parent are known too: by mistake, the parent may have connected before it forked, and so hold a session that
the child wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .._base import process_end
from .._base.weak_set import ConcurrentWeakSet

if TYPE_CHECKING:
    from .service_api import ServiceApi

__all__ = ["HeldSession", "account", "hold", "reminder"]


@attrs.frozen(eq=False)
class HeldSession:
    """A session of this process. It counts for as long as this object is referenced."""

    session_id: str
    account: int
    """The hash of the service's address and the key."""
    api: ServiceApi = attrs.field(repr=False)


_held: ConcurrentWeakSet[HeldSession] = ConcurrentWeakSet()
_parents: list[tuple[int, str]] = []  # the accounts and the ids of sessions that were held when the parent forked


def hold(api: ServiceApi, session_id: str) -> HeldSession:
    """Note that a client has requested a session; it counts until the result is dropped."""
    held = HeldSession(session_id, account(api), api)
    _held.add(held)
    return held


def reminder(api: ServiceApi, *more: str) -> str | None:
    """Return, as text, which sessions of the account this process holds and how to end them; None if none.

    Args:
        api: the calls of the client that wants another session.
        more: further ways, as text, to end the sessions of another client.
    """
    wanted = account(api)
    same = [held for held in _held if held.account == wanted]
    if not same:
        return _parents_reminder(wanted)
    mine = next((held for held in same if held.api is api), None)
    if mine is not None:
        return f"this Odyssey object still holds session {mine.session_id}: disconnect() first"
    first, *others = sorted(held.session_id for held in same)
    if others:
        ways = ", or ".join(("close() them", *more))
        return f"this process still holds sessions {', '.join((first, *others))} of other Odyssey objects: {ways}"
    ways = ", or ".join(("close() it", *more))
    return f"this process still holds session {first} of another Odyssey object: {ways}"


def _parents_reminder(wanted: int) -> str | None:
    inherited = next((session_id for account, session_id in _parents if account == wanted), None)
    if inherited is None:
        return None
    return f"the process that forked this one held session {inherited}: connect after the fork, not before it"


def account(api: ServiceApi) -> int:
    """Return the hash of the service's address and the key."""
    return hash((api.config.api_url, api.config.api_key))


@process_end.after_fork_in_child
def _forget() -> None:
    _parents.extend((held.account, held.session_id) for held in _held)
    _held.clear()
