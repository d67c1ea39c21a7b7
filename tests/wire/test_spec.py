"""`spec/` is sound: each document is valid by its own rules, complete, and has no dangling references."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.readers import read_from_filename

from odyssey_proto import BroadcastInfo, ClientCredentials, ConnectionStatus, StreamerCapabilities
from tools.codegen.envelopes import UNIONS
from tools.vectors.mutations import definition, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from referencing import Registry

    from tests.wire.conftest import CheckJsonschema

HERE = Path(__file__).parent
SPEC = HERE.parents[1] / "spec"
SCHEMAS = sorted((SPEC / "schemas").glob("*.yaml"))
ASYNCAPI_SCHEMA = HERE / "asyncapi" / "schema-3.0.0.json"

CALLS = {
    "POST /auth/token": {"200", "401", "403", "422"},
    "GET /regions": {"200", "default"},
    "GET /": {"2XX", "default"},
    "POST /sessions/request": {"200", "401", "403", "422", "429", "503"},
    "POST /sessions/token": {"200", "401", "404", "422", "429"},
    "GET /recordings/{stream_id}": {"200", "401", "404", "429"},
    "GET /stream-recordings": {"200", "401", "422", "429"},
    "POST /simulation-jobs": {"2XX", "429", "4XX"},
    "GET /simulation-jobs": {"200", "401", "422", "429"},
    "GET /simulation-jobs/{job_id}": {"200", "401", "403", "404", "429"},
    "DELETE /simulation-jobs/{job_id}": {"200", "400", "401", "403", "404", "429"},
    "POST /telemetry": {"2XX"},
    "GET /config": {"200"},
    "POST /whep": {"201", "400", "401", "404", "406", "413", "415"},
    "DELETE /whep/{resource}": {"2XX", "404"},
    "GET /index.m3u8": {"200", "404"},
}
"""Every call, with its answers."""

OPERATIONS = {
    "receiveSignaling": {"offer", "ice_candidate", "error"},
    "sendSignaling": {
        *("answer", "ice_candidate", "keepalive", "client_disconnecting"),
        "interactive_stream_start",
    },
    "startStream": {"interactive_stream_start"},
    "interact": {"update"},
    "endStream": {"interactive_stream_end"},
    "receiveAnswers": {
        *("stream_started", "update_acknowledged", "stream_ended"),
        *("broadcast_ready", "interactive_stream_error"),
    },
}
"""Every operation, with the tags of its messages."""


def references(node: Any, file: str) -> Iterator[str]:
    """Every `$ref` below `node` in `file`, as `file#pointer`."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            target, _, pointer = node["$ref"].partition("#")
            yield f"{target.removeprefix('schemas/') or file}#{pointer}"
        for value in node.values():
            yield from references(value, file)
    elif isinstance(node, list):
        for value in node:
            yield from references(value, file)


def resolved(reference: str, documents: dict[str, Any]) -> Any:
    file, _, pointer = reference.partition("#")
    node = documents[file]
    for key in pointer.split("/")[1:]:
        node = node[key.replace("~1", "/").replace("~0", "~")]
    return node


def payloads(node: Any) -> Iterator[Any]:
    """Every schema of a JSON body or a message in an envelope."""
    if isinstance(node, dict):
        if "application/json" in node:
            yield node["application/json"]["schema"]
        if "payload" in node:
            yield node["payload"]
        for value in node.values():
            yield from payloads(value)


def test_openapi_document_is_valid() -> None:
    document, base_uri = read_from_filename(str(SPEC / "openapi.yaml"))
    errors = OpenAPIV31SpecValidator(document, base_uri=base_uri).iter_errors()
    assert [str(error) for error in errors] == []


def test_asyncapi_document_is_valid(check_jsonschema: CheckJsonschema) -> None:
    status, printed = check_jsonschema("--schemafile", ASYNCAPI_SCHEMA, SPEC / "asyncapi.yaml")
    assert status == 0, printed


def test_asyncapi_document_with_a_fault_is_noticed(check_jsonschema: CheckJsonschema, tmp_path: Path) -> None:
    faulty = tmp_path / "asyncapi.yaml"
    faulty.write_text((SPEC / "asyncapi.yaml").read_text("utf-8").replace("action: receive", "action: hear", 1))
    assert check_jsonschema("--schemafile", ASYNCAPI_SCHEMA, faulty)[0] == 1


def test_schemas_are_valid_json_schema(check_jsonschema: CheckJsonschema) -> None:
    status, printed = check_jsonschema("--check-metaschema", *SCHEMAS)
    assert status == 0, printed


def test_bundle_is_valid_json_schema(check_jsonschema: CheckJsonschema) -> None:
    bundle = HERE.parents[1] / "generated" / "schema" / "odyssey.schema.json"
    status, printed = check_jsonschema("--check-metaschema", bundle)
    assert status == 0, printed


def test_every_reference_leads_to_something(schema_files: dict[str, Any], envelopes: dict[str, Any]) -> None:
    documents = {**schema_files, **envelopes}
    for file, document in documents.items():
        for reference in references(document, file):
            assert isinstance(resolved(reference, documents), dict), reference


@pytest.mark.parametrize("name", served())
def test_every_required_field_that_a_server_sends_is_essential_or_has_a_stand_in_that_fits(
    name: str, schema_files: dict[str, Any], registry: Registry[Any]
) -> None:
    file = next(file for file, document in schema_files.items() if name in document["$defs"])
    for wire in definition(name).get("required", []):
        field = definition(name)["properties"][wire]
        assert ("const" in field) + ("x-essential" in field) + ("x-stand-in" in field) == 1, wire
        if "x-stand-in" in field:
            reference = {"$ref": f"{file}#/$defs/{name}/properties/{wire}"}
            assert Draft202012Validator(reference, registry=registry).is_valid(field["x-stand-in"]), wire


def test_no_request_has_the_marks_of_answers(schema_files: dict[str, Any]) -> None:
    marked = {
        name
        for document in schema_files.values()
        for name, schema in document["$defs"].items()
        for field in schema.get("properties", {}).values()
        if "x-essential" in field or "x-stand-in" in field
    }
    assert marked - set(served()) == set()


def test_every_schema_is_referred_to(schema_files: dict[str, Any], envelopes: dict[str, Any]) -> None:
    documents = {**schema_files, **envelopes}
    used = {reference for file, document in documents.items() for reference in references(document, file)}
    schemas = {f"{file}#/$defs/{name}" for file, document in schema_files.items() for name in document["$defs"]}
    assert schemas - used == set()


def test_every_schema_is_reached_from_an_envelope(schema_files: dict[str, Any], envelopes: dict[str, Any]) -> None:
    documents = {**schema_files, **envelopes}
    reached: set[str] = set()
    waiting = [reference for file in envelopes for reference in references(envelopes[file], file)]
    while waiting:
        reference = waiting.pop()
        if reference not in reached:
            reached.add(reference)
            waiting += references(resolved(reference, documents), reference.partition("#")[0])
    schemas = {f"{file}#/$defs/{name}" for file, document in schema_files.items() for name in document["$defs"]}
    assert schemas - reached == set()


@pytest.mark.parametrize("file", ["openapi.yaml", "asyncapi.yaml"])
def test_an_envelope_defines_no_body_of_its_own(file: str, envelopes: dict[str, Any]) -> None:
    for schema in payloads(envelopes[file]):
        for branch in schema.get("anyOf", [schema]):
            assert list(branch) == ["$ref"]


def test_every_call_is_described_with_its_answers(envelopes: dict[str, Any]) -> None:
    methods = {"get", "post", "delete"}
    described = {
        f"{method.upper()} {path}": set(operation["responses"])
        for path, item in envelopes["openapi.yaml"]["paths"].items()
        for method, operation in item.items()
        if method in methods
    }
    assert described == CALLS


def test_every_message_is_described_with_its_direction(envelopes: dict[str, Any]) -> None:
    asyncapi = envelopes["asyncapi.yaml"]
    documents = {"asyncapi.yaml": asyncapi}

    def tag(message: dict[str, str]) -> str:
        while "$ref" in message:
            message = resolved(f"asyncapi.yaml{message['$ref']}", documents)
        return message["name"]

    described = {
        name: {tag(message) for message in operation["messages"]}
        for name, operation in asyncapi["operations"].items()
    }
    assert described == OPERATIONS


def test_a_message_bears_the_name_of_its_tag(schema_files: dict[str, Any], envelopes: dict[str, Any]) -> None:
    for message in envelopes["asyncapi.yaml"]["components"]["messages"].values():
        (reference,) = references(message, "asyncapi.yaml")
        assert resolved(reference, schema_files)["properties"]["type"]["const"] == message["name"]


def test_every_body_and_every_message_has_an_example_that_fits(
    schema_files: dict[str, Any], registry: Any
) -> None:
    for file, document in schema_files.items():
        for name, schema in document["$defs"].items():
            if "oneOf" in schema and "type" not in schema:  # a union: the examples are those of its members
                continue
            assert schema["examples"], name
            validator = Draft202012Validator({"$ref": f"{file}#/$defs/{name}"}, registry=registry)
            for example in schema["examples"]:
                assert [error.message for error in validator.iter_errors(example)] == [], name


def test_an_example_of_a_field_fits_the_field(schema_files: dict[str, Any], registry: Any) -> None:
    for file, document in schema_files.items():
        for name, schema in document["$defs"].items():
            for field, field_schema in schema.get("properties", {}).items():
                reference = f"{file}#/$defs/{name}/properties/{field}"
                validator = Draft202012Validator({"$ref": reference}, registry=registry)
                for example in field_schema.get("examples", []):
                    assert [error.message for error in validator.iter_errors(example)] == [], reference


def test_the_objects_that_sdks_share_are_those_of_this_library(registry: Any) -> None:
    claims = base64.urlsafe_b64encode(b'{"session_id": "sess_3f6c"}').decode().rstrip("=")
    able = StreamerCapabilities(image_to_video=True)
    for name, made in (
        ("ClientCredentials", ClientCredentials("wss://signal.example.org", f"e30.{claims}.c2ln", 600, able)),
        ("ClientCredentials", ClientCredentials("wss://signal.example.org", f"e30.{claims}.c2ln", 600)),
        ("BroadcastInfo", BroadcastInfo("https://live.example.org/stream_81d2", "spectator_9c1e")),
    ):
        validator = Draft202012Validator({"$ref": f"client.yaml#/$defs/{name}"}, registry=registry)
        written = made.to_dict()
        assert [error.message for error in validator.iter_errors(written)] == []
        assert written.keys() == definition(name)["properties"].keys()
    known = [branch["const"] for branch in definition("ConnectionStatus")["anyOf"] if "const" in branch]
    assert known == [status.value for status in ConnectionStatus]


def assumed(node: Any, place: str = "") -> Iterator[str]:
    """Every place below `node` that is marked `x-assumed`, named as in `spec/README.md`."""
    if isinstance(node, dict):
        if node.get("x-assumed"):
            yield f"{place}.{node['const']}" if "const" in node else place
        for key, value in node.items():
            if key in ("$defs", "paths", "channels", "headers"):
                for name, child in value.items():
                    yield from assumed(child, name)
            elif key == "properties":
                for name, child in value.items():
                    yield from assumed(child, f"{place}.{name}")
            else:
                yield from assumed(value, key if key.startswith("x-") else place)
    elif isinstance(node, list):
        for value in node:
            yield from assumed(value, place)


def test_readme_names_every_assumption(schema_files: dict[str, Any], envelopes: dict[str, Any]) -> None:
    readme = (SPEC / "README.md").read_text("utf-8")
    places = {place for document in [*schema_files.values(), *envelopes.values()] for place in assumed(document)}
    assert len(places) > 5
    assert {place for place in places if f"`{place}`" not in readme} == set()


def test_a_page_says_where_each_definition_comes_from(schema_files: dict[str, Any]) -> None:
    pages = "".join(path.read_text("utf-8") for path in SPEC.glob("*.md"))
    named = {word for quoted in pages.split("`")[1::2] for word in quoted.split(".")[:1]}
    unions = set(UNIONS.values())
    assert {name for document in schema_files.values() for name in document["$defs"]} - named - unions == set()
