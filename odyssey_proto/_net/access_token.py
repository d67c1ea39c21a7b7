"""The access token of one client: fetched when first needed, shared by all threads, renewed before it expires.

This module decides which thread fetches the token, which threads wait, and how long the token is valid. It does
not make the request: the caller passes a function for that.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import attrs

from .._base.errors import MalformedMessageError
from .._base.limits import TOKEN_MOST_CHARS
from .._base.secrets import Secret
from .failures import connection_error

if TYPE_CHECKING:
    from collections.abc import Callable

    import odyssey_models as wire

    from .._base.clock import Clock
    from .call import Call

__all__ = ["AccessToken"]

_OPERATION: Final = "POST /auth/token"
_DEFAULT_LIFETIME_S: Final = 3600.0  # if the service does not say (spec/behaviour.md#access-tokens)
_MARGIN_S: Final = 60.0  # a token counts as expired this long before it expires


@attrs.frozen
class _Token:
    value: Secret
    expires_at: float


class AccessToken:
    """A token that several threads share. At most one thread fetches it; the others wait for the result."""

    def __init__(self, clock: Clock, url: str) -> None:
        self._clock = clock
        self._url = url  # for errors
        self._token: _Token | None = None
        self.begin()

    def begin(self) -> None:
        """Start with no lock held and no thread fetching: called on creation, and in the child of a fork."""
        self._changed = threading.Condition()
        self._fetching = False

    def get(self, call: Call, fetch: Callable[[], wire.TokenResponse]) -> Secret:
        """Return the token; ``fetch`` a new one if it has expired, unless another thread is already fetching one.

        `wake` must be called when ``call`` is woken.

        Raises:
            MalformedMessageError: the answer contains no valid token.
            OdysseyConnectionError: the call was aborted, or timed out while another thread was fetching.
            OdysseyError: any error that ``fetch`` raises.
        """
        with self._changed:
            while True:
                left_s = self._remaining(call)
                if self._token is not None and self._clock.now() < self._token.expires_at:
                    return self._token.value
                if not self._fetching:
                    self._fetching = True
                    break
                self._changed.wait(left_s)
        try:
            asked_at = self._clock.now()
            answer = fetch()
            lifetime_s = _DEFAULT_LIFETIME_S if answer.expires_in is None else answer.expires_in
            token = _bearer(answer.access_token)
            self._token = _Token(token, asked_at + lifetime_s - _MARGIN_S)
            return token
        finally:
            with self._changed:
                self._fetching = False
                self._changed.notify_all()

    def forget(self, token: Secret) -> None:
        """Fetch a new token next time, unless ``token`` has already been replaced."""
        with self._changed:
            if self._token is not None and self._token.value == token:
                self._token = None

    def wake(self) -> None:
        """Have all waiting threads check whether their call was aborted."""
        with self._changed:
            self._changed.notify_all()

    def _remaining(self, call: Call) -> float | None:
        """Return the time left for the call, in s (None without a limit), or raise our own error."""
        try:
            return call.remaining()
        except OSError as exc:
            failure = connection_error(exc, call, _OPERATION, self._url)
        raise failure


def _bearer(token: str) -> Secret:
    """Return the token if it is valid in a header; the error of http.client's own check would quote it."""
    token = token.strip()
    if (
        len(token) > TOKEN_MOST_CHARS
        or not token.isascii()
        or not token.isprintable()
        or not token
        or " " in token
    ):
        problem = "access_token is not a bearer token"
        raise MalformedMessageError(
            f"{_OPERATION}: Malformed TokenResponse: {problem}",
            problems=(problem,),
            code="malformed",
            operation=_OPERATION,
        )
    return Secret(token)
