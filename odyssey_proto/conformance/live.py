"""Leads a client, any command, through the scenarios, and judges what it reports and what it sends.

The command is started once for each scenario; ``spec/conformance.md`` describes what it gets and what it says.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from .._base.errors import OdysseyConfigError
from .._base.public_path import publish
from ..emulator._faults.script import Fault
from ..emulator._server import Emulator
from .contract import Contract
from .judges import CHECKS
from .record import Record, recording
from .scenarios import SCENARIOS, SIZE
from .scorecard import Point, Scorecard

if TYPE_CHECKING:
    from .scenarios import Scenario, Step

__all__ = ["check_live"]

_AT_ONCE: Final = 4
"""How many scenarios run side by side: most of their time, they wait."""


def check_live(command: Sequence[str], names: Collection[str] = (), *, at_once: int = _AT_ONCE) -> Scorecard:
    """Lead ``command`` through scenarios, and return its scorecard.

    Args:
        command: the program and its arguments. Its stderr is that of this process.
        names: the scenarios; empty for all.
        at_once: how many scenarios run side by side.

    Raises:
        OSError: the command cannot be started.
        OdysseyConfigError: there is no such scenario.
    """
    if unknown := set(names) - {scenario.name for scenario in SCENARIOS}:
        known = ", ".join(scenario.name for scenario in SCENARIOS)
        raise OdysseyConfigError(f"There is no scenario {sorted(unknown)[0]!r}; there are: {known}")
    card = Scorecard("live")
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.name in names]
    with concurrent.futures.ThreadPoolExecutor(at_once, thread_name_prefix="conformance") as executor:
        for points in executor.map(lambda scenario: _run(command, scenario), chosen):
            card.add(*points)
    return card


def _run(command: Sequence[str], scenario: Scenario) -> list[Point]:
    settings: dict[str, Any] = {"size": SIZE, "record": False, "simulation_workers": 0, **scenario.settings}
    if any(step.do == "simulate" for step in scenario.steps):
        settings["simulation_workers"] = 1
    with Emulator(**settings) as emulator, recording(emulator) as record:
        emulator.faults.add(*map(Fault.from_dict, scenario.faults))
        reports, problem = _reports(command, scenario, emulator)
    # The emulator has stopped: the last handshakes have been shown.
    if any(report.get("outcome") == "unsupported" for report in reports):
        return [Point(group=scenario.name, name="all", outcome="skipped", why=_unsupported(reports))]
    points = [*_of_steps(scenario, reports, problem, record), *_of_traffic(scenario, record)]
    return [*points, *_of_checks(scenario, record)]


def _reports(command: Sequence[str], scenario: Scenario, emulator: Emulator) -> tuple[list[dict[str, Any]], str]:
    """Run the command, and return what it reported and how it failed, if it did."""
    environment = {
        **os.environ,
        "ODYSSEY_API_URL": emulator.api_url,
        "ODYSSEY_API_KEY": scenario.key or emulator.api_key,
    }
    asked = json.dumps(scenario.to_dict()) + "\n"
    problem = ""
    with subprocess.Popen(  # noqa: S603  # the user's own command
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            said, _ = process.communicate(asked.encode(), timeout=scenario.limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            problem = f"the client took more than {scenario.limit_s:.0f} s"
    if not problem and process.returncode:
        problem = f"the client ended with status {process.returncode}"
    return [report for line in said.splitlines() if (report := _report(line)) is not None], problem


def _report(line: bytes) -> dict[str, Any] | None:
    try:
        report = json.loads(line)
    except ValueError:
        return None  # a client may print other things, too
    return report if isinstance(report, dict) and isinstance(report.get("step"), int) else None


def _unsupported(reports: list[dict[str, Any]]) -> str:
    done = next(report for report in reports if report.get("outcome") == "unsupported")
    return f"not supported: {done.get('why') or 'step ' + str(done['step'])}"


def _of_steps(scenario: Scenario, reports: list[dict[str, Any]], problem: str, record: Record) -> list[Point]:
    """Return a point for each step."""
    by_step = {report["step"]: report for report in reports}
    points = []
    for number, step in enumerate(scenario.steps):
        report = by_step.get(number)
        if report is None:
            wrong = problem or "the client did not report this step"
        else:
            wrong = _wrong_step(step, report, record, sloppy="sloppy" in scenario.settings)
        points.append(
            Point(
                group=scenario.name,
                name=f"step {number}: {step.do}",
                outcome="failed" if wrong else "passed",
                why=wrong,
                written=step.written and f"spec/{step.written}",
            )
        )
    return points


def _wrong_step(step: Step, report: dict[str, Any], record: Record, *, sloppy: bool) -> str:
    outcome, value = report.get("outcome"), report.get("value") or {}
    if outcome not in ("ok", "error"):
        return f"its outcome is {outcome!r}, not ok or error"
    if step.expected not in ("any", outcome):
        return f"{step.expected} was expected, not {outcome}: {json.dumps(report.get('error', value))[:300]}"
    if outcome == "error":
        value = report.get("error") or {}
    for name, right in step.value.items():
        found = value.get(name)
        fits = isinstance(found, int) and found >= right["at_least"] if isinstance(right, dict) else found == right
        if not fits:
            return f"{name} is {json.dumps(found)}, not {json.dumps(right)}"
    if outcome == "ok" and not sloppy:  # odd forms are not compared: their meaning is
        return _wrong_value(step, value, record)
    return ""


def _wrong_value(step: Step, value: dict[str, Any], record: Record) -> str:
    """Return how a reported value differs from what the service sent."""
    match step.do:
        case "start":
            ids = [data.get("stream_id") for _, data in record.received("stream_started")]
            return "" if value.get("stream_id") in ids else f"no stream {value.get('stream_id')!r} was started"
        case "interact":
            right = record.acknowledged(str(step.arguments["prompt"]))
            found = value.get("prompt")
            return "" if found in right else f"the prompt {found!r} is not the one that was acknowledged"
        case "broadcast":
            ready = [data for _, data in record.received("broadcast_ready")]
            for name in ("webrtc_url", "spectator_token"):
                if value.get(name) not in [data.get(name) for data in ready]:
                    return f"{name} is not that of broadcast_ready"
    return ""


def _of_traffic(scenario: Scenario, record: Record) -> list[Point]:
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


def _of_checks(scenario: Scenario, record: Record) -> list[Point]:
    points = []
    for check in scenario.checks:
        wrong = CHECKS[check.name](record, **check.arguments)
        points.append(
            Point(
                group=scenario.name,
                name=check.name.replace("_", " "),
                outcome="failed" if wrong else "passed",
                why=wrong,
                written=f"spec/{check.written}",
            )
        )
    return points


publish("odyssey_proto.conformance", check_live)
