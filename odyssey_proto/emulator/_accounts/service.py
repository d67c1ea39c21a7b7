"""Accounts and permissions: keys, tokens, the pool of streamers, sessions and their limits.

No I/O, no waiting, one thread. All times, including those inside tokens, follow the clock argument, so a test can
advance 40 s at once. This module does not know how a session uses its streamer.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import math
import re
import time
import uuid
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from .._config import paced
from .tokens import InvalidTokenError, TokenSigner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..._base.clock import Clock
    from .._config import EmulatorConfig

__all__ = ["MODEL", "Lease", "LeaseObserver", "Ledger", "RefusedError", "Service", "usage_refusal"]

MODEL = "odyssey-emulator"
_KEY = re.compile(r"ody_[\x21-\x7e]+")


class RefusedError(Exception):
    """The answer that refuses a call: its status, the ``detail`` of its body, and extra headers."""

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class Ledger(Protocol):
    """Seconds of video used, by account and month. A dict will do."""

    def get(self, used: tuple[str, str], default: float, /) -> float: ...

    def __setitem__(self, used: tuple[str, str], seconds: float, /) -> None: ...


@attrs.define(eq=False, kw_only=True)
class Lease:
    """A streamer leased to an account, from the request to the end of the session."""

    id: str
    account: str
    """The account that requested it, as returned by `Service.account_of`."""
    streamer_id: str
    region: str | None
    began_at: float
    """Time of the request, in s of the clock."""
    seen_at: float
    """Time of the client's last sign of life, in s of the clock."""
    ended: bool = False
    on_end: Callable[[str], None] | None = attrs.field(default=None, repr=False)
    """Called with the reason when the session ends."""


class LeaseObserver(Protocol):
    """An observer of all sessions."""

    def session_began(self, session: Lease) -> None:
        """Take note of a new session."""

    def session_ended(self, session: Lease, reason: str) -> None:
        """Take note that ``session`` has ended for ``reason``."""


class Service:
    """The accounts and the pool of one emulator."""

    def __init__(
        self,
        config: EmulatorConfig,
        clock: Clock,
        ledger: Ledger | None = None,
        observer: LeaseObserver | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._observer = observer
        self._epoch = time.time() - clock.now()
        self._signer = TokenSigner()
        self._sessions: dict[str, Lease] = {}
        self._calls: dict[str, tuple[int, int]] = {}
        self._used_s: Ledger = {} if ledger is None else ledger
        self._streamer_numbers = itertools.count(1)

    # Keys and tokens

    def access_token(self, key: str) -> str:
        """Return a token for ``key``.

        Raises:
            RefusedError: 422 if the key is malformed; 401 or 403 if its prefix asks for that.
        """
        if not _KEY.fullmatch(key):
            issue = {
                "loc": ["body", "api_key"],
                "msg": "Value error, API key must start with 'ody_'",
                "type": "value_error",
            }
            raise RefusedError(422, [issue])
        if key.startswith("ody_invalid"):
            raise RefusedError(401, "Invalid API key")
        if key.startswith("ody_suspended"):
            raise RefusedError(403, "Access denied: this account is suspended")
        account = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self._token({"scope": "api", "account": account}, self._config.token_ttl_s)

    def account_of(self, authorization: str | None) -> str:
        """Return the account behind an ``Authorization`` header, and count the call.

        Raises:
            RefusedError: 401 without a valid token, 429 after too many calls.
        """
        scheme, _, token = (authorization or "").partition(" ")
        challenge = {"WWW-Authenticate": "Bearer"}
        if scheme.lower() != "bearer" or not token.strip():
            raise RefusedError(401, "Not authenticated", challenge)
        claims = self._claims(token.strip(), "api")
        if claims is None:
            raise RefusedError(401, "Invalid or expired token", challenge)
        account: str = claims["account"]
        self._count_call(account)
        return account

    def session_token(self, account: str, session_id: str) -> str:
        """Return a new token for a session of ``account``.

        Raises:
            RefusedError: 404 if the session is unknown or belongs to another account.
        """
        self.sweep()
        session = self._sessions.get(session_id)
        if session is None or session.account != account:
            raise RefusedError(404, "Session not found")
        return self._token({"session_id": session_id}, self._config.session_token_ttl_s)

    def admit(self, session_id: str, token: str) -> Lease:
        """Return the session named in a handshake, which counts as a sign of life.

        Raises:
            RefusedError: 403 if the token is not valid for this session, or the session has ended.
        """
        self.sweep()
        claims = self._claims(token, None)
        if claims is None or claims.get("session_id") != session_id:
            raise RefusedError(403, "Invalid or expired session token")
        session = self._sessions.get(session_id)
        if session is None:
            raise RefusedError(403, "The session has ended")
        session.seen_at = self._clock.now()
        return session

    # Sessions

    def request_session(self, account: str, latencies: Mapping[str, int] | None) -> Lease:
        """Lease a streamer to ``account``, in the region with the lowest of ``latencies`` (ms).

        Raises:
            RefusedError: 429 if a limit of the account is reached, 503 if no streamer is free.
        """
        self.sweep()
        self.check_hours(account)
        active = sum(session.account == account for session in self._sessions.values())
        if active >= self._config.concurrent_sessions:
            raise usage_refusal(
                "CONCURRENT_LIMIT_REACHED",
                f"You have {active} active session(s), the limit is {self._config.concurrent_sessions}",
                "End another session, or wait until it is cleared",
                {"active_count": active, "limit": self._config.concurrent_sessions},
            )
        if len(self._sessions) >= self._config.streamers:
            raise RefusedError(503, "No streamers available")
        now = self._clock.now()
        session = Lease(
            id=str(uuid.uuid4()),
            account=account,
            streamer_id=f"streamer-{next(self._streamer_numbers)}",
            region=self._nearest(latencies or {}),
            began_at=now,
            seen_at=now,
        )
        self._sessions[session.id] = session
        if self._observer is not None:
            self._observer.session_began(session)
        return session

    def heard_of(self, session: Lease) -> None:
        """Note a keepalive."""
        session.seen_at = self._clock.now()

    def end(self, session: Lease, reason: str) -> None:
        """End a session and free its streamer at once. Does nothing if the session has ended."""
        if session.ended:
            return
        session.ended = True
        self._sessions.pop(session.id, None)
        if self._observer is not None:
            self._observer.session_ended(session, reason)
        if session.on_end is not None:
            session.on_end(reason)

    def sweep(self) -> None:
        """End the sessions whose clients are gone, and those that have reached the maximum duration."""
        now, longest = self._clock.now(), self._config.max_session_s
        for session in list(self._sessions.values()):
            if longest is not None and now - session.began_at >= paced(self._config, longest):
                self.end(session, "duration_limit_reached")
            elif now - session.seen_at >= self._config.stale_after_s:
                self.end(session, "streamer_disconnected")

    @property
    def sessions(self) -> list[Lease]:
        """The sessions that have not ended."""
        return list(self._sessions.values())

    # Limits

    def add_usage(self, account: str, seconds: float) -> None:
        """Count ``seconds`` of video against the month of ``account``."""
        used = (account, self._month())
        self._used_s[used] = self._used_s.get(used, 0.0) + seconds

    def seconds_left(self, account: str) -> float:
        """Return how many s of video ``account`` has left this month; infinite without a limit."""
        if self._config.monthly_hours is None:
            return math.inf
        return self._config.monthly_hours * 3600 - self._used_s.get((account, self._month()), 0.0)

    def check_hours(self, account: str) -> None:
        """Refuse ``account`` if its hours of this month are used up.

        Raises:
            RefusedError: 429 if they are.
        """
        limit = self._config.monthly_hours
        if limit is None or self.seconds_left(account) > 0:
            return
        today = self._today()
        reset = (today.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
        raise usage_refusal(
            "MONTHLY_LIMIT_REACHED",
            f"You have used all of your {limit:g} hours this month",
            "Upgrade your plan, or wait until the month is over",
            {
                "used_hours": round(limit - self.seconds_left(account) / 3600, 6),
                "limit_hours": limit,
                "reset_date": reset.isoformat(),
            },
        )

    def _count_call(self, account: str) -> None:
        limit = self._config.rate_limit
        if limit is None:
            return
        minute, seconds = divmod(self._clock.now(), 60)
        counted_minute, calls = self._calls.get(account, (int(minute), 0))
        calls = calls + 1 if counted_minute == int(minute) else 1
        self._calls[account] = (int(minute), calls)
        if calls > limit:
            wait = max(1, math.ceil(60 - seconds))
            refusal = usage_refusal(
                "RATE_LIMITED",
                f"More than {limit} requests in one minute",
                f"Ask again in {wait} s",
                {"retry_after_seconds": wait},
            )
            refusal.headers["Retry-After"] = str(wait)
            raise refusal

    def _nearest(self, latencies: Mapping[str, int]) -> str | None:
        known = [name for name, _ in self._config.regions]
        return min(known, key=lambda name: latencies.get(name, 9999), default=None)

    def _today(self) -> datetime.date:
        return datetime.datetime.fromtimestamp(self.wall_time(), datetime.UTC).date()

    def _month(self) -> str:
        return f"{self._today():%Y-%m}"

    def wall_time(self) -> float:
        """Return the time of the emulator's clock, in s since 1970."""
        return self._epoch + self._clock.now()

    def _token(self, claims: dict[str, Any], ttl_s: float) -> str:
        now = self.wall_time()
        return self._signer.sign({**claims, "iat": int(now), "exp": now + ttl_s, "jti": uuid.uuid4().hex})

    def _claims(self, token: str, scope: str | None) -> dict[str, Any] | None:
        try:
            claims = self._signer.claims(token, now=self.wall_time())
        except InvalidTokenError:
            return None
        return claims if claims.get("scope") == scope else None


def usage_refusal(code: str, message: str, action: str, details: dict[str, Any]) -> RefusedError:
    """Return the refusal for a limit that the account has reached."""
    return RefusedError(
        429,
        {
            "error": code,
            "message": message,
            "action": action,
            "action_url": "https://example.com/odyssey-emulator/usage",
            "details": details,
        },
    )
