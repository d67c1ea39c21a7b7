"""The fault script as data: what it accepts and refuses, and how it counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odyssey_proto._base.errors import OdysseyConfigError
from odyssey_proto.emulator._faults.script import Fault, FaultScript

STEP = "POST /auth/token"


def script(*faults: Fault) -> FaultScript:
    made = FaultScript()
    made.add(*faults)
    return made


def test_nothing_goes_wrong_without_a_fault() -> None:
    assert script().take(STEP) is None


def test_a_fault_happens_once() -> None:
    faults = script(Fault(step=STEP, action="reset"))
    assert faults.take(STEP) is not None
    assert faults.take(STEP) is None
    assert faults.pending == []


def test_a_fault_happens_as_often_as_it_says() -> None:
    faults = script(Fault(step=STEP, action="reset", times=3))
    assert [faults.take(STEP) is not None for _ in range(5)] == [True, True, True, False, False]


def test_a_fault_without_a_number_happens_always() -> None:
    faults = script(Fault(step=STEP, action="reset", times=None))
    assert all(faults.take(STEP) for _ in range(20))


def test_a_fault_waits_for_its_turn() -> None:
    faults = script(Fault(step=STEP, action="reset", after=2))
    assert [faults.take(STEP) is not None for _ in range(4)] == [False, False, True, False]


def test_other_steps_are_left_alone() -> None:
    faults = script(Fault(step=STEP, action="reset"))
    assert faults.take("GET /regions") is None
    assert len(faults.pending) == 1


def test_faults_of_one_step_come_in_their_order() -> None:
    faults = script(Fault(step=STEP, action="answer", status=500), Fault(step=STEP, action="answer", status=503))
    assert [fault.status for fault in (faults.take(STEP), faults.take(STEP)) if fault] == [500, 503]


def test_all_can_be_forgotten() -> None:
    faults = script(Fault(step=STEP, action="reset", times=None))
    faults.clear()
    assert faults.take(STEP) is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"step": "GET /nothing"}, "step"),
        ({"action": "explode"}, "action"),
        ({"action": "close"}, "action"),
        ({"times": 0}, "times"),
        ({"times": 1.5}, "times"),
        ({"after": -1}, "after"),
        ({"status": 99}, "status"),
        ({"status": "500"}, "status"),
        ({"headers": ["a"]}, "headers"),
        ({"headers": {"a": 1}}, "headers"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": "1"}, "seconds"),
        ({"code": 999}, "code"),
        ({"reason": 5}, "reason"),
    ],
    ids=str,
)
def test_what_cannot_happen_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(OdysseyConfigError, match=says):
        Fault(**{"step": STEP, "action": "answer", **wrong})


@pytest.mark.parametrize(
    "wrong", [None, "x", 3, {}, {"step": STEP}, {"step": STEP, "action": "reset", "extra": 1}]
)
def test_json_that_is_no_fault_is_refused(wrong: object) -> None:
    with pytest.raises(OdysseyConfigError):
        FaultScript().load(wrong)


def test_a_list_with_one_wrong_fault_adds_none() -> None:
    faults = FaultScript()
    with pytest.raises(OdysseyConfigError):
        faults.load([{"step": STEP, "action": "reset"}, {"step": "x", "action": "reset"}])
    assert faults.pending == []


def test_a_fault_survives_json() -> None:
    fault = Fault(step="media", action="stream_error", reason="lease_denied", message="Gone", times=None, after=7)
    faults = FaultScript()
    faults.load(json.loads(json.dumps([fault.to_dict()])))
    assert faults.pending == [fault]


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        (None, b'{"detail": "Injected fault"}', "application/json"),
        ("<html>", b"<html>", "text/html"),
        ("{not json", b"{not json", "text/plain"),
        ([1], b"[1]", "application/json"),
        ({"a": None}, b'{"a": null}', "application/json"),
        ("", b"", "text/plain"),
    ],
)
def test_a_body_goes_out_as_text_or_as_json(body: Any, sent: bytes, kind: str) -> None:
    assert Fault(step=STEP, action="answer", body=body).body_bytes() == (sent, kind)


def test_a_fault_may_set_the_content_type() -> None:
    fault = Fault(step=STEP, action="answer", body="{}", headers={"Content-Type": "application/json"})
    assert fault.body_bytes() == (b"{}", "application/json")
