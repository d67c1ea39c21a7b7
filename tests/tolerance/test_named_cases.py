"""Odd answers and messages with the right values, written by hand: `cases.yaml`, and the invalid vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import odyssey_models
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._model import codec, reading
from tools import yaml_text
from tools.vectors.mutations import UnreadableError, definition, right, served

HERE: Final = Path(__file__).parent
VECTORS: Final = HERE.parents[1] / "spec" / "vectors" / "invalid"
CASES: Final = [
    pytest.param(name, case, id=f"{name}: {case['name']}")
    for name, cases in yaml_text.parsed((HERE / "cases.yaml").read_text("utf-8")).items()
    for case in cases
]
every_case = pytest.mark.parametrize(("name", "case"), CASES)


def text(case: dict[str, Any]) -> bytes:
    shown: str = case["text"] if "text" in case else json.dumps(case["data"])
    return shown.encode("latin-1" if case.get("latin-1") else "utf-8")


@every_case
def test_an_odd_answer_is_read_as_the_table_says(name: str, case: dict[str, Any]) -> None:
    cls: type[Any] = getattr(odyssey_models, name)
    if "fails" in case:
        with pytest.raises(MalformedMessageError) as refusal:
            codec.decode(cls, text(case))
        assert case["fails"] in str(refusal.value)
    else:
        found = codec.decode(cls, text(case)).to_dict()
        assert found == case["reads"]
        assert json.dumps(found, sort_keys=True) == json.dumps(case["reads"], sort_keys=True)  # 1 is not True


@every_case
def test_the_table_agrees_with_the_keywords_of_the_schemas(name: str, case: dict[str, Any]) -> None:
    if "data" not in case:
        return
    try:
        wanted = {"reads": right(definition(name), case["data"])}
    except UnreadableError:
        wanted = {"fails": case.get("fails")}
    assert {key: case[key] for key in ("reads", "fails") if key in case} == wanted


def test_every_object_that_the_service_sends_is_in_the_table_or_in_the_vectors() -> None:
    in_table = set(yaml_text.parsed((HERE / "cases.yaml").read_text("utf-8")))
    assert set(served()) - in_table - {path.stem for path in VECTORS.glob("*.json")} == set()


@pytest.mark.parametrize("name", served())
def test_the_vectors_agree_with_the_keywords_of_the_schemas(name: str) -> None:
    for case in json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["cases"]:
        try:
            wanted = {"reader": "accepts", "written": right(definition(name), case["data"])}
        except UnreadableError:
            wanted = {}
        assert {key: case[key] for key in ("reader", "written") if key in case} == wanted, case["name"]


def test_what_cannot_be_read_is_logged_once_for_each_field_without_the_value(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_logged", set())
    for _ in range(2):
        codec.from_dict(
            odyssey_models.SessionResponse,
            {"session_id": "s", "signalling_url": "wss://h", "capabilities": ["SECRET"], "model": {"SECRET": 1}},
        )
    assert [record.getMessage() for record in caplog.records] == [
        "SessionResponse.capabilities: an object was expected, not list (logged once)",
        "SessionResponse.model: str was expected, not dict (logged once)",
    ]
