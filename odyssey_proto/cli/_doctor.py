"""``odyssey-proto doctor``: its arguments and its report. `odyssey_proto._doctor` does the work."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from ._access import service_options
from ._options import json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._doctor.finding import CheckResult
    from ._access import Access

__all__ = ["command"]

_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "bright_black"}
_NAME_CHARS: Final = 12


@click.command
@click.option(
    "--session/--no-session",
    "with_session",
    default=True,
    help="Request a session for some seconds, to check signaling and the connection.  [default: yes]",
)
@json_option
@service_options
def command(with_session: bool, as_json: bool, access: Access) -> int:
    """Find out what works and what does not, and say what to do.

    It checks the proxy, the API, the clock, the key, the regions, signaling, each STUN and TURN server, whether
    UDP, TCP and TLS get through, the codecs, and a stream from an emulator on this machine. No stream of the
    service is started. The report has no key, token, password or address of this machine: it can be pasted into an
    issue.
    """
    from .._doctor.surroundings import surroundings
    from . import _output

    around = surroundings()
    found: list[CheckResult] = []
    with contextlib.ExitStack() as bar:

        def on_check(name: str) -> None:
            bar.close()
            if not as_json:
                bar.enter_context(_output.progress())(f"checking: {name}", None)

        if not as_json:
            _print_surroundings(around)
        for finding in _findings(access, on_check, with_session=with_session):
            found.append(finding)
            bar.close()  # or the line would break into it
            if not as_json:
                _print(finding)
    failed = [finding for finding in found if finding.outcome == "failed"]
    if as_json:
        checks = [finding.to_dict() for finding in found]
        _output.print_json({"ok": not failed, "checks": checks, "surroundings": around})
    else:
        _print_sum(found)
    return _status(failed)


def _findings(access: Access, on_check: Callable[[str], object], *, with_session: bool) -> Iterator[CheckResult]:
    from .._base.errors import OdysseyConfigError
    from .._doctor.checks import checks_of, local_checks
    from .._doctor.examination import failed, findings_of
    from .._doctor.service import Patient

    if access.debug:
        from .._base.logs import to_stderr

        to_stderr()
    with contextlib.ExitStack() as until_the_end:
        url, key = until_the_end.enter_context(access.service(needs_key=False, record=False))
        try:
            patient = Patient(key, url)
        except OdysseyConfigError as error:
            yield failed("settings", error)
            yield from findings_of(local_checks(timeout_s=access.timeout), tuple, on_check)
            return
        until_the_end.callback(patient.close)
        checks = checks_of(patient, with_session=with_session, timeout_s=access.timeout)
        yield from findings_of(checks, lambda: patient.secrets, on_check)


def _status(failed: list[CheckResult]) -> int:
    """Return the exit status for the first failure: by its error, or else 5 if it concerns the network."""
    from . import _exit_status

    if not failed:
        return 0
    if failed[0].error is not None:
        return _exit_status.of(failed[0].error)
    return 5 if failed[0].name in ("API", "UDP") else 1


# --- for people


def _print_surroundings(around: dict[str, Any]) -> None:
    print(f"odyssey-proto {around['odyssey_proto']}, Python {around['python']}, {around['system']}")
    print("packages:", ", ".join(f"{name} {version}" for name, version in around["packages"].items()))
    environment = [f"{name}={value}" for name, value in around["environment"].items()]
    print("environment:", ", ".join(environment) or "nothing is set that matters here", end="\n\n", flush=True)


def _print(finding: CheckResult) -> None:
    outcome = finding.outcome.upper() if finding.outcome == "failed" else finding.outcome
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        shown = click.style(f"{outcome:<8}", fg=_COLOURS[finding.outcome])
    else:
        shown = f"{outcome:<8}"
    print(f"{shown} {finding.name:<{_NAME_CHARS}} {finding.text}", flush=True)
    if finding.advice:
        print(f"{'':<8} {'':<{_NAME_CHARS}} -> {finding.advice}", flush=True)


def _print_sum(found: list[CheckResult]) -> None:
    failed = dict.fromkeys(finding.name for finding in found if finding.outcome == "failed")
    odd = dict.fromkeys(finding.name for finding in found if finding.outcome == "warning")
    parts = [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"not as it should be: {', '.join(odd)}"] if odd else []
    print(f"\n{'; '.join(parts) or 'Everything that was checked works.'}")
