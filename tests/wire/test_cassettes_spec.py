"""Everything on the cassettes conforms to `spec/openapi.yaml`, and nothing that it describes is missing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.support.cases import every
from tools import yaml_text
from tools.cassettes.scrub import SERVICE
from tools.cassettes.tape import FOLDER, Tape

SPEC: Final = Path(__file__).resolve().parents[2] / "spec"
METHODS: Final = frozenset({"get", "post", "delete"})
ELSEWHERE: Final = frozenset({"watchBroadcast", "leaveBroadcast", "playBroadcast"})
"""Calls that no cassette can hold: they answer with a peer connection or live video."""
RESTARTING: Final = frozenset({502, 503, 504})
"""Statuses with which a gateway before the service may answer any call; they need no description."""
ARTIFACTS: Final = ("video_url", "events_url", "thumbnail_url", "preview_url")


@cache
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml_text.parsed((SPEC / "openapi.yaml").read_text("utf-8"))
    return document


@cache
def registry() -> Registry[Any]:
    """The schema files by the names that the document has for them."""
    files = (SPEC / "schemas").glob("*.yaml")
    return Registry().with_resources(
        (f"schemas/{path.name}", Resource.from_contents(yaml_text.parsed(path.read_text("utf-8"))))
        for path in files
    )


def faults(schema: Any, value: Any) -> list[str]:
    """The faults of a value under its schema."""
    return [error.message for error in Draft202012Validator(schema, registry=registry()).iter_errors(value)]


def resolved(node: Any) -> Any:
    """The node, or the part of the document that it refers to."""
    if "$ref" not in node:
        return node
    found: Any = openapi()
    for key in node["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


@attrs.frozen(kw_only=True)
class Call:
    """An interaction. Its ``path`` is that of its operation, or None for a file behind a signed address."""

    method: str
    url: str
    request: dict[str, Any]
    response: dict[str, Any]
    path: str | None

    @property
    def operation(self) -> dict[str, Any]:
        found: dict[str, Any] = openapi()["paths"][self.path][self.method]
        return found

    @property
    def parameters(self) -> dict[tuple[str, str], Any]:
        listed = [*openapi()["paths"][self.path].get("parameters", ()), *self.operation.get("parameters", ())]
        return {(each["in"], each["name"]): each["schema"] for each in map(resolved, listed)}

    @property
    def status(self) -> int:
        code: int = self.response["status"]["code"]
        return code

    @property
    def described_as(self) -> str | None:
        """The key of the described answer that matches this one."""
        keys = (str(self.status), f"{self.status // 100}XX", "default")
        return next((key for key in keys if key in self.operation["responses"]), None)


@cache
def calls() -> dict[str, Call]:
    """All interactions of all cassettes, by the name of the cassette and their number in it."""
    found = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        told: dict[str, str] = {}  # addresses from earlier answers, and their paths
        for number, each in enumerate(Tape.read(path).interactions):
            request, response = each["request"], each["response"]
            found[f"{path.stem}-{number}"] = Call(
                method=request["method"].lower(),
                url=request["uri"],
                request=request,
                response=response,
                path=path_of(request["uri"], told),
            )
            if response["headers"].get("Content-Type", [""])[0].partition(";")[0] == "application/json":
                told |= addresses(json.loads(response["body"]["string"]))
    return found


def addresses(node: Any) -> dict[str, str]:
    """The addresses below a node that later requests use."""
    found: dict[str, str] = {}
    match node:
        case {"ping_url": str(url)}:
            found[url] = "/"
        case {"signalling_url": str(url)}:
            found["http" + url.removeprefix("ws") + "/config"] = "/config"
        case dict():
            found |= dict.fromkeys([node[name] for name in ARTIFACTS if node.get(name)], "")
            for inner in node.values():
                found |= addresses(inner)
        case list():
            for inner in node:
                found |= addresses(inner)
    return found


def path_of(url: str, told: dict[str, str]) -> str | None:
    if url in told:
        return told[url] or None
    assert url.startswith(SERVICE)
    parts = urlsplit(url).path.split("/")
    for template in openapi()["paths"]:
        pieces = template.split("/")
        if len(pieces) == len(parts) and all(
            a == b or a.startswith("{") for a, b in zip(pieces, parts, strict=True)
        ):
            return str(template)
    raise AssertionError(f"{url} is neither described nor told by an answer")


def described() -> list[str]:
    return [name for name, call in calls().items() if call.path is not None]


def files() -> list[str]:
    return [name for name, call in calls().items() if call.path is None]


def typed(text: str) -> Any:
    """The value of a query argument."""
    return json.loads(text) if text.isdecimal() or text in ("true", "false") else text


def request_faults(call: Call) -> list[str]:
    found = []
    for name, text in parse_qsl(urlsplit(call.url).query, keep_blank_values=True):
        schema = call.parameters.get(("query", name))
        found += [f"{name} is no argument"] if schema is None else faults(schema, typed(text))
    body, described = call.request["body"], call.operation.get("requestBody")
    if described is None:
        return found + ([] if body is None else ["there is a body"])
    schema = described["content"]["application/json"]["schema"]
    return found + faults(schema, json.loads(body))


@every("name", described)
def test_a_request_is_as_described(name: str) -> None:
    call = calls()[name]
    # The requests of these calls are valid on the cassettes: a wrong key is scrubbed, and faults refused the rest.
    if call.status == 422 and call.path not in ("/auth/token", "/sessions/request", "/sessions/token"):
        assert request_faults(call) != []
    else:
        assert request_faults(call) == []


@every("name", described)
def test_a_request_carries_a_token_where_it_is_needed_and_nowhere_else(name: str) -> None:
    call = calls()[name]
    needed = call.operation.get("security", openapi()["security"]) != []
    assert ("Authorization" in call.request["headers"]) is needed


@every("name", described)
def test_a_request_says_what_its_body_is(name: str) -> None:
    call = calls()[name]
    told = call.request["headers"].get("Content-Type")
    assert told == (None if call.request["body"] is None else ["application/json"])


@every("name", described)
def test_an_answer_is_as_described(name: str) -> None:
    call = calls()[name]
    if call.described_as is None and call.status in RESTARTING:
        return
    assert call.described_as is not None, f"{call.path} does not answer {call.status}"
    content = resolved(call.operation["responses"][call.described_as]).get("content")
    if content is not None:
        assert call.response["headers"]["Content-Type"][0].partition(";")[0] in content
        body = json.loads(call.response["body"]["string"])
        assert faults(content["application/json"]["schema"], body) == []


@every("name", files)
def test_a_file_is_requested_without_a_token_and_its_status_fits_the_request(name: str) -> None:
    call = calls()[name]
    assert (call.method, "Authorization" in call.request["headers"]) == ("get", False)
    assert call.status in ((206, 416) if "Range" in call.request["headers"] else (200, 403))


@every("name", lambda: [name for name in files() if calls()[name].status == 200])
def test_an_event_log_is_as_described(name: str) -> None:
    lines = calls()[name].response["body"]["string"].splitlines()
    assert lines
    for line in lines:
        assert faults({"$ref": "schemas/recordings.yaml#/$defs/RecordedEvent"}, json.loads(line)) == []


def test_every_answer_of_every_call_is_on_a_cassette() -> None:
    promised = {
        (operation["operationId"], answer)
        for item in openapi()["paths"].values()
        for method, operation in item.items()
        if method in METHODS and operation["operationId"] not in ELSEWHERE
        for answer in operation["responses"]
    }
    recorded = {(calls()[name].operation["operationId"], calls()[name].described_as) for name in described()}
    assert promised - recorded == set()


# Tests of the checks themselves


def changed(call: Call, **parts: Any) -> Call:
    return attrs.evolve(call, **parts)


def test_an_argument_that_is_not_described_is_noticed() -> None:
    call = next(call for call in calls().values() if call.path == "/stream-recordings" and call.status == 200)
    assert request_faults(changed(call, url=f"{SERVICE}/stream-recordings?page=1")) == ["page is no argument"]
    assert request_faults(changed(call, url=f"{SERVICE}/stream-recordings?limit=101")) != []


def test_a_body_that_is_not_as_described_is_noticed() -> None:
    call = next(call for call in calls().values() if call.path == "/sessions/token")
    assert request_faults(changed(call, request={**call.request, "body": "{}"})) != []


def test_a_status_that_is_not_described_is_noticed() -> None:
    call = next(call for call in calls().values() if call.path == "/sessions/token")
    assert changed(call, response={**call.response, "status": {"code": 418}}).described_as is None


def test_an_address_from_neither_the_spec_nor_an_answer_is_noticed() -> None:
    with pytest.raises(AssertionError, match="neither described nor told"):
        path_of(f"{SERVICE}/elsewhere", {})
