"""Schemas become components that generators understand: each rule is shown on the smallest schemas."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.small_spec import documents, spoilt
from tools.codegen.components import Components, Dialect
from tools.codegen.directions import sent_by_clients
from tools.codegen.documents import read_envelope
from tools.codegen.openapi import openapi_documents
from tools.codegen.sources import SpecError, read

SPEC = Path(__file__).resolve().parents[2] / "spec"
PREFIX = "#/components/schemas/"
MAPPED = Dialect(lambda mapping: {"propertyName": "type", "mapping": mapping}, ref_has_siblings=True)
NAMED = Dialect(lambda _: "type", ref_has_siblings=False)
TEXT = {"description": "A text.", "type": "string"}


def made(
    definitions: dict[str, Any], sent: frozenset[str] = frozenset(), dialect: Dialect = MAPPED
) -> dict[str, Any]:
    return Components(documents({"all.yaml": {"$defs": definitions}}), set(sent), dialect).schemas


def an_object(properties: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"description": "An object.", "type": "object", "properties": properties, **keywords}


def test_an_open_enum_is_a_text_with_a_closed_enum_of_its_values_beside_it() -> None:
    colour = {
        "description": "A colour.",
        "anyOf": [
            {"const": "red", "description": "Like blood."},
            {"const": "sky-blue", "description": "Like the sky.", "x-assumed": True},
            {"type": "string", "description": "Another."},
        ],
        "examples": ["red"],
    }
    assert made({"Colour": colour}) == {
        "Colour": {
            "title": "Colour",
            "description": (
                "A colour.\n\n- `red`: Like blood.\n- `sky-blue`: Like the sky. Assumed: not observed.\n- Another."
            ),
            "type": "string",
            "x-extensible-enum": ["red", "sky-blue"],
            "examples": ["red"],
        },
        "KnownColour": {
            "title": "KnownColour",
            "description": (
                "The known values of `Colour`, for constants. "
                "There may be others: bodies and messages use `Colour`."
            ),
            "type": "string",
            "enum": ["red", "sky-blue"],
            "x-enum-varnames": ["RED", "SKY_BLUE"],
            "x-enum-descriptions": ["Like blood.", "Like the sky. Assumed: not observed."],
        },
    }


def test_a_field_that_the_service_writes_as_null_is_required_in_what_only_it_sends() -> None:
    note = an_object({"text": {**TEXT, "type": ["string", "null"], "x-write-null": True}})
    assert made({"Note": note})["Note"]["required"] == ["text"]
    assert "required" not in made({"Note": note}, frozenset({"Note"}))["Note"]


def test_a_default_is_kept_for_writers_and_described_to_readers() -> None:
    page = an_object({"limit": {"description": "Its size.", "type": "integer", "default": 20}})
    limit = made({"Page": page})["Page"]["properties"]["limit"]
    assert limit == {"description": "Its size. If absent: `20`.", "type": "integer", "format": "int64"}
    assert made({"Page": page}, frozenset({"Page"}))["Page"]["properties"]["limit"]["default"] == 20


def test_only_what_the_service_sends_says_that_it_may_have_other_fields() -> None:
    schemas = made(
        {"Question": an_object({"text": TEXT}), "Reply": an_object({"text": TEXT})}, frozenset({"Question"})
    )
    assert "additionalProperties" not in schemas["Question"]
    assert schemas["Reply"]["additionalProperties"] is True


def test_a_secret_is_a_password() -> None:
    schemas = made({"Key": an_object({"key": {**TEXT, "x-secret": True}})})
    assert schemas["Key"]["properties"]["key"]["format"] == "password"


def test_a_map_in_a_field_is_a_component() -> None:
    sizes = {"description": "Sizes.", "type": "object", "additionalProperties": {"type": "number"}}
    schemas = made({"Shop": an_object({"shoe_sizes": sizes})})
    assert schemas["Shop"]["properties"]["shoe_sizes"] == {
        "$ref": f"{PREFIX}ShopShoeSizes",
        "description": "Sizes.",
    }
    assert schemas["ShopShoeSizes"]["additionalProperties"] == {"type": "number", "format": "double"}


def test_a_value_of_several_types_is_any_value_and_its_text_names_them() -> None:
    texts = {"type": "array", "items": {"type": "string"}}
    field = {"description": "What it is.", "anyOf": [{"type": "string"}, texts, {"type": "null"}]}
    rows = {
        "description": "A path.",
        "type": "array",
        "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    }
    schemas = made({"Thing": an_object({"what": field, "path": rows})})
    assert schemas["Thing"]["properties"] == {
        "what": {"description": "What it is. Any JSON value: text, or a list of text."},
        "path": {"description": "A path. Each element: text, or an integer.", "type": "array", "items": {}},
    }


@pytest.mark.parametrize(
    ("dialect", "discriminator"),
    [
        (MAPPED, {"propertyName": "type", "mapping": {"hi": f"{PREFIX}Hello", "bye": f"{PREFIX}Goodbye"}}),
        (NAMED, "type"),
    ],
    ids=["OpenAPI", "AsyncAPI"],
)
def test_a_union_of_messages_has_a_discriminator(dialect: Dialect, discriminator: Any) -> None:
    messages = {
        name: an_object({"type": {"const": tag, "description": "Its tag."}}, required=["type"])
        for name, tag in (("Hello", "hi"), ("Goodbye", "bye"))
    }
    union = {"description": "Any.", "oneOf": [{"$ref": "#/$defs/Hello"}, {"$ref": "all.yaml#/$defs/Goodbye"}]}
    schemas = made({**messages, "Message": union}, dialect=dialect)
    assert schemas["Message"]["discriminator"] == discriminator
    assert schemas["Message"]["oneOf"] == [{"$ref": f"{PREFIX}Hello"}, {"$ref": f"{PREFIX}Goodbye"}]
    assert schemas["Hello"]["properties"]["type"] == {"const": "hi", "description": "Its tag.", "type": "string"}


def test_a_reference_with_a_text_is_wrapped_if_the_dialect_would_ignore_the_text() -> None:
    definitions = {
        "Inner": an_object({}),
        "Outer": an_object({"it": {"description": "It.", "$ref": "#/$defs/Inner"}}),
    }
    it = made(definitions)["Outer"]["properties"]["it"]
    assert it == {"description": "It.", "$ref": f"{PREFIX}Inner"}
    it = made(definitions, dialect=NAMED)["Outer"]["properties"]["it"]
    assert it == {"description": "It.", "allOf": [{"$ref": f"{PREFIX}Inner"}]}


def test_exactly_one_of_two_fields_is_a_union_of_two_objects() -> None:
    nullable = {"description": "A text.", "anyOf": [{"$ref": "#/$defs/Text"}, {"type": "null"}]}
    letter = an_object(
        {"to": TEXT, "text": nullable, "pages": {"description": "Pages.", "type": "array", "items": TEXT}},
        required=["to"],
        oneOf=[{"required": ["text"]}, {"required": ["pages"]}],
        examples=[{"to": "Ann", "text": "Hi"}, {"to": "Ann", "pages": ["Hi"]}],
    )
    schemas = made({"Text": TEXT, "Letter": letter}, frozenset({"Letter"}))
    assert schemas["Letter"]["oneOf"] == [
        {"$ref": f"{PREFIX}LetterWithText"},
        {"$ref": f"{PREFIX}LetterWithPages"},
    ]
    with_text, with_pages = schemas["LetterWithText"], schemas["LetterWithPages"]
    assert with_text["required"] == ["to", "text"]
    assert with_text["properties"]["text"] == {"description": "A text.", "$ref": f"{PREFIX}Text"}  # and not null
    assert with_pages["properties"].keys() == {"to", "pages"}
    assert with_pages["examples"] == [{"to": "Ann", "pages": ["Hi"]}]


def test_two_components_of_one_name_are_an_error() -> None:
    colour = {"description": "A colour.", "anyOf": [{"const": "red", "description": "Red."}, TEXT], "examples": []}
    sizes = {"description": "Sizes.", "type": "object", "additionalProperties": {"type": "integer"}}
    definitions = {
        "Colour": colour,
        "KnownColour": an_object({}),
        "ShoeSizes": an_object({}),
        "Shoe": an_object({"sizes": sizes}),
    }
    with pytest.raises(SpecError) as refusal:
        made(definitions)
    lines = yaml.safe_dump({"$defs": definitions}, sort_keys=False).splitlines()
    places = {name: lines.index(f"  {name}:") + 1 for name in definitions}
    assert refusal.value.faults == [
        f"all.yaml:{places['KnownColour']}: KnownColour: two components would have the name `KnownColour`",
        f"all.yaml:{places['Shoe']}: Shoe: two components would have the name `ShoeSizes`",
    ]


def test_a_body_with_the_name_of_a_component_is_an_error_with_its_line(tmp_path: Path) -> None:
    spec = Path(shutil.copytree(SPEC, tmp_path / "spec"))
    spoilt(spec, "title: UsageLimitBody", "title: ErrorBody", file="openapi.yaml")
    openapi, asyncapi = read_envelope(spec / "openapi.yaml"), read_envelope(spec / "asyncapi.yaml")
    with pytest.raises(SpecError) as refusal:
        openapi_documents(read(spec / "schemas"), openapi, asyncapi)
    line = openapi.marked.lines["components", "responses", "UsageLimit"]
    assert refusal.value.faults == [
        f"spec/openapi.yaml:{line}: UsageLimit: two components would have the name `ErrorBody`"
    ]


def test_what_a_client_sends_is_all_that_its_requests_and_messages_contain(
    schema_files: dict[str, Any], envelopes: dict[str, Any]
) -> None:
    sent = sent_by_clients(schema_files, envelopes["openapi.yaml"], envelopes["asyncapi.yaml"])
    assert {"SimulationRequest", "ScriptEntry", "StartAction", "IceCandidate", "Update"} <= sent
    assert "SimulationJobStatus" in sent  # an argument of a query
    assert sent & {"Offer", "SimulationJob", "ErrorBody", "ClientCredentials"} == set()


def test_the_documents_do_not_change_what_they_are_made_from(
    schema_files: dict[str, Any], envelopes: dict[str, Any]
) -> None:
    before = repr((schema_files, envelopes))
    openapi_documents(schema_files, envelopes["openapi.yaml"], envelopes["asyncapi.yaml"])
    assert repr((schema_files, envelopes)) == before
