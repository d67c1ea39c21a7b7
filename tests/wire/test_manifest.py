"""The manifest of `spec/vectors`, and the vectors that follow from the schemas."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools.vectors import __main__ as command
from tools.vectors.manifest import LEVELS
from tools.vectors.mutations import definition, definitions, served

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors"
MANIFEST = json.loads((VECTORS / "manifest.json").read_text("utf-8"))
FILES = {entry["path"]: json.loads((VECTORS / entry["path"]).read_text("utf-8")) for entry in MANIFEST["files"]}

PREFIX = "x-conformance-"
MEANT = {
    "running": "the status of an older service, which its page has",
    "reason": "in an error of another shape, where any object may stand",
    "until": "ditto",
}
"""Names and values that no schema lists, although they are not samples of the unknown -> their meaning."""


def unknown(schema: Any, data: Any) -> Iterator[str]:
    """Yield every name and every value of an enum in `data` that the schema does not list."""
    while "$ref" in schema:
        schema = definition(schema["$ref"].rpartition("/")[2])
    branches = schema.get("anyOf", []) + schema.get("oneOf", [])
    if any("const" in branch for branch in branches):
        listed = [branch["const"] for branch in branches if "const" in branch]
        yield from [data] if isinstance(data, str) and data not in listed else []
        return
    for branch in branches:
        resolved = definition(branch["$ref"].rpartition("/")[2]) if "$ref" in branch else branch
        tag = resolved.get("properties", {}).get("type", {}).get("const")
        if tag is None or (isinstance(data, dict) and data.get("type") == tag):
            yield from unknown(branch, data)
    if isinstance(data, dict) and "properties" in schema:
        for name, value in data.items():
            if name in schema["properties"]:
                yield from unknown(schema["properties"][name], value)
            else:
                yield name
    if isinstance(data, list) and "items" in schema:
        for value in data:
            yield from unknown(schema["items"], value)


def test_what_follows_from_the_schemas_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 0, capsys.readouterr().out


def test_what_is_out_of_date_is_reported(tmp_path: Path) -> None:
    shutil.copytree(VECTORS, tmp_path / "vectors")
    (tmp_path / "vectors" / "tolerant" / "Offer.json").write_text("{}", "utf-8")
    assert command.differences(VECTORS, tmp_path / "vectors") == ["stale: tolerant/Offer.json"]


def test_the_manifest_lists_every_file_with_its_cases() -> None:
    assert FILES.keys() == {path.relative_to(VECTORS).as_posix() for path in VECTORS.glob("*/*.json")}
    assert {entry["path"]: entry["cases"] for entry in MANIFEST["files"]} == {
        path: len(content["cases"]) for path, content in FILES.items()
    }


def test_every_file_counts_at_a_level_that_is_described() -> None:
    assert MANIFEST["levels"] == LEVELS
    for entry in MANIFEST["files"]:
        assert set(entry["levels"]) <= LEVELS.keys()
        assert entry["levels"], entry["path"]


def test_the_version_has_three_numbers() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", MANIFEST["version"])


def test_names_of_cases_are_not_used_twice() -> None:
    for path, content in FILES.items():
        names = [case["name"] for case in content["cases"]]
        assert len(names) == len(set(names)), path


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith(("valid/", "tolerant/", "requests/"))])
def test_samples_of_the_unknown_have_names_that_are_reserved(path: str) -> None:
    schema = definition(FILES[path]["schema"].rpartition("/")[2])
    for case in FILES[path]["cases"]:
        # The other mutations put known names and values at places where nobody expects them.
        if "data" in case and (path.startswith("valid/") or ": and " in case["name"]):
            odd = {name for name in unknown(schema, case["data"]) if not name.startswith(PREFIX)}
            assert odd - MEANT.keys() == set(), case["name"]


def test_no_schema_uses_a_name_that_is_reserved() -> None:
    assert MANIFEST["reserved_prefix"] == PREFIX
    assert PREFIX not in json.dumps([schema for _, schema in definitions().values()])


def test_every_body_has_unknown_fields_and_nulls() -> None:
    objects = {name for name, (_, schema) in definitions().items() if "properties" in schema}
    for name in objects:
        kind = "tolerant" if name in served() else "requests"
        names = {case["name"] for case in FILES[f"{kind}/{name}.json"]["cases"]}
        assert {": and null", ": and a text", ": and an object"} <= names, name
        fields = definition(name)["properties"]
        assert any(f"/{field}: null" in names for field in fields) or not fields, name


def test_raw_text_has_every_kind_of_damage() -> None:
    cases = FILES["tolerant/TokenResponse.json"]["cases"]
    shown = [case.get("text", "") for case in cases]
    assert any("NaN" in text for text in shown)
    assert any(text.startswith("\ufeff") for text in shown)
    assert any(text.count('"access_token"') == 2 for text in shown)
    assert any("base64" in case for case in cases)


def test_what_a_request_may_be_is_what_its_schema_says(validator: Any) -> None:
    for path, content in FILES.items():
        if path.startswith("requests/"):
            fits = validator(content["schema"])
            for case in content["cases"]:
                assert fits.is_valid(case["data"]) == (case["reader"] == "accepts"), f"{path}: {case['name']}"


def test_transcripts_have_steps_of_the_documented_kinds() -> None:
    for path, content in FILES.items():
        for case in content["cases"] if path.startswith("transcripts/") else ():
            assert case["begin"] == "connected"
            for step in case["steps"]:
                assert len(step.keys() & {"does", "hears", "waits_s"}) == 1
                assert step.keys() <= {"does", "hears", "waits_s", "sends", "calls"}
