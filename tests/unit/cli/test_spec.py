"""``odyssey-proto spec``: the list, a document, a definition, everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest

from odyssey_proto._base import shipped
from odyssey_proto.cli import main
from tests.support.systems import NEEDS_DEV_FULL

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[3]
BUNDLE: Final = json.loads((ROOT / "generated" / "schema" / "odyssey.schema.json").read_text("utf-8"))


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command, and returns what it prints."""

    def run(*arguments: str) -> str:
        assert main(["spec", *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_it_lists_documents_bundles_and_definitions(output: Any) -> None:
    rows = [line.split("\t") for line in output().splitlines()]
    assert rows[0] == ["kind", "name", "what it is"]
    assert ["document", "schemas/signaling.yaml", ""] in rows
    assert ["bundle", "odyssey.openapi.json", ""] in rows
    assert ["definition", "Region", "A location where streamers run."] in rows
    assert not [name for _, name, _ in rows if name.startswith("vectors")]


def test_the_list_is_json_too(output: Any) -> None:
    listed = json.loads(output("--json"))
    assert listed["version"] == (ROOT / "spec" / "VERSION").read_text().strip()
    assert "openapi.yaml" in listed["documents"]
    assert listed["bundles"] == sorted(
        path.name for name in ("schema", "openapi", "asyncapi") for path in (ROOT / "generated" / name).iterdir()
    )
    assert listed["definitions"].keys() == BUNDLE["$defs"].keys()


def test_every_definition_is_a_schema_that_is_complete_in_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name, schema in BUNDLE["$defs"].items():
        assert main(["spec", name, "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert schema.items() <= printed.items()
        jsonschema.Draft202012Validator.check_schema(printed)
        validator = jsonschema.Draft202012Validator(printed)
        for example in schema.get("examples", ()):
            validator.validate(example)


def test_a_definition_has_what_it_refers_to_unless_it_is_alone(output: Any) -> None:
    text = output("RegionsResponse")
    assert text.count("\n") > 10
    assert list(json.loads(text)["$defs"]) == ["Region"]
    assert json.loads(output("RegionsResponse", "--alone")) == BUNDLE["$defs"]["RegionsResponse"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("schemas/ice.yaml", "spec/schemas/ice.yaml"),
        ("odyssey.openapi.json", "generated/openapi/odyssey.openapi.json"),
        ("conformance.md", "spec/conformance.md"),
    ],
)
def test_a_document_is_printed_as_it_is(name: str, path: str, output: Any) -> None:
    assert output(name) == (ROOT / path).read_text("utf-8")


def test_a_document_can_be_json(output: Any) -> None:
    assert json.loads(output("odyssey.schema.json", "--json")) == BUNDLE
    text = (ROOT / "spec" / "VERSION").read_text("utf-8")
    assert json.loads(output("VERSION", "--json")) == {"name": "VERSION", "text": text}


def test_it_is_written_to_a_file(output: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "offer.json"
    assert output("Offer", "--out", str(path)) == f"{path}\n"
    assert json.loads(path.read_text())["title"] == "Offer"
    assert main(["spec", "Offer", "--out", str(path)]) == 2
    assert f"{path} exists; --force replaces it." in capsys.readouterr().err
    assert output("Answer", "--out", str(path), "--force") == f"{path}\n"
    assert json.loads(path.read_text())["title"] == "Answer"
    assert json.loads(output("Offer", "--out", "-"))["title"] == "Offer"


def test_everything_is_written_into_a_folder(
    output: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "protocol"
    said = output("--out", str(folder))
    assert (folder / "openapi.yaml").read_bytes() == (ROOT / "spec" / "openapi.yaml").read_bytes()
    assert (folder / "vectors" / "valid" / "Offer.json").is_file()
    assert json.loads((folder / "bundles" / "odyssey.schema.json").read_text("utf-8")) == BUNDLE
    count = sum(path.is_file() for path in folder.rglob("*"))
    assert said == f"{folder}: {count} files\n"
    assert main(["spec", "--out", str(folder)]) == 2
    assert "is not empty; --force replaces files in it." in capsys.readouterr().err
    assert json.loads(output("--out", str(folder), "--force", "--json")) == {"folder": str(folder), "files": count}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["SimulationJobDetal"], "did you mean SimulationJobDetail"),
        (["xyzzy"], "see odyssey-proto spec"),
        (["--alone"], "--alone is for one definition: name it"),
        (["VERSION", "--alone"], "--alone is for one definition, not for a document"),
        (["--out", "-"], "name a folder"),
        (["Offer", "--out", "no/such/folder.json"], "its folder does not exist"),
        (["Offer", "--out", "/"], "/ cannot be written: it is a folder"),
        (["--out", __file__], "cannot be a folder: "),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spec", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


@NEEDS_DEV_FULL
def test_a_full_disk_is_named_and_is_no_wrong_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "Offer", "--out", "/dev/full"]) == 1
    assert capsys.readouterr().err == "odyssey-proto: /dev/full: No space left on device\n"


def test_an_installation_without_documents_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "odyssey_proto")
    shipped.spec_folder.cache_clear()
    try:
        assert main(["spec"]) == 1
    finally:
        shipped.spec_folder.cache_clear()
    assert "install odyssey-proto again" in capsys.readouterr().err
