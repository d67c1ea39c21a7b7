"""`check_service` runs our client against the whole surface of a service, and judges all its answers.

The steps are in `_service_live`, `_service_broadcast` and `_service_rest`. A step that fails does not end the
check.
"""

from __future__ import annotations

import collections
import logging
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .._base.errors import OdysseyConfigError, OdysseyError, OdysseyStreamError, OdysseyUsageError
from .._base.public_path import publish
from .._base.secrets import one_line
from .._model.config import AdvancedConfig
from .._model.traffic import Message
from .._net.observation import watching
from .._version import __version__
from ..client import Odyssey
from . import _documents, _service_broadcast, _service_live, _service_rest
from ._calls import path_of
from ._contract import Contract
from ._coverage import covered
from ._facts import Facts
from ._probes import Probes
from ._recorded_traffic import RecordedTraffic
from ._schemas import parsed, schemas
from ._service_report import Finding, ServiceReport, StepResult
from ._service_run import Run, SkipError, StepFailedError
from ._violation import named

if TYPE_CHECKING:
    from .._model.traffic import Seen
    from ._service_run import Step

__all__ = ["STEPS", "check_service"]

log: Final[logging.Logger] = logging.getLogger("odyssey_proto.conformance")

_AGENT: Final = "odyssey-proto/"

STEPS: Final[tuple[Step, ...]] = (
    *_service_live.FIRST_STEPS,
    *_service_broadcast.STEPS,
    *_service_live.LAST_STEPS,
    *_service_rest.STEPS,
)
"""All steps of a check, in order."""


def check_service(
    api_url: str | None = None,
    api_key: str | None = None,
    *,
    refused_prompt: str | None = None,
    on_step: Callable[[StepResult], object] | None = None,
    steps: Iterable[str] | None = None,
) -> ServiceReport:
    """Check a service against ``spec/``. This takes a few minutes, and uses a few minutes of streaming.

    Args:
        api_url: the address of the service; None takes ``ODYSSEY_API_URL``.
        api_key: the key; None takes ``ODYSSEY_API_KEY``.
        refused_prompt: a prompt that moderation refuses, to examine the refusal.
        on_step: called with the result of each step.
        steps: the names of the steps to take, as in `ServiceReport.steps`; None takes all.

    Raises:
        OdysseyConfigError: the address is not valid, or there is no such step.
        OdysseyAuthError: the key is missing or malformed.
    """
    chosen = _chosen(steps)
    with tempfile.TemporaryDirectory() as folder:
        traffic, facts = RecordedTraffic(), Facts()
        with watching(traffic), Odyssey(api_key, api_url=api_url) as client:
            key, url = client.config.require_api_key(), client.config.api_url

            def another(other_key: str = str(key), **options: Any) -> Odyssey:
                options.setdefault("advanced", AdvancedConfig(queue_timeout_s=0))
                return Odyssey(other_key, api_url=url, **options)

            run = Run(
                client=client,
                make_client=another,
                traffic=traffic,
                probes=Probes(url, traffic),
                facts=facts,
                folder=Path(folder),
                refused_prompt=refused_prompt,
            )
            results = []
            try:
                for step in chosen:
                    results.append(_take(step, run))
                    if on_step is not None:
                        on_step(results[-1])
            finally:
                run.cancel_jobs()
    seen = traffic.all()
    return ServiceReport(
        service=f"{urlsplit(url).scheme}://{urlsplit(url).netloc}",
        client=f"odyssey-proto {__version__}",
        spec_version=str(_documents.document("openapi.yaml")["info"]["version"]),
        steps=tuple(results),
        findings=_judge(seen, facts),
        facts=facts.states(),
        seen=dict(sorted(collections.Counter(map(_label, seen)).items())),
    )


def _chosen(names: Iterable[str] | None) -> tuple[Step, ...]:
    wanted = {step.name for step in STEPS} if names is None else set(names)
    if unknown := wanted - {step.name for step in STEPS}:
        raise OdysseyConfigError(f"There is no step {', '.join(map(repr, sorted(unknown)))}")
    return tuple(step for step in STEPS if step.name in wanted)


def _take(step: Step, run: Run) -> StepResult:
    try:
        step.take(run)
    except SkipError as exc:
        return StepResult(step.name, "skipped", str(exc))
    except StepFailedError as exc:
        return StepResult(step.name, "failed", str(exc))
    except OdysseyError as exc:
        return StepResult(step.name, "failed", _reason(exc))
    except Exception as exc:
        log.exception("the step %r failed", step.name)
        return StepResult(step.name, "failed", type(exc).__name__)
    return StepResult(step.name, "done")


def _reason(error: OdysseyError) -> str:
    """Return how a step failed: in the error's words, or, if they are the service's, by its attributes only."""
    if error.status is None and not isinstance(error, OdysseyStreamError | OdysseyUsageError):
        return one_line(str(error))
    status = f"status {error.status}" if error.status is not None else ""
    code = f"code {named(error.code)}" if error.code else ""
    return ", ".join(filter(None, (type(error).__name__, error.operation, status, code)))


def _judge(seen: list[Seen], facts: Facts) -> tuple[Finding, ...]:
    """Return the differences, and note the evidence in the traffic for or against the assumed facts."""
    contract = Contract((_AGENT,), unknown_values=True)
    found: collections.Counter[Any] = collections.Counter()
    values: dict[Any, Any] = {}
    names = facts.rules
    for one in seen:
        for violation in contract.violations(one):
            if (fact := facts.broken_by(violation)) is not None:
                facts.contradict(fact, Finding(violation, 1).assertion)
            else:
                # Two unknown values at one place are two findings.
                key = (violation, violation.value if violation.kind == "unknown value" else "")
                found[key] += 1
                values[key] = violation
        for rule in covered(contract, schemas(), one):
            if rule in names and rule.keys[:-1] != ("paths",):
                facts.confirm(names[rule])
    return tuple(Finding(values[key], count) for key, count in found.items())


def _label(seen: Seen) -> str:
    if not isinstance(seen, Message):
        return f"{seen.method} {path_of(seen.route) or 'of a file'}: {seen.status}"
    data, _ = parsed(seen.text)
    kind = data.get("type") if isinstance(data, dict) else None
    known = isinstance(kind, str) and kind.isidentifier() and len(kind) <= 40
    return f"{seen.place} {'>' if seen.from_client else '<'} {kind if known else 'not a message'}"


publish("odyssey_proto.conformance", check_service)
