"""Linters find nothing in the generated documents; a parser and a validator read them as they are meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import node
from tests.support.generated import GENERATED, read_document
from tools import yaml_text
from tools.codegen.keywords import OURS

HERE = Path(__file__).parent
OPENAPI = sorted((GENERATED / "openapi").glob("*.yaml"))
ASYNCAPI = GENERATED / "asyncapi" / "odyssey.asyncapi.yaml"
SCHEMA = GENERATED / "schema" / "odyssey.schema.json"

pytestmark = pytest.mark.generators


def test_redocly_finds_nothing(npm: Path) -> None:
    node.run("node_modules/.bin/redocly", "lint", "--config", HERE / "redocly.yaml", *OPENAPI, cwd=npm)


def test_spectral_finds_nothing(npm: Path) -> None:
    command = (
        "node_modules/.bin/spectral",
        "lint",
        "--fail-severity",
        "hint",
        "--ruleset",
        HERE / "spectral.yaml",
    )
    node.run(*command, *OPENAPI, ASYNCAPI, cwd=npm)


def test_the_parser_of_asyncapi_finds_every_message_in_its_direction(javascript: Path) -> None:
    found = json.loads(node.run("node", "asyncapi_parser.mjs", ASYNCAPI, cwd=javascript))
    document = yaml_text.parsed(ASYNCAPI.read_text("utf-8"))
    names = {name: message["name"] for name, message in document["components"]["messages"].items()}
    written = {
        name: (
            operation["action"],
            operation["channel"]["$ref"].rpartition("/")[2],
            sorted(_message(document, entry["$ref"], names) for entry in operation["messages"]),
        )
        for name, operation in document["operations"].items()
    }
    assert found["errors"] == []
    read = {
        name: (operation["action"], *operation["channels"], sorted(operation["messages"]))
        for name, operation in found["operations"].items()
    }
    assert read == written


def test_ajv_in_strict_mode_accepts_every_valid_vector(javascript: Path) -> None:
    document = read_document("schema/odyssey.schema.json")
    cases = [*document.cases(), *document.cases(unlisted=True)]
    assert _validated(javascript, [(case.definition, case.value) for case in cases]) == [None] * len(cases)


def test_ajv_in_strict_mode_refuses_every_invalid_vector_by_its_keyword(javascript: Path) -> None:
    cases = [
        (path.stem, case)
        for path in sorted((GENERATED.parent / "spec" / "vectors" / "invalid").glob("*.json"))
        for case in json.loads(path.read_text("utf-8"))["cases"]
    ]
    found = _validated(javascript, [(name, case["data"]) for name, case in cases])
    wrong = [
        (name, case["name"], keywords)
        for (name, case), keywords in zip(cases, found, strict=True)
        if case["keyword"] not in (keywords or [])
    ]
    assert wrong == []


def _message(document: dict[str, object], reference: str, names: dict[str, str]) -> str:
    found: object = document
    for step in reference[2:].split("/"):
        found = found[step]  # type: ignore[index]
    return names[found["$ref"].rpartition("/")[2]]  # type: ignore[index]


def _validated(javascript: Path, questions: list[tuple[str, object]]) -> list[list[str] | None]:
    ours = sorted(OURS)
    command = ("node", "ajv.mjs", SCHEMA, *ours, "x-enum-varnames", "x-enum-descriptions")
    answers = node.answers([{name: value} for name, value in questions], *command, cwd=javascript)
    return [answer[name] for (name, _), answer in zip(questions, answers, strict=True)]
