"""The result of a check, in a form that anybody may see."""

from __future__ import annotations

import base64

from odyssey_proto import OdysseyConnectionError
from odyssey_proto._doctor.finding import CheckResult, without

SECRET = "s3cret+word"


def test_a_secret_is_taken_out_in_every_form() -> None:
    coded = base64.b64encode(SECRET.encode()).decode().rstrip("=")
    finding = CheckResult(
        name=f"turn:{SECRET}",
        outcome="warning",
        text=f"{SECRET} and s3cret%2Bword",
        advice=coded,
        details={"seen": [SECRET, 7]},
    )
    assert without(finding, (SECRET,)) == CheckResult(
        name="turn:...", outcome="warning", text="... and ...", advice="...", details={"seen": ["...", 7]}
    )


def test_what_a_server_sent_does_not_command_a_terminal() -> None:
    finding = CheckResult(name="regions", outcome="ok", text="a\x1b[31m\nb", details={"a\x1b[2J": 1})
    shown = without(finding, ())
    assert shown.text.isprintable()
    assert all(name.isprintable() for name in shown.details)


def test_it_is_json_ready() -> None:
    error = OdysseyConnectionError("it is gone", code="unreachable")
    finding = CheckResult(name="API", outcome="failed", text="it is gone", advice="wait", took_ms=7, error=error)
    assert finding.to_dict() == {
        "name": "API",
        "outcome": "failed",
        "text": "it is gone",
        "advice": "wait",
        "took_ms": 7,
        "details": {},
        "code": "unreachable",
    }
