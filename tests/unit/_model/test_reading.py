"""Tolerant reading, rule by rule. Mutations of everything that the service sends are in ``tests/tolerance``."""

from __future__ import annotations

from typing import Any

import odyssey_models as wire
import pytest

from odyssey_proto._base.limits import PROBLEMS_MOST_SHOWN
from odyssey_proto._model import reading
from odyssey_proto._model.reading import DamagedText, Doubled, ShortList, UnreadableError, left_out, read


@pytest.fixture(autouse=True)
def nothing_is_read_or_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    reading._reader.cache_clear()
    monkeypatch.setattr(reading, "_logged", set())


NAN = float("nan")
INFINITE = float("inf")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, 600, 600),
        (int, "600", 600),
        (int, " 600 ", 600),
        (int, "600.7", 600),
        (int, 600.7, 600),
        (int, -0.5, 0),
        (int, "6e2", 600),
        (int, True, 1),
        (int, False, 0),
        (int, 2**63 - 1, 2**63 - 1),
        (int, -(2**63), -(2**63)),
        (float, 3, 3.0),
        (float, "20.6", 20.6),
        (float, True, 1.0),
        (str, "s", "s"),
        (str, "ü 🐈", "ü 🐈"),
        (str, "half \ud83d", "half \ufffd"),
        (wire.SignalingErrorReason, "\udc00", wire.SignalingErrorReason("\ufffd")),
        (str, 42, "42"),
        (str, -1, "-1"),
        (str, 42.0, "42"),
        (str, 10**400, "1" + "0" * 400),
        (str, 1.5, "1.5"),
        (str, 1e300, "1e+300"),
        (str, 10**30, "1" + "0" * 30),
        (bool, True, True),
        (wire.SignalingErrorReason, "unknown", wire.SignalingErrorReason.UNKNOWN),
        (wire.SignalingErrorReason, "new", wire.SignalingErrorReason("new")),
        (dict[str, Any], {"a": NAN}, {"a": NAN}),
        (dict[str, int], {"a": "1", "b": "x"}, {"a": 1}),
        (list[str], [1, None, "x"], ["1", "x"]),
        (str | int, 0, 0),
        (str | int, "0", "0"),
        (str | int, 0.5, "0.5"),
        (str | list[str] | None, None, None),
        (str | list[str] | None, ["a", 1], ["a", "1"]),
        (str | list[str] | None, 3478, "3478"),
    ],
)
def test_a_value_is_taken_if_its_meaning_is_clear(kind: Any, value: Any, expected: Any) -> None:
    found: Any = read(kind, value)
    assert (found, type(found)) == (expected, type(found))
    assert type(found) in (type(expected), ShortList)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        *((int, value, "int was expected") for value in ("", "soon", None, [], {}, [600])),
        *((int, value, "not finite") for value in (NAN, INFINITE, -INFINITE, "NaN", "-inf", "9" * 5000)),
        *((int, value, "too large") for value in (2**63, -(2**63) - 1, 1e19, "1e300")),
        *((float, value, "float was expected") for value in ("x", None, {})),
        (float, 10**400, "too large"),
        *((str, value, "str was expected") for value in (True, None, [], {}, NAN, INFINITE)),
        (str, DamagedText("caf\ufffd"), "not UTF-8"),
        *((bool, value, "bool was expected") for value in (0, 1, "true", None, [])),
        *((wire.SignalingErrorReason, value, "str was expected") for value in (1, None, [], DamagedText("x"))),
        *((list[str], value, "a list was expected") for value in (None, {}, "x", 7)),
        *((dict[str, int], value, "an object was expected") for value in (None, [], "x", 7)),
        *((wire.Offer, value, "an object was expected") for value in (None, [], "x", 7)),
        (str | list[str], {}, "no alternative fits dict"),
        (str | list[str], None, "no alternative fits NoneType"),
    ],
)
def test_any_other_value_is_unreadable(kind: Any, value: Any, problem: str) -> None:
    with pytest.raises(UnreadableError) as refusal:
        read(kind, value)
    assert problem in refusal.value.faults[0][1]


def test_an_absent_or_unreadable_field_has_its_stand_in_or_its_default() -> None:
    bare = wire.SimulationJobDetail(
        job_id="j", status=wire.SimulationJobStatus("unknown"), priority="", created_at=""
    )
    assert read(wire.SimulationJobDetail, {"job_id": "j"}) == bare
    wrong = {name: {"x": 1} for name in ("status", "priority", "created_at", "retry_count", "streams")}
    assert read(wire.SimulationJobDetail, {"job_id": "j", **wrong}) == bare
    nulls = dict.fromkeys(wrong)
    assert read(wire.SimulationJobDetail, {"job_id": "j", **nulls}) == bare


def test_the_type_of_a_message_may_be_absent_but_not_another() -> None:
    assert read(wire.Offer, {"type": "offer", "sdp": "v=0"}) == read(wire.Offer, {"sdp": "v=0"})


def test_a_stand_in_that_is_a_list_is_new_each_time() -> None:
    one, other = (read(wire.RegionsResponse, {}).regions for _ in range(2))
    assert (one, one is other) == ([], False)


def test_an_essential_field_makes_its_object_unreadable() -> None:
    with pytest.raises(UnreadableError) as refusal:
        read(
            wire.SessionResponse, Doubled({"session_id": "", "signalling_url": "b"}, frozenset({"signalling_url"}))
        )
    assert refusal.value.faults == (
        (".session_id", "it is empty"),
        (".signalling_url", "the key appears twice"),
    )
    with pytest.raises(UnreadableError) as refusal:
        read(wire.Offer, {"type": "answer"})
    assert refusal.value.faults == (
        (".type", "another constant was expected"),
        (".sdp", "required field 'sdp' is missing"),
    )


def test_a_key_that_appears_twice_matters_only_in_a_field_that_is_used() -> None:
    data = Doubled({"session_id": "s", "signalling_url": "u", "model": "m", "new": 1}, frozenset({"model", "new"}))
    assert read(wire.SessionResponse, data) == wire.SessionResponse(session_id="s", signalling_url="u")


def test_the_faults_of_what_becomes_unreadable_are_those_that_made_it_so() -> None:
    data = {"detail": {"message": "m", "action_url": []}}
    assert read(wire.ErrorBody, data) == wire.ErrorBody(detail=data["detail"])


def test_a_broken_rule_between_fields_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="it is not a valid SimulationRequest"):
        read(wire.SimulationRequest, {"portrait": True})


def test_unreadable_rows_are_left_out_and_counted() -> None:
    rows = read(wire.RegionsResponse, {"regions": [{}, {"id": "us"}, 7, None]}).regions
    assert (rows, left_out(rows)) == ([wire.Region(id="us", ping_url="")], 3)
    assert left_out(read(wire.RegionsResponse, {"regions": [{"id": "us"}]}).regions) == 0


def test_each_place_is_logged_once_without_values_and_keys_of_data(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"id": "SECRET"}, {"id": ["SECRET"]}, {"id": "SECRET", "ping_url": {"SECRET": 1}}]
    for _ in range(2):
        read(wire.RegionsResponse, {"regions": rows})
    read(wire.SessionRequest, {"region_latencies": {"SECRET": "SECRET"}})
    assert [record.getMessage() for record in caplog.records] == [
        "RegionsResponse.regions[].ping_url: required field 'ping_url' is missing (logged once)",
        "RegionsResponse.regions[].id: str was expected, not list; the row is left out (logged once)",
        "SessionRequest.region_latencies.*: int was expected, not str (logged once)",
    ]


def test_of_many_faults_a_few_are_shown_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "odyssey_proto.reading")
    rows: Any = [None] * (PROBLEMS_MOST_SHOWN + 5)
    assert left_out(read(list[wire.SimulationStream], rows)) == len(rows)
    assert [record.message for record in caplog.records if "5 more problems" in record.message]


def test_reading_a_list_ends_with_the_time_of_its_call() -> None:
    def expired() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        read(list[str], ["a", "b"], expired)
