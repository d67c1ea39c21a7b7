"""The checks of a service: its API, the clock, the key, the regions, a session, and a connection for video.

They build on one another: each leaves in `Patient` what later ones need, and is skipped if what it needs itself is
missing.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import threading
import time
from typing import Any, Final

import attrs
import odyssey_models as wire

from .._base.clock import Deadline, MonotonicClock
from .._base.errors import ConcurrentLimitReachedError, MalformedMessageError, OdysseyConnectionError, OdysseyError
from .._model import codec
from .._model.config import AdvancedConfig, ClientConfig
from .._model.credentials import ClientCredentials
from .._model.ice_urls import IceUrl, usable_servers
from .._model.signaling_url import config_url
from .._model.traffic import Message, Seen
from .._net.failures import SettingError
from .._net.http_exchange import HttpRequest
from .._net.observation import watching
from .._net.proxies import proxy_for
from .._net.regions import UNREACHED_MS
from .._net.service_api import ServiceApi
from .._net.webrtc.candidates import FALLBACK_SERVERS
from .._net.websocket import OPERATION as WEBSOCKET
from .._rest.minting import mint
from .._version import __version__
from .examination import Findings, failed
from .finding import CheckResult

__all__ = ["AGENT", "Patient"]

AGENT: Final = f"odyssey-proto-doctor/{__version__}"
"""The ``User-Agent`` of the request that looks for the API, which is not one of the protocol's requests."""

_NO_DATE: Final = (IndexError, OverflowError, TypeError, ValueError)
_SECRET_LEAST_CHARS: Final = 6  # anything shorter is not a secret, but may be part of any word
_QUEUEING_S: Final = 5
_CLIENT_GIVES_UP_S: Final = 2.0  # earlier than the check, so that the error of the client is seen
_CLOCK_OFF_S: Final = 30.0
_CLOCK_WRONG_S: Final = 300.0  # certificates and tokens are refused by then
_SET_THE_CLOCK: Final = (
    "set the clock, or have the system set it: timedatectl set-ntp true (Linux), "
    "System Settings > General > Date & Time (macOS)"
)


class Patient:
    """A service as this machine sees it, and what the checks have learned about it.

    Args:
        key: the API key; None for the environment's, if there is one.
        url: the address of the API; None for the environment's, or else the default.

    Raises:
        OdysseyConfigError: the address is malformed.
    """

    def __init__(self, key: str | None, url: str | None) -> None:
        advanced = AdvancedConfig(queue_timeout_s=_QUEUEING_S)
        self.config = ClientConfig(api_key=key, api_url=url, advanced=advanced)
        self._clock = MonotonicClock()
        self._api = ServiceApi(self.config, self._clock)
        self._date: tuple[float, float] | None = None
        self._has_key = False
        self._credentials: ClientCredentials | None = None
        self.is_reached: bool | None = None
        """Whether the API answers; None before it was asked."""
        self.through_proxy = ""
        """The host and port of the proxy to the API; empty if there is none."""
        self.ice_servers: tuple[wire.IceServer, ...] = FALLBACK_SERVERS
        self.is_connected: bool | None = None
        """Whether a peer connection was made; None if it was not tried."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that no report may contain."""
        found = [self.config.api_key, self._credentials and self._credentials.session_token]
        for server in self.ice_servers:
            found += [server.username, server.credential]
        return tuple(str(secret) for secret in found if secret and len(secret) >= _SECRET_LEAST_CHARS)

    @property
    def ice_urls(self) -> tuple[IceUrl, ...]:
        """The usable ICE servers that the service names; public ones until it has named any."""
        return usable_servers(self.ice_servers)[0]

    def close(self) -> None:
        """End all calls."""
        self._api.close()

    def _until(self, limit_s: float) -> Deadline:
        return Deadline(max(limit_s - _CLIENT_GIVES_UP_S, limit_s / 2), self._clock)

    # --- the API

    def check_proxy(self) -> CheckResult:
        """Find the proxy that the environment names for the API."""
        try:
            proxy = proxy_for(self.config.api_url)
        except SettingError as exc:
            error = OdysseyConnectionError(str(exc), code=exc.code)
            return failed("proxy", error)
        if proxy is None:
            return CheckResult(name="proxy", outcome="ok", text="none for this service")
        self.through_proxy = proxy.name
        return CheckResult(
            name="proxy",
            outcome="ok",
            text=f"{proxy.scheme}://{proxy.name} ({proxy.source}); video does not go through it",
        )

    def check_api(self, limit_s: float) -> CheckResult:
        """Check whether something answers at the address of the API as the API does."""
        self.is_reached = False
        url = self.config.api_url
        request = HttpRequest(
            operation="GET /regions",
            method="GET",
            url=f"{url}/regions",
            headers={"User-Agent": AGENT, "Accept": "application/json"},
        )
        began = time.monotonic()
        with self._api.http.call(self._until(limit_s)) as call:
            answer = self._api.http.exchange(request, call)
        took_ms = round((time.monotonic() - began) * 1000)
        with contextlib.suppress(*_NO_DATE):  # a malformed date; a missing one is that of the arrival
            sent = email.utils.parsedate_to_datetime(answer.header("date"))
            self._date = sent.replace(tzinfo=sent.tzinfo or datetime.UTC).timestamp(), time.time()
        through = f", through the proxy {self.through_proxy}" if self.through_proxy else ""
        said: dict[str, Any] = {
            "name": "API",
            "took_ms": took_ms,
            "details": {"url": url, "status": answer.status},
        }
        if answer.status >= 500:
            text, advice = f"{url} answers {answer.status}: the service has trouble", "try again in a few minutes"
            return CheckResult(outcome="failed", text=text, advice=advice, **said)
        self.is_reached = True
        if "json" in answer.header("content-type") and (answer.ok or answer.status in (401, 403)):
            return CheckResult(outcome="ok", text=f"{url} answers after {took_ms} ms{through}", **said)
        error = OdysseyConnectionError(
            f"{url} answers {answer.status}, but not as the API does{through}",
            code="malformed",
            status=answer.status,
        )
        self.is_reached = False
        return attrs.evolve(failed("API", error), took_ms=took_ms, details=said["details"])

    def check_clock(self) -> CheckResult:
        """Compare this machine's clock with that of the service."""
        if self._date is None:
            now = datetime.datetime.now(datetime.UTC)
            text = f"there is no answer to compare it with; here it is {now:%Y-%m-%d %H:%M} UTC"
            return CheckResult(
                name="clock", outcome="skipped", text=text, advice=f"if that is wrong, {_SET_THE_CLOCK}"
            )
        there, here = self._date
        off_s = here - there
        details = {"off_s": round(off_s)}
        if abs(off_s) <= _CLOCK_OFF_S:
            return CheckResult(name="clock", outcome="ok", text="agrees with the service's", details=details)
        side = "ahead of" if off_s > 0 else "behind"
        amount = datetime.timedelta(seconds=round(abs(off_s)))
        return CheckResult(
            name="clock",
            outcome="failed" if abs(off_s) > _CLOCK_WRONG_S else "warning",
            text=f"this machine's clock is {amount} {side} the service's",
            advice=_SET_THE_CLOCK,
            details=details,
        )

    def check_key(self, limit_s: float) -> CheckResult:
        """Check that the service accepts the key."""
        self.config.require_api_key()
        if not self.is_reached:
            return _skipped("key", "there is one, but the API cannot be reached")
        self._api.access_token(self._until(limit_s))
        self._has_key = True
        return CheckResult(name="key", outcome="ok", text="accepted")

    def check_regions(self, limit_s: float) -> CheckResult:
        """Measure the latency to each region."""
        if not self._has_key:
            return _skipped("regions", "it needs a key that is accepted")
        latencies = self._api.region_latencies(self._until(limit_s))
        if not latencies:
            text = "the service names none, or did not answer in time"
            advice = "sessions work, but may be far away; try again later"
            return CheckResult(name="regions", outcome="warning", text=text, advice=advice)
        reached = {region: ms for region, ms in latencies.items() if ms < UNREACHED_MS}
        text = ", ".join(
            f"{region} {reached[region]} ms" if region in reached else f"{region} does not answer"
            for region in sorted(latencies, key=lambda region: (latencies[region], region))
        )
        details = {"latencies_ms": {region: reached.get(region) for region in latencies}}
        if len(reached) == len(latencies):
            return CheckResult(name="regions", outcome="ok", text=text, details=details)
        advice = "a firewall may block the addresses of regions; sessions work, but may be far away"
        return CheckResult(name="regions", outcome="warning", text=text, advice=advice, details=details)

    # --- a session

    def check_session(self, limit_s: float) -> CheckResult:
        """Request a session, and keep it for the connection."""
        if not self._has_key:
            return _skipped("session", "it needs a key that is accepted")
        began = time.monotonic()
        try:
            self._credentials = mint(self._api, self.config, self._until(limit_s), self._clock)
        except OdysseyError as error:
            is_passing = isinstance(error, ConcurrentLimitReachedError) or error.code in (
                "no_streamers",
                "queue_timeout",
            )
            return attrs.evolve(failed("session", error), outcome="warning" if is_passing else "failed")
        took_ms = round((time.monotonic() - began) * 1000)
        return CheckResult(name="session", outcome="ok", text=f"granted after {took_ms} ms", took_ms=took_ms)

    def check_ice_servers(self, limit_s: float) -> Findings:
        """Ask the service for its STUN and TURN servers."""
        name = "ICE servers"
        if self._credentials is None:
            return _skipped(name, "not known without a session; public STUN servers are asked instead")
        try:
            self.ice_servers = self._api.signaling_config(
                config_url(self._credentials.signaling_url), self._until(limit_s)
            )
        except OdysseyError as error:
            return attrs.evolve(
                failed(name, error),
                outcome="warning",
                text=f"{error.message}; public STUN servers are used instead, and no relay",
            )
        urls, left_out = usable_servers(self.ice_servers)
        named = ", ".join(map(str, urls)) or "none"
        if left_out or not urls:
            advice = "report it to the service: connections work only where no server is needed" * (not urls)
            text = "; ".join((f"the service names {named}", *left_out))
            return CheckResult(name=name, outcome="warning", text=text, advice=advice)
        return CheckResult(name=name, outcome="ok", text=f"the service names {named}")

    def check_connection(self, limit_s: float) -> Findings:
        """Connect to the session, without a stream, and leave it: signaling, and the path for the video."""
        from ..client import Odyssey

        if self._credentials is None:
            return [_skipped("signaling", "there is no session"), _skipped("connection", "there is no session")]
        offers: list[tuple[float, str]] = []
        began = time.monotonic()
        lock = threading.Lock()

        def see(seen: Seen) -> None:
            if isinstance(seen, Message) and seen.place == "signaling" and not seen.from_client:
                with contextlib.suppress(MalformedMessageError), lock:
                    message = codec.signaling_from_server(seen.text)
                    if isinstance(message, wire.Offer):
                        offers.append((time.monotonic(), message.sdp))

        timeout_s = self._until(limit_s).remaining()
        error: OdysseyError | None = None
        with (
            watching(see),
            Odyssey(
                "",
                api_url=self.config.api_url,
                reconnect=False,
                timeout=timeout_s,
                advanced=AdvancedConfig(max_retries=0),  # a failure must show
            ) as client,
        ):
            try:
                client.connect_with_credentials(self._credentials, timeout=timeout_s)
            except OdysseyError as exc:
                error = exc
            took_ms = round((time.monotonic() - began) * 1000)
        self.is_connected = error is None
        # If the WebSocket failed, an offer came over an earlier one, which has closed.
        if not offers or (error is not None and error.operation == WEBSOCKET):
            if error is None:  # impossible without an offer; but then all is well
                return CheckResult(name="connection", outcome="ok", text="connected", took_ms=took_ms)
            return [failed("signaling", error), _skipped("connection", "no streamer has answered")]
        offered_ms = round((offers[0][0] - began) * 1000)
        codecs = [name for name in ("H264", "VP8") if f" {name}/" in offers[0][1]]
        signaling = CheckResult(
            name="signaling",
            outcome="ok",
            text=f"the streamer offers {' and '.join(codecs) or 'no known codec'} after {offered_ms} ms",
            took_ms=offered_ms,
            details={"codecs": codecs},
        )
        if error is not None:
            return [signaling, failed("connection", error)]
        text = f"video and control channel are open after {took_ms} ms"
        return [signaling, CheckResult(name="connection", outcome="ok", text=text, took_ms=took_ms)]


def _skipped(name: str, why: str) -> CheckResult:
    return CheckResult(name=name, outcome="skipped", text=why)
