"""The report of a check: steps, differences, and the state of each assumed fact, as text and as JSON.

It can be shared: it has no key, no token, no address with a query, no prompt and no content of an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from .._base.public_path import publish
from .._base.secrets import one_line
from ._facts import FactState
from ._violation import Violation, masked, named

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["Finding", "Outcome", "ServiceReport", "StepResult"]

Outcome: TypeAlias = Literal["done", "skipped", "failed"]


@attrs.frozen
class StepResult:
    """The result of a step."""

    name: str
    outcome: Outcome
    reason: str = ""
    """Why it was skipped, or how it failed."""


@attrs.frozen
class Finding:
    """A difference between the service and ``spec/``, and how often it was seen."""

    violation: Violation
    count: int

    @property
    def value(self) -> str:
        """The value, if an enum does not list it and it looks like a name; else empty."""
        text = self.violation.value.strip("'\"")
        return text if self.violation.kind == "unknown value" and named(text) == text else ""

    @property
    def at(self) -> str:
        """The place in the data; keys that do not look like names are masked."""
        return masked(self.violation.at)

    @property
    def assertion(self) -> str:
        """The place and the difference."""
        found = self.violation
        what = f"{found.what}: {self.value}" if self.value else found.what
        return ": ".join(step for step in (found.where, found.part, self.at, what) if step)

    def __str__(self) -> str:
        return f"{self.assertion} ({self.count}×; {self.violation.rule})"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {**self.violation.to_dict(), "at": self.at, "value": self.value or None, "count": self.count}


@attrs.frozen(kw_only=True)
class ServiceReport:
    """The findings of a check of a service."""

    service: str
    """Scheme and host of the service."""
    client: str
    """Name and version of the checking client."""
    spec_version: str
    """Version of the protocol's documents."""
    steps: tuple[StepResult, ...]
    findings: tuple[Finding, ...]
    facts: tuple[FactState, ...]
    seen: dict[str, int]
    """How often each call was answered with each status, and each message came."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs from ``spec/``, no fact was contradicted, and no step failed."""
        contradicted = any(state.verdict == "contradicted" for state in self.facts)
        return not self.findings and not contradicted and all(step.outcome != "failed" for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return {
            "service": self.service,
            "client": self.client,
            "spec_version": self.spec_version,
            "ok": self.ok,
            "steps": [attrs.asdict(step) for step in self.steps],
            "findings": [finding.to_dict() for finding in self.findings],
            "facts": [
                {
                    "name": state.fact.name,
                    "file": state.fact.rule.file,
                    "pointer": state.fact.rule.pointer,
                    "verdict": state.verdict,
                    "notes": list(state.notes),
                }
                for state in self.facts
            ],
            "seen": self.seen,
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.service}, checked with {self.client} against version {self.spec_version} of the protocol"
        yield ""
        for step in self.steps:
            reason = f": {one_line(step.reason)}" if step.reason else ""
            yield f"  {step.outcome:<8} {step.name}{reason}"
        yield ""
        yield f"differences from spec/: {len(self.findings) or 'none'}"
        for kind in ("violation", "unknown field", "unknown value"):
            for finding in self.findings:
                if finding.violation.kind == kind:
                    yield f"  {kind}: {finding}"
        yield ""
        verdicts = [state.verdict for state in self.facts]
        counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in ("confirmed", "contradicted", "not seen"))
        yield f"assumed facts: {', '.join(counts)}"
        for state in self.facts:
            notes = f": {'; '.join(state.notes)}" if state.notes else ""
            yield f"  {state.verdict:<12} {state.fact.name}{notes}"


publish("odyssey_proto.conformance", Finding, ServiceReport, StepResult)
