"""The documents in `generated/` for other tools are valid, self-contained, and true to `spec/` and its vectors."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from ruamel.yaml import YAML

from tools import yaml_text
from tools.vectors.mutations import definition, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.conftest import CheckJsonschema

pytestmark = pytest.mark.xdist_group("documents")  # the documents are read once for all tests

HERE: Final = Path(__file__).parent
GENERATED: Final = HERE.parents[1] / "generated"
ASYNCAPI_SCHEMA: Final = HERE / "asyncapi" / "schema-3.0.0.json"
CALLS: Final = ("openapi/odyssey.openapi", "openapi/odyssey-media.openapi")
LIVE: Final = "openapi/odyssey-live.openapi"
OPENAPI: Final = (*CALLS, LIVE)
ASYNCAPI: Final = "asyncapi/odyssey.asyncapi"
DOCUMENTS: Final = (*OPENAPI, ASYNCAPI)
METHODS: Final = {"get", "post", "delete"}

WITHOUT_A_TAG: Final = {"ErrorBody", "IceServer", "ValidationIssue"}
"""Objects with a value of several types, or with one of two fields: their components say so only in words."""


@functools.cache
def loaded(name: str) -> Any:
    return yaml_text.parsed((GENERATED / f"{name}.yaml").read_text("utf-8"))


@functools.cache
def components(name: str) -> dict[str, Any]:
    found: dict[str, Any] = loaded(name)["components"]["schemas"]
    return found


def calls(document: Any) -> Iterator[tuple[str, Any]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield f"{method.upper()} {path}", item[method]


@functools.cache
def validators(name: str) -> list[Draft202012Validator]:
    """The validators of the component `name`, one from each document that has it; at least one has."""
    found = [
        Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}})
        for schemas in map(components, DOCUMENTS)
        if name in schemas
    ]
    assert found
    return found


def faults(validator: Draft202012Validator, data: Any) -> list[str]:
    return [error.message for error in validator.iter_errors(data)]


def parts(schema: Any) -> Iterator[Any]:
    """Every schema inside a schema."""
    branches = [branch for keyword in ("anyOf", "oneOf", "allOf") for branch in schema.get(keyword, [])]
    single = [schema[keyword] for keyword in ("items", "additionalProperties") if keyword in schema]
    for part in (*schema.get("properties", {}).values(), *branches, *single):
        if isinstance(part, dict):
            yield part
            yield from parts(part)


def nodes(node: Any, place: str = "#") -> Iterator[tuple[str, Any]]:
    """Every part of a document that is an object, with its JSON Pointer."""
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            yield from nodes(value, f"{place}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from nodes(value, f"{place}/{index}")


# --- sound documents


@pytest.mark.parametrize("name", OPENAPI)
def test_an_openapi_document_is_valid(name: str) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(loaded(name)).iter_errors()] == []


def test_the_asyncapi_document_is_valid(check_jsonschema: CheckJsonschema) -> None:
    status, printed = check_jsonschema("--schemafile", ASYNCAPI_SCHEMA, GENERATED / f"{ASYNCAPI}.yaml")
    assert status == 0, printed


@pytest.mark.parametrize("name", OPENAPI)
def test_yaml_and_json_hold_the_same(name: str) -> None:
    assert loaded(name) == json.loads((GENERATED / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_readers_of_yaml_1_1_and_1_2_find_the_same(name: str) -> None:
    assert YAML(typ="safe", pure=True).load(GENERATED / f"{name}.yaml") == loaded(name)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_stays_in_the_document_and_leads_to_something(name: str) -> None:
    document = loaded(name)
    places = dict(nodes(document))
    references = {node["$ref"] for node in places.values() if isinstance(node.get("$ref"), str)}
    references |= {target for node in places.values() for target in node.get("mapping", {}).values()}
    assert references
    assert references - places.keys() == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_object_enum_or_union_is_anonymous(name: str) -> None:
    inside = [part for schema in components(name).values() for part in parts(schema)]
    outside = [
        schema
        for place, node in nodes(loaded(name))
        if not place.startswith("#/components/schemas/") and isinstance(schema := node.get("schema"), dict)
    ]
    assert inside
    for schema in (*inside, *outside):
        assert schema.get("type") != "object"
        assert not schema.keys() & {"enum", "oneOf", "properties", "additionalProperties"}
        if "anyOf" in schema:
            assert [branch for branch in schema["anyOf"] if branch != {"type": "null"}] == [schema["anyOf"][0]]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_component_has_its_name_as_its_title_and_a_text(name: str) -> None:
    for component, schema in components(name).items():
        assert schema["title"] == component
        assert schema["description"]


# --- true to the spec


def test_every_call_is_in_one_of_the_two_documents_with_all_its_answers(envelopes: dict[str, Any]) -> None:
    described = {call: operation for name in CALLS for call, operation in calls(loaded(name))}
    source = dict(calls(envelopes["openapi.yaml"]))
    assert described.keys() == source.keys()
    for call, operation in source.items():
        added = described[call]["responses"].keys() - operation["responses"].keys()
        assert described[call]["responses"].keys() >= {*operation["responses"], "4XX", "5XX", "default"}, call
        assert added <= {"4XX", "5XX", "default"}, call


@pytest.mark.parametrize("name", CALLS)
def test_calls_to_the_service_and_to_other_hosts_are_apart(name: str) -> None:
    document = loaded(name)
    other_hosts = "media" in name
    assert all(("servers" in item) == other_hosts for item in document["paths"].values())
    assert document["servers"]
    assert bool(document["security"]) != other_hosts


def test_every_message_has_a_title_texts_and_an_example(envelopes: dict[str, Any]) -> None:
    messages = loaded(ASYNCAPI)["components"]["messages"]
    assert messages.keys() == envelopes["asyncapi.yaml"]["components"]["messages"].keys()
    for message in messages.values():
        assert {"name", "title", "summary", "description", "payload", "examples"} <= message.keys()
        assert message["examples"]


def test_a_message_is_described_in_plain_words() -> None:
    message = loaded(ASYNCAPI)["components"]["messages"]["iceCandidate"]
    assert message["title"] == "Ice candidate"
    assert message["summary"] == "One ICE candidate of the sender, or the end of its candidates."


def test_a_valid_vector_fits_its_component(valid: Any) -> None:
    """Some vectors omit what today's service writes as null. Tolerant readers accept these and write the nulls."""
    reference, case = valid
    name = reference.rpartition("/")[2]
    for validator in validators(name):
        errors = list(validator.iter_errors(case["data"]))
        if errors and {error.validator for error in errors} == {"required"}:
            missing = {wire for error in errors for wire in error.validator_value} - case["data"].keys()
            assert all(definition(name)["properties"][wire]["x-write-null"] for wire in missing)
            assert faults(validator, case["written"]) == []
        else:
            assert errors == []


def test_an_invalid_vector_does_not_fit_its_component(invalid: Any) -> None:
    reference, case = invalid
    name = reference.rpartition("/")[2]
    for validator in validators(name):
        assert validator.is_valid(case["data"]) == (name in WITHOUT_A_TAG and case["keyword"] == "anyOf")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_an_example_fits_its_component_and_has_no_empty_list(document: str) -> None:
    for name, schema in components(document).items():
        for example in schema.get("examples", []):
            for validator in validators(name):
                assert faults(validator, example) == [], name
            assert [] not in (example.values() if isinstance(example, dict) else [example]), name


@pytest.mark.parametrize("document", CALLS)
def test_an_example_of_a_body_fits_it(document: str) -> None:
    bodies = [
        body
        for _, node in nodes(loaded(document))
        for body in node.get("content", {}).values()
        if "$ref" in body.get("schema", {})
    ]
    assert bodies
    for body in bodies:
        (validator, *_) = validators(body["schema"]["$ref"].rpartition("/")[2])
        assert body["examples"]
        for example in body["examples"].values():
            assert faults(validator, example["value"]) == []


def test_an_example_of_a_message_fits_it() -> None:
    for message in loaded(ASYNCAPI)["components"]["messages"].values():
        for validator in validators(message["payload"]["$ref"].rpartition("/")[2]):
            for example in message["examples"]:
                assert faults(validator, example["payload"]) == []


# --- what generators need


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_body_and_no_message_has_a_closed_enum(document: str) -> None:
    content = loaded(document)
    schemas = content["components"]["schemas"]
    closed = {name for name, schema in schemas.items() if "enum" in schema}
    used = {node["$ref"].rpartition("/")[2] for _, node in nodes(content) if isinstance(node.get("$ref"), str)}
    assert closed & used == set()
    for name in closed:
        assert schemas[name]["enum"] == schemas[name.removeprefix("Known")]["x-extensible-enum"]
        assert len(schemas[name]["x-enum-varnames"]) == len(schemas[name]["enum"])


@pytest.mark.parametrize("name", [name for name in served() if name != "IceCandidate"])
def test_what_the_service_sends_is_described_for_readers(name: str) -> None:
    found = [components(document)[name] for document in DOCUMENTS if name in components(document)]
    assert found
    for schema in found:
        assert schema["additionalProperties"] is True
        for wire, field in definition(name)["properties"].items():
            assert (wire in schema.get("required", [])) == (
                wire in definition(name).get("required", []) or "x-write-null" in field
            )
            assert "default" not in schema["properties"][wire]


def test_every_answer_of_the_service_shows_the_headers_that_clients_heed() -> None:
    document = loaded("openapi/odyssey.openapi")
    responses = document["components"]["responses"]
    answers = [
        responses[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        for _, operation in calls(document)
        for answer in operation["responses"].values()
    ]
    assert all("X-Request-Id" in answer["headers"] for answer in answers)
    (busy,) = (answer for answer in answers if answer["description"].startswith("No streamer is free"))
    for answer in (busy, responses["UsageLimit"], responses["Failure"]):
        assert answer["headers"]["Retry-After"] == {"$ref": "#/components/headers/RetryAfter"}
    assert "Retry-After" not in responses["Unauthorized"]["headers"]


def test_every_call_to_the_service_but_the_first_needs_the_bearer_token() -> None:
    document = loaded("openapi/odyssey.openapi")
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    general = document["security"]
    assert general == [{"bearer": []}]
    open_to_all = {call for call, operation in calls(document) if operation.get("security", general) == []}
    assert open_to_all == {"POST /auth/token", "POST /telemetry"}
    media = loaded("openapi/odyssey-media.openapi")
    assert "securitySchemes" not in media["components"]
    assert media["security"] == []


def test_a_usage_error_is_visible_on_every_call_that_may_be_limited() -> None:
    document = loaded("openapi/odyssey.openapi")
    limited = {call for call, operation in calls(document) if "429" in operation["responses"]}
    assert "POST /simulation-jobs" in limited
    body = document["components"]["responses"]["UsageLimit"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/UsageLimitBody"}
    (validator,) = validators("UsageLimitBody")
    usage_error = {"error": "RATE_LIMITED", "message": "Too many calls", "action": "Wait"}
    assert validator.is_valid(usage_error)
    assert validator.is_valid({"detail": usage_error})
    assert validator.is_valid({"detail": "Too many calls"})
    assert not validator.is_valid({"error": 429})


@pytest.mark.parametrize(
    ("choice", "fields"),
    [("SimulationRequest", ("script", "scripts", "script_url")), ("TelemetryEvent", ("event", "error_type"))],
)
def test_exactly_one_of_several_fields_is_a_union_of_objects(choice: str, fields: tuple[str, ...]) -> None:
    schemas = components("openapi/odyssey.openapi")
    variants = [branch["$ref"].rpartition("/")[2] for branch in schemas[choice]["oneOf"]]
    assert all(schemas[variant]["examples"] for variant in variants)
    for variant, field in zip(variants, fields, strict=True):
        assert field in schemas[variant]["required"]
        assert set(fields) & schemas[variant]["properties"].keys() == {field}


def test_a_union_of_messages_names_the_field_that_tells_them_apart() -> None:
    unions = {name: schema for name, schema in components(ASYNCAPI).items() if "oneOf" in schema}
    assert len(unions) == 4
    assert {schema["discriminator"] for schema in unions.values()} == {"type"}
    for name in unions:
        schema = components(LIVE)[name]
        assert schema["discriminator"]["propertyName"] == "type"
        members = {tag: target.rpartition("/")[2] for tag, target in schema["discriminator"]["mapping"].items()}
        assert [branch["$ref"].rpartition("/")[2] for branch in schema["oneOf"]] == list(members.values())
        assert {tag: definition(member)["properties"]["type"]["const"] for tag, member in members.items()} == {
            tag: tag for tag in members
        }


def test_both_documents_of_the_live_messages_have_the_same_components() -> None:
    assert components(LIVE).keys() == components(ASYNCAPI).keys()


# --- the bundled JSON Schema


@pytest.fixture(scope="module")
def bundle() -> Any:
    return json.loads((GENERATED / "schema" / "odyssey.schema.json").read_text("utf-8"))


def test_the_root_of_the_bundle_names_every_definition(bundle: Any) -> None:
    assert bundle["$id"].startswith("https://")
    assert bundle["properties"] == {name: {"$ref": f"#/$defs/{name}"} for name in bundle["$defs"]}
    assert all(schema["title"] == name for name, schema in bundle["$defs"].items())


def test_a_vector_under_its_name_is_an_instance_of_the_bundle(valid: Any, bundle: Any) -> None:
    reference, case = valid
    assert Draft202012Validator(bundle).is_valid({reference.rpartition("/")[2]: case["data"]})


def test_the_bundle_has_the_values_of_an_open_enum_and_takes_others(bundle: Any) -> None:
    assert bundle["$defs"]["KnownTelemetryEventName"]["enum"] == [
        *("session_connecting", "session_connected", "session_disconnected"),
    ]
    assert Draft202012Validator(bundle).is_valid({"TelemetryEventName": "session_paused"})
    assert not Draft202012Validator(bundle).is_valid({"KnownTelemetryEventName": "session_paused"})


def test_a_reference_in_the_bundle_stands_alone(bundle: Any) -> None:
    for place, node in nodes(bundle):
        assert "$ref" not in node or list(node) == ["$ref"], place
