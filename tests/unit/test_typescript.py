"""The npm package is made from any schemas that keep the rules; one that TypeScript cannot express is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.small_spec import documents
from tools.codegen.marked import Document
from tools.codegen.sources import SpecError, read
from tools.codegen.typescript_documented import documented
from tools.codegen.typescript_guards import guards
from tools.codegen.typescript_types import Declarations, rest_calls

SPEC = Path(__file__).resolve().parents[2] / "spec"
TEXT = {"type": "string", "description": "A text."}


def files(**definitions: Any) -> dict[str, Any]:
    described = {name: {"description": "One.", **schema} for name, schema in definitions.items()}
    return documents({"made.yaml": {"title": "Made", "description": "Made.", "$defs": described}})


def declared(**definitions: Any) -> str:
    return Declarations(files(**definitions)).text()


def test_a_field_is_required_if_it_is_listed_or_written_as_null() -> None:
    fields = {"a": TEXT, "b": {**TEXT, "type": ["string", "null"], "x-write-null": True}, "c": TEXT}
    text = declared(Thing={"type": "object", "required": ["a"], "properties": fields})
    assert "  a: string;\n" in text
    assert "  b: string | null;\n" in text
    assert "  c?: string;\n" in text


def test_a_name_that_is_no_identifier_is_quoted_in_types_and_guards() -> None:
    schema = {"type": "object", "required": ["trace-id"], "properties": {"trace-id": TEXT}}
    assert '  "trace-id": string;\n' in declared(Thing=schema)
    assert 'typeof value["trace-id"] === "string"' in guards(files(Thing=schema))


def test_texts_cannot_end_a_comment_or_be_taken_for_tags() -> None:
    text = declared(Thing={"type": "string", "description": "Ends */ here, for a@b, as `{id}` or {id}."})
    assert "/** Ends *\\/ here, for a\\@b, as `{id}` or \\{id\\}. */" in text


def test_a_list_of_unions_keeps_its_brackets() -> None:
    items = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert "export type Thing = (string | number)[];\n" in declared(Thing={"type": "array", "items": items})


@pytest.mark.parametrize(
    "field",
    [{"not": {"type": "string"}}, {"type": "object", "properties": {"inner": TEXT}}],
    ids=["a keyword", "an object without a name"],
)
def test_what_has_no_form_is_an_error_that_names_the_place(field: Any) -> None:
    schema = {"type": "object", "properties": {"odd": {"description": "Odd.", **field}}}
    for write in (guards, lambda made: Declarations(made).text()):
        with pytest.raises(SpecError, match=r"^made\.yaml:8: Thing/odd: no TypeScript for"):
            write(files(Thing=schema))


def test_a_parameter_without_a_form_is_an_error_with_the_line_of_its_call() -> None:
    parameter = {"name": "id", "in": "query", "schema": {"not": {"type": "string"}}}
    get = {"operationId": "getThing", "summary": "Get it.", "parameters": [parameter], "responses": {}}
    openapi = documents({"openapi.yaml": {"paths": {"/things": {"get": get}}}})["openapi.yaml"]
    with pytest.raises(SpecError, match=r"^openapi\.yaml:3: /things: no TypeScript for \['not'\]$"):
        rest_calls(openapi)


def test_a_field_that_the_documentation_shows_and_the_schemas_lack_is_an_error_with_its_line() -> None:
    made = read(SPEC / "schemas")
    file, line = next(
        (file, document.marked.lines["$defs", "Recording"])
        for file, document in made.items()
        if isinstance(document, Document) and "Recording" in document["$defs"]
    )
    del made[file]["$defs"]["Recording"]["properties"]["preview_url"]
    with pytest.raises(SpecError) as refusal:
        documented(made)
    shown = "Recording: no preview_url, which the documentation shows"
    assert refusal.value.faults == [f"spec/schemas/{file}:{line}: {shown}"]


def test_a_call_has_the_parameters_of_its_path_and_all_its_answers() -> None:
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    content = {"application/json": {"schema": {"$ref": "schemas/made.yaml#/$defs/Thing"}}}
    get = {
        "operationId": "getThing",
        "summary": "Get it.",
        "responses": {
            "200": {"description": "It.", "content": content},
            "204": {"description": "None."},
            "404": {},
        },
    }
    text = rest_calls({"paths": {"/things/{id}": {"parameters": [parameter], "get": get}}})
    assert "    pathParameters: { id: string };\n" in text
    assert "    answer: Thing | undefined;\n" in text
