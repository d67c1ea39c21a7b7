"""Credentials for a client without an API key: requesting a session and the token that opens it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import odyssey_models as wire

from .._base.clock import Deadline
from .._base.errors import (
    MalformedMessageError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
)
from .._model.credentials import ClientCredentials, StreamerCapabilities, log

if TYPE_CHECKING:
    from .._base.clock import Clock
    from .._model.config import ClientConfig
    from .._net.http_exchange import HttpTransport

__all__ = ["mint"]

_LIFETIME: Final = 600  # s, where the service does not tell (spec/openapi.yaml)
_EVERY: Final = 1.0  # s between two requests for a streamer
_GOODBYE: Final = 2.0  # s for giving a session back that was granted in vain


def mint(http: HttpTransport, config: ClientConfig, deadline: Deadline, clock: Clock) -> ClientCredentials:
    """Request a session, queueing for a streamer, and return a token for it.

    Where there is a session and no token for it, the session is given back, for which 2 s are taken beyond the
    deadline: else the next request would meet a limit of the account until the service has forgotten it.

    Raises:
        OdysseyAuthError, OdysseyUsageError: as their names say.
        OdysseyConnectionError: no streamer was free in time, or the service cannot be reached.
    """
    session = _request_session(http, config, deadline)
    try:
        return _credentials(session, http.session_token(session.session_id, deadline))
    except BaseException:  # Ctrl-C too
        _give_back(http, session, Deadline(_GOODBYE, clock))
        raise


def _request_session(http: HttpTransport, config: ClientConfig, deadline: Deadline) -> wire.SessionResponse:
    queueing = deadline.within(config.advanced.queue_timeout_s)
    while True:
        try:
            return http.request_session(deadline)
        except OdysseyConnectionError as exc:
            if exc.code != "no_streamers" or not config.advanced.queue_timeout_s:
                raise
            if (queueing.remaining() or 0.0) < _EVERY:
                raise OdysseyConnectionTimeoutError(
                    f"Timed out waiting for a streamer after {config.advanced.queue_timeout_s:g} s: "
                    "try later, or raise queue_timeout_s",
                    code="queue_timeout",
                    status=exc.status,
                    request_id=exc.request_id,
                    operation="create client credentials",
                    recoverable=True,
                ) from exc
            http.sleep(_EVERY)


def _credentials(session: wire.SessionResponse, token: wire.SessionTokenResponse) -> ClientCredentials:
    told = session.capabilities
    try:
        return ClientCredentials(
            signaling_url=session.signalling_url,
            session_token=token.session_token,
            expires_in=_LIFETIME if token.expires_in is None else math.floor(token.expires_in),
            capabilities=None if told is None else StreamerCapabilities(told.image_to_video),
        )
    except OdysseyConfigError as exc:
        problem = exc.message
    raise MalformedMessageError(
        f"create client credentials: {problem}",
        problems=(problem,),
        code="malformed",
        operation="create client credentials",
        session_id=session.session_id,
    )


def _give_back(http: HttpTransport, session: wire.SessionResponse, until: Deadline) -> None:
    """Say goodbye to a session where its client would have: nothing else ends it (spec/asyncapi.yaml)."""
    try:
        from .._net.signaling import SignalingConnection

        connection = SignalingConnection.open(
            session.signalling_url,
            session.session_id,
            http.session_token(session.session_id, until).session_token,
            until,
            on_message=lambda _: None,
            on_closed=lambda _: None,
        )
    except OdysseyError as exc:
        log.warning("a session without a user could not be given back; it ends by itself in a while: %s", exc)
        return
    connection.send(wire.ClientDisconnecting())
    connection.close()
