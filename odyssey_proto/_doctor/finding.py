"""The finding of a check, as data that may be shown to anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

from .._base.errors import OdysseyError
from .._base.secrets import forms, redacted
from .._base.texts import presentable

__all__ = ["CheckResult", "Outcome", "without"]

Outcome: TypeAlias = Literal["ok", "warning", "failed", "skipped"]
"""``warning``: it works, but not as it should; or it fails, and nothing depends on it."""


@attrs.frozen(kw_only=True)
class CheckResult:
    """The finding of a check."""

    name: str
    """The subject of the check, such as ``key`` or ``TURN``."""
    outcome: Outcome
    text: str
    advice: str = ""
    """The remedy; empty if there is nothing to do."""
    took_ms: int | None = None
    """How long it took, in ms, if that is informative; else None."""
    details: Mapping[str, Any] = attrs.field(factory=dict)
    """Figures, JSON-ready."""
    error: OdysseyError | None = attrs.field(default=None, eq=False, repr=False)
    """The error of the client, if it raised one."""

    @property
    def code(self) -> str | None:
        """The code of the error, if there is one."""
        return None if self.error is None else self.error.code

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        data = attrs.asdict(self, recurse=False, filter=attrs.filters.exclude("error"))
        return {**data, "details": dict(self.details), "code": self.code}


def without(finding: CheckResult, secrets: tuple[str, ...]) -> CheckResult:
    """Return ``finding`` without ``secrets``, in whatever form, and in printable characters.

    The client's own errors contain no secrets; this is for those that a server may repeat in a name.
    """

    def cleaned(text: str) -> str:
        for secret in secrets:
            for form in forms(secret):
                text = text.replace(form, "...")
        return presentable(text)

    return attrs.evolve(
        finding,
        name=cleaned(finding.name),
        text=cleaned(finding.text),
        advice=cleaned(finding.advice),
        details=redacted(dict(finding.details), cleaned),
    )
