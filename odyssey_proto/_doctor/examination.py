"""One examination: checks in their order, each with a time limit of its own.

No check keeps the others from running. One that exceeds its limit is abandoned; its thread, which may hang in the
system, is a daemon.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import attrs

from .._base.clock import TURN_S, Deadline, MonotonicClock
from .._base.errors import OdysseyError
from .._base.resources import start
from .._base.secrets import one_line
from .finding import CheckResult, without
from .remedies import remedy

__all__ = ["Check", "Findings", "failed", "findings_of"]

Findings: TypeAlias = CheckResult | Sequence[CheckResult]


@attrs.frozen
class Check:
    """One check."""

    name: str
    limit_s: float
    """Its time limit, in s; the calls that it makes have shorter ones, whose errors say more."""
    take: Callable[[], Findings]
    """The check, run on a thread of its own; an exception becomes a finding, too."""


def failed(name: str, error: OdysseyError) -> CheckResult:
    """Return the finding for an error of the client."""
    return CheckResult(name=name, outcome="failed", text=error.message, advice=remedy(error), error=error)


def findings_of(
    checks: Sequence[Check], secrets: Callable[[], tuple[str, ...]], on_check: Callable[[str], object]
) -> Iterator[CheckResult]:
    """Run the checks, one after the other, and yield their findings, without any of ``secrets``.

    ``on_check`` is called with the name of each check before it begins.
    """
    for check in checks:
        on_check(check.name)
        for finding in _taken(check):
            yield without(finding, secrets())


def _taken(check: Check) -> Sequence[CheckResult]:
    found: list[Findings] = []
    is_over = threading.Event()

    def take() -> None:
        try:
            found.append(check.take())
        except OdysseyError as error:
            found.append(failed(check.name, error))
        except Exception as exc:  # noqa: BLE001  # whatever it is, the others go on
            found.append(_broken(check.name, exc))
        finally:
            is_over.set()

    try:
        start(threading.Thread(target=take, name="odyssey-check", daemon=True))
    except OdysseyError as error:  # the system has no more threads
        return [failed(check.name, error)]
    deadline = Deadline(check.limit_s, MonotonicClock())
    while not is_over.wait(min(TURN_S, deadline.remaining() or 0)):
        if deadline.expired:
            return [_too_slow(check)]
    result = found[0]
    return [result] if isinstance(result, CheckResult) else result


def _too_slow(check: Check) -> CheckResult:
    return CheckResult(
        name=check.name,
        outcome="failed",
        text=f"it took more than {check.limit_s:g} s and was given up",
        advice="try again; if this persists, look for the bottleneck: the network, or this machine",
    )


def _broken(name: str, exc: Exception) -> CheckResult:
    return CheckResult(
        name=name,
        outcome="failed",
        text=f"the check itself failed: {type(exc).__name__}: {one_line(str(exc))}",
        advice="install odyssey-proto again; if this persists, report this",
    )
