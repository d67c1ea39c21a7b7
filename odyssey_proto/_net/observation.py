"""Shows watchers, such as the checks of a service, what the clients of this process send and receive.

Watchers change nothing, and without them this module costs nothing. The emulator has its own observation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from .._model.traffic import Exchange, Message, Watchers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._model.traffic import Place, Seen
    from .tap import Tap

__all__ = ["show_exchange", "show_message", "watching"]

_watchers: Final = Watchers()
watching: Final = _watchers.watching


def show_exchange(
    operation: str,
    method: str,
    url: str,
    request_headers: Mapping[str, str],
    request_body: bytes | None,
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    tap: Tap | None = None,
) -> None:
    """Show a request and its answer, if anybody watches.

    Args:
        operation: the name of the request in errors, such as ``POST /auth/token``; its path is the route shown.
        method: the HTTP method.
        url: where it was sent.
        request_headers, request_body: the request.
        status, headers, body: the answer; the body is None if it is not read here.
        tap: the client's tap, whose watchers see the call too.
    """
    if not _watchers and (tap is None or not tap.shows_text):
        return
    parts = urlsplit(url)
    _show(
        Exchange(
            method=method,
            route=operation.partition(" ")[2],
            path=parts.path,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            request_headers=request_headers,
            request_body=request_body or b"",
            status=status,
            headers=headers,
            body=body,
        ),
        tap,
    )


def show_message(place: Place, text: str | bytes, user_agent: str, *, from_client: bool, tap: Tap) -> None:
    """Show a message of a session, if anybody watches; ``tap`` is the session's."""
    if _watchers or tap.shows_text:
        _show(Message(place=place, from_client=from_client, text=text, user_agent=user_agent), tap)


def _show(seen: Seen, tap: Tap | None) -> None:
    _watchers.show(seen)
    if tap is not None:
        tap.show(seen)
