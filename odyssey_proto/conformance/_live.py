"""Leads a client, any command, through the scenarios, and judges its reports and its traffic.

The command is started once for each scenario; ``spec/conformance.md`` describes its input and its output.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import threading
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._base.errors import OdysseyConfigError
from .._base.public_path import publish
from ..emulator import Emulator, Fault
from ._command import LOOK_EVERY_S, RunningCommand
from ._contract import Contract
from ._judges import CHECKS
from ._record import TrafficRecord, recording
from ._scenarios import SCENARIOS, SIZE
from ._scorecard import Point, Scorecard

if TYPE_CHECKING:
    from ._scenarios import Scenario, ScenarioStep
    from ._scorecard import Outcome

__all__ = ["check_live"]

_AT_ONCE: Final = 4
"""How many scenarios run side by side: they spend most of their time waiting."""
_ENDS_WITHIN_S: Final = 5.0
"""How long a client may take to end after it has closed its stdout."""
_WRITTEN: Final = "spec/conformance.md#live-scenarios"
_PORT: Final = "{port}"
"""Stands for the emulator's port in the addresses of redirects."""


@attrs.frozen
class _Reported:
    """The client's reports."""

    steps: dict[int, dict[str, Any]]
    """Its last report of each step."""
    problem: str
    """How it failed as a command; empty if it did not."""


def check_live(command: Sequence[str], names: Collection[str] = (), *, at_once: int = _AT_ONCE) -> Scorecard:
    """Lead ``command`` through scenarios, and return its scorecard.

    Args:
        command: the program and its arguments. Its stderr is that of this process.
        names: the scenarios; empty for all.
        at_once: how many scenarios run side by side.

    Raises:
        OdysseyConfigError: the command cannot be started, or there is no such scenario.
    """
    if unknown := set(names) - {scenario.name for scenario in SCENARIOS}:
        known = ", ".join(scenario.name for scenario in SCENARIOS)
        raise OdysseyConfigError(f"There is no scenario {sorted(unknown)[0]!r}; there are: {known}")
    card = Scorecard("live")
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.name in names]
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(at_once, thread_name_prefix="conformance") as executor:
        try:
            futures = [executor.submit(_run, command, scenario, stop) for scenario in chosen]
            for future in futures:
                # In short waits: a signal that comes just before an unlimited one would be handled only after it.
                while not future.done():
                    concurrent.futures.wait((future,), timeout=LOOK_EVERY_S)
                card.add(*future.result())
        except BaseException:  # Ctrl-C, too
            stop.set()
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return card


def _run(command: Sequence[str], scenario: Scenario, stop: threading.Event) -> list[Point]:
    settings: dict[str, Any] = {"size": SIZE, "record": False, "simulation_workers": 0, **scenario.settings}
    if any(step.do == "simulate" for step in scenario.steps):
        settings["simulation_workers"] = 1
    with Emulator(**settings) as emulator, recording(emulator) as record:
        emulator.faults.add(*(_fault(data, emulator) for data in scenario.faults))
        reported = _reported(command, scenario, emulator, stop)
        emulator.stop()  # while it is recorded: a handshake is shown when it is over
    if any(report.get("outcome") == "unsupported" for report in reported.steps.values()):
        return [Point(group=scenario.name, name="all", outcome="skipped", why=_unsupported(reported))]
    return [
        *_of_steps(scenario, reported, record),
        _point(scenario, "end of the command", reported.problem, _WRITTEN),
        *_of_traffic(scenario, record),
        *_of_checks(scenario, record),
    ]


def _fault(data: dict[str, Any], emulator: Emulator) -> Fault:
    port = emulator.api_url.rpartition(":")[2]
    headers = {name: text.replace(_PORT, port) for name, text in data.get("headers", {}).items()}
    return Fault.from_dict({**data, "headers": headers})


def _reported(command: Sequence[str], scenario: Scenario, emulator: Emulator, stop: threading.Event) -> _Reported:
    """Run the command, and return its reports and how it failed, if it did."""
    environment = {
        **os.environ,
        "ODYSSEY_API_URL": emulator.api_url,
        "ODYSSEY_API_KEY": scenario.key or emulator.api_key,
    }
    asked = json.dumps(scenario.to_dict()).encode() + b"\n"
    steps: dict[int, dict[str, Any]] = {}
    gives_up_at = time.monotonic() + scenario.limit_s
    with RunningCommand(command, [asked], environment, stop) as running:
        try:
            while (line := running.next_line(gives_up_at - time.monotonic())) is not None:
                if (report := _report(line)) is not None:
                    steps[report["step"]] = report
        except TimeoutError:
            return _Reported(steps, f"it took more than {scenario.limit_s:.0f} s")
        return _Reported(steps, running.end(_ENDS_WITHIN_S))


def _report(line: bytes) -> dict[str, Any] | None:
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None  # a client may print other things, too
    return report if isinstance(report, dict) and type(report.get("step")) is int else None


def _point(scenario: Scenario, name: str, wrong: str, written: str) -> Point:
    outcome: Outcome = "failed" if wrong else "passed"
    return Point(group=scenario.name, name=name, outcome=outcome, why=wrong, written=written)


def _unsupported(reported: _Reported) -> str:
    done = next(report for report in reported.steps.values() if report.get("outcome") == "unsupported")
    return f"not supported: {done.get('why') or 'step ' + str(done['step'])}"


def _of_steps(scenario: Scenario, reported: _Reported, record: TrafficRecord) -> list[Point]:
    """Return a point for each step."""
    points = []
    for number, step in enumerate(scenario.steps):
        name, written = f"step {number}: {step.do}", step.written and f"spec/{step.written}"
        report = reported.steps.get(number)
        if report is None:
            why = f": {reported.problem}" if reported.problem else ""
            wrong, written = f"the client did not report this step{why}", _WRITTEN
        elif wrong := _wrong_report(report):
            written = _WRITTEN
        else:
            wrong = _wrong_step(step, report, record, sloppy="sloppy" in scenario.settings)
        points.append(_point(scenario, name, wrong, written))
    return points


def _wrong_report(report: dict[str, Any]) -> str:
    """Return why this is not a report of a step; empty if it is one."""
    outcome = report.get("outcome")
    if outcome not in ("ok", "error"):
        return f"its outcome is {_text(outcome)}, not ok or error"
    part = "value" if outcome == "ok" else "error"
    if not isinstance(report.get(part), dict | None):
        return f"its {part} is {_text(report[part])}, not an object"
    return ""


def _wrong_step(step: ScenarioStep, report: dict[str, Any], record: TrafficRecord, *, sloppy: bool) -> str:
    outcome = report["outcome"]
    value: dict[str, Any] = report.get("value" if outcome == "ok" else "error") or {}
    if step.expected not in ("any", outcome):
        return f"{step.expected} was expected, not {outcome}: {_text(value)}"
    for name, right in step.value.items():
        found = value.get(name)
        fits = isinstance(found, int) and found >= right["at_least"] if isinstance(right, dict) else found == right
        if not fits:
            wanted = f"at least {right['at_least']}" if isinstance(right, dict) else json.dumps(right)
            return f"{name} is {_text(found)}, not {wanted}"
    if outcome == "ok" and not sloppy:  # what was sent in odd forms cannot be compared
        return _wrong_value(step, value, record)
    return ""


def _text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)[:300]


def _wrong_value(step: ScenarioStep, value: dict[str, Any], record: TrafficRecord) -> str:
    """Return how a reported value differs from what the service sent; empty if it does not."""
    match step.do:
        case "start":
            ids = [data.get("stream_id") for _, data in record.received("stream_started")]
            found = value.get("stream_id")
            return "" if found in ids else f"no stream {_text(found)} was started"
        case "interact":
            right = record.acknowledged(str(step.arguments["prompt"]))
            found = value.get("prompt")
            return "" if found in right else f"the prompt {_text(found)} is not the one that was acknowledged"
        case "broadcast":
            ready = [data for _, data in record.received("broadcast_ready")]
            for name in ("webrtc_url", "spectator_token"):
                if value.get(name) not in [data.get(name) for data in ready]:
                    return f"{name} is not that of broadcast_ready"
    return ""


def _of_traffic(scenario: Scenario, record: TrafficRecord) -> list[Point]:
    """Return a failed point for each violation of ``spec/`` by the client, or one point if there is none."""
    contract = Contract()
    found = dict.fromkeys(
        violation
        for _, seen in record.entries
        for violation in contract.violations(seen)
        if violation.by == "client"
    )
    points = [
        Point(
            group=scenario.name,
            name=": ".join(filter(None, (violation.where, violation.part, violation.at))),
            outcome="failed",
            why=violation.what,
            written=str(violation.rule),
        )
        for violation in found
    ]
    if points:
        return points
    return [Point(group=scenario.name, name="calls and messages", outcome="passed", written="spec/README.md")]


def _of_checks(scenario: Scenario, record: TrafficRecord) -> list[Point]:
    return [
        _point(
            scenario,
            ": ".join(filter(None, (check.name.replace("_", " "), check.arguments.get("call")))),
            CHECKS[check.name](record, **check.arguments),
            f"spec/{check.written}",
        )
        for check in scenario.checks
    ]


publish("odyssey_proto.conformance", check_live)
