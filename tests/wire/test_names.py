"""Names and values on the wire that Python cannot use as they are: what the models call them, what is refused."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools.codegen import rules
from tools.codegen.lowering import RESERVED
from tools.codegen.marked import parse
from tools.codegen.models import write_package
from tools.codegen.runtime.json_object import JsonObject
from tools.codegen.sources import read
from tools.codegen.tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.xdist_group("model names")  # the models are generated once for all tests

ROOT = Path(__file__).resolve().parents[2]

ATTRIBUTES = {
    "trace-id": "trace_id",
    "with space.and dot": "with_space_and_dot",
    "class": "class_",
    "from": "from_",
    "None": "none",
    "match": "match",
    "self": "self_",
    "to_dict": "to_dict_",
    "str": "str_",
    "list": "list_",
    "attrs": "attrs_",
    "re": "re_",
    "2fa": "field_2fa",
    "$schema": "schema",
    "_id": "id",
    "__slots__": "slots__",
    "größe": "größe",
    "$ref": "ref",
    'say "it\'s"': "say_it_s",
    'a """ b': "a_b",
    # A name that is spelt like its attribute keeps that spelling, wherever it stands in the list.
    "sdpMid": "sdp_mid_",
    "sdp_mid": "sdp_mid",
    "sdp-mid": "sdp_mid__",
}
MEMBERS = {
    "2fa": "VALUE_2FA",
    "in-progress": "IN_PROGRESS",
    'say "it\'s"': "SAY_IT_S",
    "a\\b": "A_B",
    "mro": "MRO",
}

# Reads a message in every possible way, and writes it in every possible way.
PROGRAM = """
import json, sys
import attrs, odyssey_models
from odyssey_proto._model import codec

text = sys.argv[1]
vector = json.loads(text)
cls, one = odyssey_models.Odd, odyssey_models.converter()
names = {field.metadata.get("wire", field.name): field.name for field in attrs.fields(cls)}
values = {member.value: member.name for member in odyssey_models.OddValue}
read = [one.structure(vector, cls), codec.decode(cls, text), codec.decode_request(cls, text)]
read.append(cls(**{names[wire]: value for wire, value in vector.items()}))
written = [message.to_dict() for message in read] + [one.unstructure(message) for message in read]
print(json.dumps({"names": names, "values": values, "equal": all(x == read[0] for x in read), "written": written}))
"""


def document(**definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Odd",
        "description": "Names that are odd.",
        "$defs": definitions,
    }


def faults(**definitions: dict[str, Any]) -> list[str]:
    """Return the faults that the rules find in a file with these definitions."""
    marked = parse(yaml.safe_dump(document(**definitions), sort_keys=False, allow_unicode=True), "odd.yaml")
    return [fault.text for fault in rules.faults({"odd.yaml": marked})]


def class_of(names: Iterable[str]) -> dict[str, Any]:
    properties = {name: {"type": ["string", "null"], "description": f"Text of {name}"} for name in names}
    return {
        "description": "An object.",
        "type": "object",
        "properties": properties,
        "examples": [{"trace-id": "1"}],
    }


def enum_of(values: Iterable[str]) -> dict[str, Any]:
    branches = [{"const": value, "description": f"Text of {value}"} for value in values]
    return {
        "description": "Values.",
        "anyOf": [*branches, {"type": "string", "description": "Any other."}],
        "examples": ["2fa"],
    }


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of `spec/` and of one more file of definitions."""
    folder = tmp_path_factory.mktemp("odd")
    spec = Path(shutil.copytree(ROOT / "spec", folder / "spec"))
    odd = document(Odd={**class_of(ATTRIBUTES), "required": ["trace-id"]}, OddValue=enum_of(MEMBERS))
    (spec / "schemas" / "odd.yaml").write_text(yaml.safe_dump(odd, sort_keys=False), "utf-8")
    openapi = (spec / "openapi.yaml").read_text("utf-8").rstrip()
    both = "".join(f"\n    {name}: {{$ref: 'schemas/odd.yaml#/$defs/{name}'}}" for name in ("Odd", "OddValue"))
    (spec / "openapi.yaml").write_text(f"{openapi}{both}\n", "utf-8")
    files = read(spec / "schemas")
    write_package(files, read_tables(spec / "asyncapi.yaml", files), folder / "python" / "odyssey_models")
    return folder / "python"


def test_an_odd_name_stays_on_the_wire(package: Path) -> None:
    vector = {name: f"value of {name}" for name in ATTRIBUTES}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(ROOT)]), "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", PROGRAM, json.dumps(vector)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    shown = json.loads(done.stdout)
    assert shown["names"] == ATTRIBUTES
    assert shown["values"] == MEMBERS
    assert shown["equal"]
    assert [data for data in shown["written"] if data != vector] == []


def test_everything_with_an_odd_name_has_its_text(package: Path) -> None:
    code = (package / "odyssey_models" / "odd.py").read_text("utf-8")
    texts = [
        node.value.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    assert {f"Text of {name}" for name in (*ATTRIBUTES, *MEMBERS)} <= set(texts)


@pytest.mark.parametrize("name", ["$", "", "--", "_", "…"])
def test_a_name_that_leaves_nothing_is_refused(name: str) -> None:
    assert faults(Odd=class_of([name])) == [
        f"Odd/{name}: no attribute can be named after it: no letter and no digit"
    ]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (["", "x"], "Odd/anyOf/0: a value of an enum is a text that is not empty"),
        (["+"], "Odd/anyOf/0: no member can be named after `+`: no letter and no digit"),
        (["done", "DONE"], "Odd/anyOf/1: `DONE` and `done` would both be `DONE` in code"),
        (["a-b", "a b"], "Odd/anyOf/1: `a b` and `a-b` would both be `A_B` in code"),
    ],
)
def test_values_that_give_no_names_are_refused(values: list[str], fault: str) -> None:
    assert faults(Odd=enum_of(values)) == [fault]


def test_no_attribute_hides_what_every_model_has() -> None:
    assert {name for name in dir(JsonObject) if not name.startswith("_")} <= RESERVED
