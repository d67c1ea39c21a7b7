"""The user's operations on a live connection: each posts a command to the driver, and waits for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import odyssey_models as wire

from .._base import errands, errors
from .._net import held_sessions
from ..core import inputs
from ..core.protocol import Protocol
from ..core.spectator_machine import SpectatorMachine
from .broadcast_access import BroadcastAccess, Place
from .driver import Driver, drivers_of
from .streamer_link import StreamerAccess

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Clock, Deadline
    from .._base.event_loop import BackgroundLoop
    from .._model.config import AdvancedConfig, ClientConfig, VideoRecovery
    from .._model.credentials import ClientCredentials
    from .._net.service_api import ServiceApi
    from .handlers import OdysseyEventHandlers

__all__ = [
    "connect",
    "end_stream",
    "interact",
    "make_way",
    "session_driver",
    "spectator_driver",
    "start_stream",
    "watch",
]


def session_driver(
    config: ClientConfig,
    api: ServiceApi,
    loop: BackgroundLoop,
    clock: Clock,
    handlers: OdysseyEventHandlers | None,
    recovery: VideoRecovery = "latest",
) -> Driver:
    """Create the driver of a session; `connect` connects it."""
    core = Protocol(config.advanced, reconnect=config.reconnect)
    driver = Driver(core, StreamerAccess(api, loop, recovery), clock, handlers, name="odyssey-session")
    driver.account = held_sessions.account(api)
    driver.calls = api.http.tap
    driver.secrets = (config.api_key,) if config.api_key else ()
    return driver


def spectator_driver(
    place: Place, config: AdvancedConfig, clock: Clock, handlers: OdysseyEventHandlers | None, *, reconnect: bool
) -> Driver:
    """Create the driver of a spectator; `watch` connects it.

    Raises:
        OdysseyConfigError: an address is not valid.
    """
    access = BroadcastAccess(place, clock)
    core = SpectatorMachine(config, place.ways, reconnect=reconnect)
    return Driver(core, access, clock, handlers, name="odyssey-spectator", announces_streams=False)


def make_way(api: ServiceApi, deadline: Deadline, *, replace: bool) -> None:
    """Wait until the account's sessions that this process is leaving have been given back, or until ``deadline``.

    Args:
        api: the REST calls of a client of the account.
        deadline: when the wait is over.
        replace: whether first to leave all of the account's sessions in this process.
    """
    drivers = drivers_of(held_sessions.account(api))
    if replace:
        for driver in drivers:
            driver.start_leaving(may_linger=True)
    for driver in drivers:
        if driver.leaving or driver.snapshot.is_over:
            any(driver.ended.wait(seconds) for seconds in errands.turns(deadline))


def connect(
    driver: Driver, deadline: Deadline, credentials: ClientCredentials | None, *, wait_for_slot: bool = False
) -> None:
    """Connect a session: that of ``credentials`` if given, else a new one; see `Odyssey.connect`."""
    driver.calls.add(driver.beginning.saw_call)
    try:
        _connect(driver, deadline, credentials, wait_for_slot)
    finally:
        driver.calls.remove(driver.beginning.saw_call)


def _connect(
    driver: Driver, deadline: Deadline, credentials: ClientCredentials | None, wait_for_slot: bool
) -> None:
    def expired() -> errors.OdysseyError:
        return _not_connected_in_time(driver, deadline, "connect")

    if credentials is None:
        driver.connect(lambda call: inputs.Connect(call, wait_for_slot), deadline, expired)
        return
    driver.account = None  # not known: the credentials may belong to another account than the key
    granted = wire.SessionResponse(
        session_id=credentials.session_id,
        signalling_url=credentials.signaling_url,
        capabilities=credentials.capabilities,
    )
    # This machine's clock may be wrong, and the credentials fresh: the service decides.
    valid_for = max(credentials.remaining_s, credentials.expires_in)
    token, is_doubtful = credentials.session_token, credentials.is_expired
    driver.secrets = (*driver.secrets, token)
    driver.connect(lambda call: inputs.Join(call, granted, token, valid_for, is_doubtful), deadline, expired)


def watch(driver: Driver, deadline: Deadline) -> None:
    """Connect a spectator; see `Odyssey.watch`."""

    def expired() -> errors.OdysseyError:
        late = _not_connected_in_time(driver, deadline, "watch")
        failure = driver.snapshot.failure
        return late if failure is None else errors.again(failure, late.message)

    driver.connect(lambda call: inputs.Watch(call, deadline.remaining()), deadline, expired)


def start_stream(driver: Driver, message: wire.InteractiveStreamStart, timeout: float | None) -> str:
    """Start a stream and return its id; see `Session.start_stream`."""
    return cast("str", _call(driver, "start_stream", lambda call: inputs.Start.of(call, message), timeout))


def interact(driver: Driver, message: wire.Update, timeout: float | None) -> str:
    """Steer the stream and return the prompt as applied; see `Session.interact`."""
    return cast("str", _call(driver, "interact", lambda call: inputs.Interact.of(call, message), timeout))


def end_stream(driver: Driver, timeout: float | None) -> None:
    """End the stream; see `Session.end_stream`."""
    _call(driver, "end_stream", inputs.End, timeout)


def _call(
    driver: Driver, operation: str, command: Callable[[int], inputs.Command], timeout: float | None
) -> object:
    return driver.call(
        operation.replace("_", " "),
        command,
        timeout,
        lambda: errors.OdysseyStreamTimeoutError(
            f"{operation} was not answered within {timeout:g} s",
            code="timeout",
            operation=operation,
            session_id=driver.snapshot.session_id,
            recoverable=True,
        ),
    )


def _not_connected_in_time(driver: Driver, deadline: Deadline, operation: str) -> errors.OdysseyError:
    return errors.OdysseyConnectionTimeoutError(
        f"Not connected within {deadline.timeout:g} s, still {driver.snapshot.progress}",
        code="timeout",
        operation=operation,
        session_id=driver.snapshot.session_id,
        recoverable=True,
    )
