"""Credentials for a client without an API key: a new session and a token that opens it.

The only connection made here is one that gives an unused session back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import odyssey_models as wire

from .._base import errands
from .._base.clock import Deadline
from .._base.errors import (
    ConcurrentLimitReachedError,
    MalformedMessageError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyError,
)
from .._model.credentials import TOKEN_LIFETIME_S, ClientCredentials, StreamerCapabilities
from .._net import held_sessions
from ..core.queueing import Queueing, slot_refusal

if TYPE_CHECKING:
    from .._base.clock import Clock
    from .._model.config import ClientConfig
    from .._net.service_api import ServiceApi

__all__ = ["mint"]

log = logging.getLogger("odyssey_proto.rest")

_OPERATION: Final = "create client credentials"
_GIVING_BACK_S: Final = 2.0  # for giving back a session that nobody can use


def mint(api: ServiceApi, config: ClientConfig, deadline: Deadline, clock: Clock) -> ClientCredentials:
    """Request a session, queueing for a streamer, and return a token for it.

    If the service grants a session but no token, the session is given back, which may take 2 s beyond the
    deadline. Otherwise it would count against the account's limit until the service forgets it.

    Raises:
        OdysseyAuthError: the key was refused.
        OdysseyUsageError: a limit of the account was reached.
        OdysseyConnectionError: no streamer was free in time, or the service cannot be reached.
    """
    session = _request_session(api, config, deadline, clock)

    def give_back() -> None:
        _give_back(api, session, Deadline(_GIVING_BACK_S, clock))

    try:
        credentials = _credentials(session, api.session_token(session.session_id, deadline))
    except BaseException:  # Ctrl-C too
        with errands.to_the_end():
            give_back()
        raise
    errands.if_abandoned(give_back)
    return credentials


def _request_session(
    api: ServiceApi, config: ClientConfig, deadline: Deadline, clock: Clock
) -> wire.SessionResponse:
    queueing = Queueing(config.advanced.queue_timeout_s, clock.now())
    while True:
        try:
            api.access_token(deadline)
            with errands.to_the_end():  # Ctrl-C would not undo the request, and would leave the session to nobody
                return api.request_session(deadline)
        except ConcurrentLimitReachedError as exc:
            raise slot_refusal(exc, held_sessions.reminder(api)) from exc
        except OdysseyConnectionError as exc:
            if exc.code != "no_streamers":
                raise
            now = clock.now()
            again_at, left_s = queueing.next_request(now), deadline.remaining()
            if again_at is None or (left_s is not None and again_at > now + left_s):
                failure = queueing.failure(exc, _OPERATION)
                if failure is exc:
                    raise
                raise failure from exc
            api.wait_between_calls(again_at - now)


def _credentials(session: wire.SessionResponse, token: wire.SessionTokenResponse) -> ClientCredentials:
    given = session.capabilities
    try:
        return ClientCredentials(
            signaling_url=session.signalling_url,
            session_token=token.session_token,
            expires_in=TOKEN_LIFETIME_S if token.expires_in is None else max(int(token.expires_in), 0),
            capabilities=None if given is None else StreamerCapabilities(given.image_to_video),
        )
    except OdysseyConfigError as exc:
        problem = exc.message
    raise MalformedMessageError(
        f"{_OPERATION}: {problem}",
        problems=(problem,),
        code="malformed",
        operation=_OPERATION,
        session_id=session.session_id,
    )


def _give_back(api: ServiceApi, session: wire.SessionResponse, deadline: Deadline) -> None:
    """End a session with a goodbye, as its client would; no REST call does that (spec/behaviour.md#goodbye)."""
    from .._net.signaling import SignalingConnection  # loads websocket-client, which is rarely needed here

    try:
        connection = SignalingConnection.open(
            session.signalling_url,
            session.session_id,
            api.session_token(session.session_id, deadline).session_token,
            deadline,
            on_message=lambda _: None,
            on_closed=lambda _: None,
        )
    except OdysseyError as exc:
        log.warning("an unused session could not be returned; the service will end it by itself: %s", exc)
        return
    connection.send(wire.ClientDisconnecting())
    connection.close()
