"""Scripts as users write them: what is sent, and refusals that name the entry."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import odyssey_models as wire
import pytest
from PIL import Image

from odyssey_proto._base.errors import OdysseyConfigError
from odyssey_proto._model import codec
from odyssey_proto._rest.simulation_request import simulation_request

START = {"timestamp_ms": 0, "start": {"prompt": "A cat"}}
INTERACT = {"timestamp_ms": 3000, "interact": {"prompt": "It yawns"}}
END = {"timestamp_ms": 9000, "end": {}}


def sent(**arguments: Any) -> dict[str, Any]:
    return codec.to_dict(simulation_request(**arguments))


def test_the_documented_script_is_sent_as_it_is_written() -> None:
    assert sent(script=[START, INTERACT, END]) == {
        "portrait": True,
        "output_video": True,
        "script": [START, INTERACT, END],
    }


def test_models_do_as_well_as_dicts() -> None:
    models = [codec.from_dict(wire.ScriptEntry, entry) for entry in (START, INTERACT, END)]
    assert sent(script=models) == sent(script=(START, INTERACT, END))


def test_several_scripts_are_sent_with_the_options() -> None:
    assert sent(scripts=[[START], [START, END]], portrait=False, bypass_prompt_expansion=True) == {
        "portrait": False,
        "output_video": True,
        "bypass_vlm_expansion": True,
        "scripts": [[START], [START, END]],
    }


def test_an_address_is_sent() -> None:
    assert sent(script_url="https://x.example/s.json")["script_url"] == "https://x.example/s.json"


def test_a_stream_may_follow_another_and_entries_may_share_a_moment() -> None:
    again = {"timestamp_ms": 9000, "start": {"prompt": "A dog"}}
    assert len(sent(script=[START, END, again])["script"]) == 3


def test_an_action_that_is_none_is_not_there() -> None:
    assert sent(script=[{**START, "end": None}])["script"] == [START]


def test_an_image_becomes_a_data_url_of_the_orientation() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 0, 0)).save(out, "PNG")
    entry = {"timestamp_ms": 0, "start": {"prompt": "A cat", "image": out.getvalue()}}
    (start,) = sent(script=[entry], portrait=False)["script"]
    head, _, data = start["start"]["image"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (1280, 704)


SEEDED = {
    "timestamp_ms": 0,
    "start": {"prompt": "A cat", "seed": 7, "style": {"name": "oil", "weights": [0.5, None]}},
}
UNKNOWN: list[tuple[str, Any]] = [
    ("in a start", [SEEDED]),
    ("in an interaction", [START, {"timestamp_ms": 1, "interact": {"prompt": "It yawns", "strength": 0.5}}]),
    ("in an end", [START, {"timestamp_ms": 1, "end": {"fade": True}}]),
    ("in an entry", [{**START, "label": "begin"}]),
    ("as an action", [START, {"timestamp_ms": 1, "pause": {"for_ms": 10}}, {"timestamp_ms": 2, "end": {}}]),
    ("beside a misspelled action", [{**START, "strat": {}}]),
    ("a whole number of ms as a float", [{**START, "timestamp_ms": 500.0}]),
    ("a fraction of a ms", [{**START, "timestamp_ms": 0.5}, {"timestamp_ms": 500.25, "end": {}}]),
]


@pytest.mark.parametrize("script", [row[1] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_what_is_not_known_here_goes_out_as_given(script: Any) -> None:
    assert json.dumps(sent(script=script)["script"]) == json.dumps(script)
    assert sent(scripts=[script])["scripts"] == [script]


def test_a_start_with_an_image_keeps_what_is_not_known_here() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    start = {"prompt": "A cat", "image": out.getvalue(), "seed": 7, "style": None}
    (entry,) = sent(script=[{"timestamp_ms": 0, "start": start}])["script"]
    assert list(entry["start"]) == list(start)
    assert {**entry["start"], "image": None} == {**start, "image": None}


def test_numbers_of_numpy_are_numbers() -> None:
    (start,) = sent(script=[{**START, "timestamp_ms": np.float64(500)}])["script"]
    assert json.dumps(start["timestamp_ms"]) == "500.0"


def test_what_goes_out_is_what_was_given_then() -> None:
    style = {"name": "oil"}
    body = sent(script=[{"timestamp_ms": 0, "start": {"prompt": "A cat", "style": style}}])
    style["name"] = "ink"
    assert body["script"][0]["start"]["style"] == {"name": "oil"}


WRONG: list[tuple[str, Any, str]] = [
    ("no dict", ["A cat"], "script[0]: it must be a dict, not str"),
    ("no action", [{"timestamp_ms": 0}], "script[0]: exactly one of start, interact and end is needed, not 0"),
    (
        "two actions",
        [START, {**INTERACT, "end": {}}],
        "script[1]: exactly one of start, interact and end is needed",
    ),
    ("no moment", [{"start": {"prompt": "A"}}], "script[0]: timestamp_ms is missing"),
    (
        "a bool as moment",
        [{**START, "timestamp_ms": True}],
        "script[0]: timestamp_ms must be a number, not bool",
    ),
    ("a text as moment", [{**START, "timestamp_ms": "0"}], "script[0]: timestamp_ms must be a number, not str"),
    ("no number", [{**START, "timestamp_ms": float("nan")}], "script[0]: timestamp_ms must be 0 or more ms"),
    ("no end", [{**START, "timestamp_ms": float("inf")}], "script[0]: timestamp_ms must be 0 or more ms"),
    ("a negative moment", [{**START, "timestamp_ms": -1}], "script[0]: timestamp_ms must be 0 or more ms"),
    ("a moment out of range", [{**START, "timestamp_ms": 2**60}], "script[0]: timestamp_ms must be 0 or more ms"),
    (
        "back in time",
        [START, END, {**INTERACT, "timestamp_ms": 1}],
        "script[2]: timestamp_ms goes back from 9000 to 1",
    ),
    ("interact first", [INTERACT], "script[0]: interact without a stream; start one first"),
    ("end first", [END], "script[0]: end without a stream; start one first"),
    ("interact after the end", [START, END, {**INTERACT, "timestamp_ms": 9000}], "script[2]: interact without"),
    ("end twice", [START, END, END], "script[2]: end without a stream"),
    ("start twice", [START, START], "script[1]: a stream is running already; end it first"),
    ("no prompt", [{"timestamp_ms": 0, "start": {}}], "script[0].start: prompt is missing"),
    (
        "no prompt to interact",
        [START, {"timestamp_ms": 1, "interact": {}}],
        "script[1].interact: prompt is missing",
    ),
    (
        "a prompt of another type",
        [{"timestamp_ms": 0, "start": {"prompt": 7}}],
        "script[0].start: prompt must be a string, not int",
    ),
    (
        "half a character",
        [{"timestamp_ms": 0, "start": {"prompt": "\ud83d"}}],
        "script[0].start: prompt contains a lone surrogate",
    ),
    ("a start that is no dict", [{"timestamp_ms": 0, "start": "A cat"}], "script[0].start: it must be a dict"),
    ("what is no JSON", [{**START, "seed": b"7"}], "script[0]: 'seed' cannot be sent as JSON"),
    (
        "what is no JSON inside",
        [{"timestamp_ms": 0, "start": {"prompt": "A", "seed": float("nan")}}],
        "script[0].start: 'seed' cannot be sent as JSON",
    ),
    (
        "half a character elsewhere",
        [START, {"timestamp_ms": 1, "end": {"why": ["\ud83d"]}}],
        "script[1].end: 'why' cannot be sent as JSON",
    ),
    ("a key that is no text", [{**START, 7: "x"}], "script[0]: the key '7' is not a string"),
    (
        "an image that does not exist",
        [{"timestamp_ms": 0, "start": {"prompt": "A", "image": "no/such.jpg"}}],
        "script[0].start.image: The image file 'no/such.jpg' does not exist",
    ),
    (
        "an image that is none",
        [{"timestamp_ms": 0, "start": {"prompt": "A", "image": 7}}],
        "script[0].start.image: image must be a path",
    ),
    ("no entries", [], "script: it has no entries"),
]


@pytest.mark.parametrize(("script", "text"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_script_that_makes_no_sense_is_refused_with_its_place(script: Any, text: str) -> None:
    with pytest.raises(OdysseyConfigError) as caught:
        simulation_request(script=script)
    assert str(caught.value).startswith(text)
    assert caught.value.code in ("invalid_script", "image_not_found", "image_invalid")


def test_in_a_batch_the_script_is_named_too() -> None:
    with pytest.raises(OdysseyConfigError, match=r"^scripts\[1\]\[1\]: a stream is running already"):
        simulation_request(scripts=[[START], [START, START]])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, OdysseyConfigError),
        ({"script": [START], "script_url": "https://x.example"}, OdysseyConfigError),
        ({"script": [START], "scripts": [[START]]}, OdysseyConfigError),
        ({"script": "A cat"}, TypeError),
        ({"script": START}, TypeError),
        ({"scripts": 7}, TypeError),
        ({"scripts": [START]}, TypeError),
        ({"scripts": []}, OdysseyConfigError),
        ({"scripts": [[]]}, OdysseyConfigError),
        ({"script_url": 7}, TypeError),
        ({"script_url": ""}, OdysseyConfigError),
        ({"script_url": "ftp://x.example/s.json"}, OdysseyConfigError),
        ({"script_url": "https://x.example/a b"}, OdysseyConfigError),
        ({"script": [START], "portrait": 1}, TypeError),
        ({"script": [START], "bypass_prompt_expansion": "yes"}, TypeError),
    ],
)
def test_arguments_that_cannot_work(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        simulation_request(**arguments)
