"""`python -m tools.spec_diff` says which changes of the spec break readers, which writers, and which nobody."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import small_spec
from tools.spec_diff.__main__ import Spec, changes, main
from tools.spec_diff.changes import BOTH, NOBODY, READERS, WRITERS

if TYPE_CHECKING:
    from tools.spec_diff.changes import Breaks

SPEC = Path(__file__).resolve().parents[2] / "spec"
CATS = {
    "schemas/cats.yaml": small_spec.SCHEMAS,
    "openapi.yaml": small_spec.OPENAPI,
    "asyncapi.yaml": small_spec.ASYNCAPI,
}
SCHEMAS, OPENAPI, ASYNCAPI = CATS
MOOD = """\
      mood:
        description: Its mood.
        $ref: '#/$defs/Mood'
        x-stand-in: calm
"""
BODY = """\
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: 'schemas/cats.yaml#/$defs/Picture'}}}
"""

# The file, a text in it, and its replacement; the place, the change, and whom the change breaks; then these three
# for the reverse.
CHANGES: dict[str, tuple[str, str, str, tuple[str, str, Breaks], tuple[str, str, Breaks]]] = {
    "an optional field": (
        *(SCHEMAS, "      url:\n        description: Its address.\n        type: string\n", ""),
        ("Picture.url", "removed, was optional", NOBODY),
        ("Picture.url", "added, optional", NOBODY),
    ),
    "a required field": (
        *(
            SCHEMAS,
            MOOD,
            "",
        ),
        ("Done.mood", "removed, was required", READERS),
        ("Done.mood", "added, required", WRITERS),
    ),
    "whether a field is required": (
        *(SCHEMAS, "required: [type, prompt]", "required: [type]"),
        ("Order.prompt", "now optional", READERS),
        ("Order.prompt", "now required", WRITERS),
    ),
    "whether a field may be null": (
        *(SCHEMAS, "type: [string, 'null']", "type: string"),
        ("Done.picture", "is no longer null", WRITERS),
        ("Done.picture", "may now be null", READERS),
    ),
    "whether one of several may be null": (
        *(
            SCHEMAS,
            "          - $ref: '#/$defs/Picture'\n          - type: 'null'\n",
            "          - $ref: '#/$defs/Picture'\n",
        ),
        ("Order.image", "is no longer null", WRITERS),
        ("Order.image", "may now be null", READERS),
    ),
    "the type of a field": (
        *(
            SCHEMAS,
            "        type: string\n        maxLength: 80\n",
            "        type: boolean\n        maxLength: 80\n",
        ),
        ("Order.prompt", "string is now boolean", BOTH),
        ("Order.prompt", "boolean is now string", BOTH),
    ),
    "a wider type": (
        *(SCHEMAS, "type: integer\n        minimum", "type: number\n        minimum"),
        ("Picture.count", "integer is now number", READERS),
        ("Picture.count", "number is now integer", WRITERS),
    ),
    "one alternative more": (
        *(
            SCHEMAS,
            "          - $ref: '#/$defs/Picture'\n          - type: 'null'\n",
            "          - type: 'null'\n",
        ),
        ("Order.image", "Picture or string is now string", WRITERS),
        ("Order.image", "string is now Picture or string", READERS),
    ),
    "the items of a list": (
        *(SCHEMAS, "items: {type: string}", "items: {type: integer}"),
        ("Order.colours[]", "string is now integer", BOTH),
        ("Order.colours[]", "integer is now string", BOTH),
    ),
    "the values of a map": (
        *(SCHEMAS, "additionalProperties: {type: integer}", "additionalProperties: {type: number}"),
        ("Order.sizes{}", "integer is now number", READERS),
        ("Order.sizes{}", "number is now integer", WRITERS),
    ),
    "a value of an enum": (
        *(SCHEMAS, "      - {const: angry, description: It hisses.}\n", ""),
        ("Mood.angry", "value removed", WRITERS),
        ("Mood.angry", "value added", NOBODY),
    ),
    "the tag of a message": (
        *(SCHEMAS, "{const: done,", "{const: finished,"),
        ("Done.type", "`done` is now `finished`", BOTH),
        ("Done.type", "`finished` is now `done`", BOTH),
    ),
    "a lower bound": (
        *(SCHEMAS, "minimum: 0", "minimum: 1"),
        ("Picture.count", "`minimum` is now 1", WRITERS),
        ("Picture.count", "`minimum` is now 0", READERS),
    ),
    "an upper bound": (
        *(SCHEMAS, "        maxLength: 80\n", ""),
        ("Order.prompt", "`maxLength` is now gone", READERS),
        ("Order.prompt", "`maxLength` is now 80", WRITERS),
    ),
    "a pattern": (
        *(SCHEMAS, "        maxLength: 80\n", "        maxLength: 80\n        pattern: ^A\n"),
        ("Order.prompt", "`pattern` is now ^A", WRITERS),
        ("Order.prompt", "`pattern` is now gone", READERS),
    ),
    "a default": (
        *(SCHEMAS, "        default: 0\n", "        default: 1\n"),
        ("Picture.count", "the default is now 1", BOTH),
        ("Picture.count", "the default is now 0", BOTH),
    ),
    "whether there is a default": (
        *(SCHEMAS, "        default: 0\n", ""),
        ("Picture.count", "the default is now gone", BOTH),
        ("Picture.count", "the default is now 0", READERS),
    ),
    "a stand-in": (
        *(SCHEMAS, "x-stand-in: calm", "x-stand-in: angry"),
        ("Done.mood", "`x-stand-in` is now angry", NOBODY),
        ("Done.mood", "`x-stand-in` is now calm", NOBODY),
    ),
    "whether a field is large": (
        *(SCHEMAS, "        x-large: true\n", ""),
        ("Picture.data", "`x-large` is now gone", NOBODY),
        ("Picture.data", "`x-large` is now True", NOBODY),
    ),
    "a choice of one more": (
        *(SCHEMAS, "      - required: [url]\n", "      - required: [url]\n      - required: [count]\n"),
        ("Picture", "exactly one of: data, url; now: count, data, url", READERS),
        ("Picture", "exactly one of: count, data, url; now: data, url", WRITERS),
    ),
    "whether there is a choice": (
        *(SCHEMAS, "    oneOf:\n      - required: [data]\n      - required: [url]\n", ""),
        ("Picture", "exactly one of: data, url; now: no choice", READERS),
        ("Picture", "exactly one of: no choice; now: data, url", WRITERS),
    ),
    "a definition": (
        *(SCHEMAS, "  Mood:\n", "  Feeling:\n    description: A feeling.\n    type: object\n  Mood:\n"),
        ("Feeling", "added", NOBODY),
        ("Feeling", "removed", BOTH),
    ),
    "a member of a union": (
        *(
            SCHEMAS,
            "What the client sends to it.\n    oneOf:\n",
            "What the client sends to it.\n    oneOf:\n      - $ref: '#/$defs/Picture'\n",
        ),
        ("DataChannelClientMessage", "`Picture` added", NOBODY),
        ("DataChannelClientMessage", "`Picture` removed", BOTH),
    ),
    "a call": (
        *(OPENAPI, "    post:\n", "    delete: {responses: {'204': {description: Gone.}}}\n    post:\n"),
        ("DELETE /pictures", "call added", NOBODY),
        ("DELETE /pictures", "call removed", WRITERS),
    ),
    "an optional parameter": (
        *(
            OPENAPI,
            "      responses:\n",
            "        - {name: sort, in: query, schema: {type: string}}\n      responses:\n",
        ),
        ("POST /pictures query sort", "parameter added, optional", NOBODY),
        ("POST /pictures query sort", "parameter removed", WRITERS),
    ),
    "a required parameter": (
        *(
            OPENAPI,
            "      responses:\n",
            "        - {name: sort, in: query, required: true, schema: {type: string}}\n      responses:\n",
        ),
        ("POST /pictures query sort", "parameter required", WRITERS),
        ("POST /pictures query sort", "parameter removed", WRITERS),
    ),
    "whether a parameter is required": (
        *(OPENAPI, "{name: limit, in: query,", "{name: limit, in: query, required: true,"),
        ("POST /pictures query limit", "parameter required", WRITERS),
        ("POST /pictures query limit", "parameter now optional", READERS),
    ),
    "the bound of a parameter": (
        *(OPENAPI, "maximum: 100", "maximum: 50"),
        ("POST /pictures query limit", "`maximum` is now 50", WRITERS),
        ("POST /pictures query limit", "`maximum` is now 100", READERS),
    ),
    "whether there is a body": (
        *(
            OPENAPI,
            BODY,
            "",
        ),
        ("POST /pictures body", "body removed", WRITERS),
        ("POST /pictures body", "body added", WRITERS),
    ),
    "whether a body is required": (
        *(OPENAPI, "        required: true\n        content", "        content"),
        ("POST /pictures body", "body now optional", READERS),
        ("POST /pictures body", "body now required", WRITERS),
    ),
    "the type of a body": (
        *(
            OPENAPI,
            "content: {application/json: {schema: {$ref: 'schemas/cats.yaml#/$defs/Picture'}}}",
            "content: {application/xml: {schema: {type: string}}}",
        ),
        ("POST /pictures body", "`application/json` removed", WRITERS),
        ("POST /pictures body", "`application/json` added", READERS),
    ),
    "the schema of a body": (
        *(
            OPENAPI,
            "schema: {$ref: 'schemas/cats.yaml#/$defs/Picture'}",
            "schema: {$ref: 'schemas/cats.yaml#/$defs/Order'}",
        ),
        ("POST /pictures body.prompt", "added, required", WRITERS),
        ("POST /pictures body.prompt", "removed, was required", READERS),
    ),
    "an answer": (
        *(OPENAPI, "        '404':", "        '409': {description: Too many cats.}\n        '404':"),
        ("POST /pictures 409", "answer added", READERS),
        ("POST /pictures 409", "answer removed", WRITERS),
    ),
    "an answer within a range": (
        *(
            OPENAPI,
            "        '404': {description: No cat., x-assumed: true}\n",
            "        '404': {description: No cat.}\n        4XX: {description: Any.}\n",
        ),
        ("POST /pictures 4XX", "answer added", READERS),
        ("POST /pictures 4XX", "answer removed", WRITERS),
    ),
    "a header": (
        *(
            OPENAPI,
            "          description: The mood.\n",
            "          description: The mood.\n          headers: {Location: {required: true}}\n",
        ),
        ("POST /pictures 200 Location", "header added", NOBODY),
        ("POST /pictures 200 Location", "header removed", READERS),
    ),
    "credentials": (
        *(
            OPENAPI,
            "      operationId: addPicture\n",
            "      operationId: addPicture\n      security: [{bearer: []}]\n",
        ),
        ("POST /pictures", "other credentials", WRITERS),
        ("POST /pictures", "other credentials", WRITERS),
    ),
    "the server of a call": (
        *(OPENAPI, "    post:\n", "    servers: [{url: https://cats.example.org}]\n    post:\n"),
        ("POST /pictures", "other servers", WRITERS),
        ("POST /pictures", "other servers", WRITERS),
    ),
    "the server": (
        *(OPENAPI, "paths:\n", "servers: [{url: https://cats.example.org}]\npaths:\n"),
        ("openapi.yaml", "the servers are now https://cats.example.org", WRITERS),
        ("openapi.yaml", "the servers are now ", WRITERS),
    ),
    "a message on a channel": (
        *(ASYNCAPI, "messages: [{$ref: '#/channels/streamerToClient/messages/done'}]", "messages: []"),
        ("streamerToClient receive", "`Done` removed", BOTH),
        ("streamerToClient receive", "`Done` added", NOBODY),
    ),
    "the direction of a message": (
        *(
            ASYNCAPI,
            "    action: receive\n    channel: {$ref: '#/channels/streamerToClient'}",
            "    action: send\n    channel: {$ref: '#/channels/streamerToClient'}",
        ),
        ("streamerToClient receive", "`Done` now goes the other way", BOTH),
        ("streamerToClient send", "`Done` now goes the other way", BOTH),
    ),
    "a channel": (
        *(ASYNCAPI, "channels:\n", "channels:\n  gossip: {messages: {}}\n"),
        ("gossip", "channel added", NOBODY),
        ("gossip", "channel removed", BOTH),
    ),
    "the definition of a message": (
        *(
            ASYNCAPI,
            "done: {name: done, payload: {$ref: 'schemas/cats.yaml#/$defs/Done'}}",
            "done: {name: done, payload: {$ref: 'schemas/cats.yaml#/$defs/Order'}}",
        ),
        ("streamerToClient receive", "`Done` removed", BOTH),
        ("streamerToClient receive", "`Order` removed", BOTH),
    ),
    "what opens a channel": (
        *(
            ASYNCAPI,
            "    address: answers\n",
            "    address: answers\n    bindings: {ws: {query: {required: [token]}}}\n",
        ),
        ("streamerToClient/bindings", 'is new: `{"ws": {"query": {"required": ["token"]}}}`', BOTH),
        ("streamerToClient/bindings", '`{"ws": {"query": {"required": ["token"]}}}` is now gone', BOTH),
    ),
    "a server of channels": (
        *(ASYNCAPI, "channels:\n", "servers: {one: {host: cats.example.org, protocol: wss}}\nchannels:\n"),
        ("asyncapi.yaml/servers", 'is new: `{"one": {"host": "cats.example.org", "protocol": "wss"}}`', BOTH),
        ("asyncapi.yaml/servers", '`{"one": {"host": "cats.example.org", "protocol": "wss"}}` is now gone', BOTH),
    ),
    "how credentials are presented": (
        *(OPENAPI, "components:\n", "components:\n  securitySchemes: {bearer: {type: http, scheme: bearer}}\n"),
        ("securitySchemes/bearer", 'is new: `{"type": "http", "scheme": "bearer"}`', WRITERS),
        ("securitySchemes/bearer", '`{"type": "http", "scheme": "bearer"}` is now gone', WRITERS),
    ),
    "the name of a call": (
        *(OPENAPI, "operationId: addPicture", "operationId: putPicture"),
        ("POST /pictures/operationId", '`"addPicture"` is now `"putPicture"`', NOBODY),
        ("POST /pictures/operationId", '`"putPicture"` is now `"addPicture"`', NOBODY),
    ),
    "where an answer comes from": (
        *(OPENAPI, "{description: No cat., x-assumed: true}", "{description: No cat.}"),
        ("POST /pictures 404", "`x-assumed` is now gone", NOBODY),
        ("POST /pictures 404", "`x-assumed` is now `true`", NOBODY),
    ),
    "any text instead of an enum": (
        *(SCHEMAS, "        $ref: '#/$defs/Mood'\n        x-stand-in", "        type: string\n        x-stand-in"),
        ("Done.mood", "is now any text", NOBODY),
        ("Done.mood", "is now an enum", NOBODY),
    ),
    "the values of a map of anything": (
        *(SCHEMAS, "additionalProperties: {type: integer}", "additionalProperties: true"),
        ("Order.sizes{}", "integer is now anything", READERS),
        ("Order.sizes{}", "anything is now integer", WRITERS),
    ),
    "a choice of at least one": (
        *(
            SCHEMAS,
            "    oneOf:\n      - required: [data]\n      - required: [url]\n",
            "    anyOf:\n      - required: [data]\n",
        ),
        ("Picture", "at least one of: no choice; now: data", WRITERS),
        ("Picture", "at least one of: data; now: no choice", READERS),
    ),
    "the address of a channel": (
        *(
            ASYNCAPI,
            "    address: answers\n",
            "    address: elsewhere\n",
        ),
        ("streamerToClient", "its address is now elsewhere", BOTH),
        ("streamerToClient", "its address is now answers", BOTH),
    ),
}


def found(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, str, Breaks]]:
    return [(change.place, change.what, change.breaks) for change in changes(Spec.of(old), Spec.of(new))]


def replaced(file: str, good: str, bad: str) -> dict[str, str]:
    assert CATS[file].count(good) == 1
    return {**CATS, file: CATS[file].replace(good, bad)}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_classified(kind: str) -> None:
    file, good, bad, forth, _ = CHANGES[kind]
    assert forth in found(CATS, replaced(file, good, bad))


@pytest.mark.parametrize("kind", CHANGES)
def test_the_reverse_of_a_change_is_classified(kind: str) -> None:
    file, good, bad, _, back = CHANGES[kind]
    assert back in found(replaced(file, good, bad), CATS)


def test_other_answers_to_a_message_break_both_sides() -> None:
    replies = "    messages: [{$ref: '#/channels/clientToStreamer/messages/order'}]\n"
    with_reply = (
        f"{replies}    reply:\n      channel: {{$ref: '#/channels/streamerToClient'}}\n"
        "      messages: [{$ref: '#/channels/streamerToClient/messages/done'}]\n"
    )
    changed = replaced(ASYNCAPI, replies, with_reply)
    assert found(CATS, changed) == [("order reply", '`[]` is now `["Done"]`', BOTH)]
    assert found(changed, CATS) == [("order reply", '`["Done"]` is now `[]`', BOTH)]


@pytest.mark.parametrize(
    ("good", "bad", "forth", "back"),
    [
        ("required: true, ", "", ("header now optional", READERS), ("header now required", WRITERS)),
        ("type: string", "type: integer", ("string is now integer", BOTH), ("integer is now string", BOTH)),
    ],
    ids=["whether it is required", "its type"],
)
def test_a_changed_header_is_classified(
    good: str, bad: str, forth: tuple[str, Breaks], back: tuple[str, Breaks]
) -> None:
    header = "components:\n  headers: {Seen: {description: When., required: true, schema: {type: string}}}\n"
    old = replaced(OPENAPI, "components:\n", header)
    new = replaced(OPENAPI, "components:\n", header.replace(good, bad))
    assert found(old, new) == [("headers Seen", *forth)]
    assert found(new, old) == [("headers Seen", *back)]


def test_nothing_has_changed_in_what_is_the_same() -> None:
    assert found(CATS, CATS) == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("description: Its mood.", "description: How it feels."),
        ("examples: [A cat]", "examples: [A dog]"),
        ("description: A small protocol.", "description: A smaller one."),
    ],
)
def test_texts_are_no_change(good: str, bad: str) -> None:
    assert found(CATS, replaced(SCHEMAS, good, bad)) == []


def test_an_answer_that_a_wider_range_had_already_breaks_nobody() -> None:
    wide = replaced(OPENAPI, "        '404':", "        4XX: {description: Any.}\n        '404':")
    narrow = {
        **wide,
        OPENAPI: wide[OPENAPI].replace("        '404': {description: No cat., x-assumed: true}\n", ""),
    }
    assert found(wide, narrow) == [("POST /pictures 404", "answer removed", NOBODY)]
    assert found(narrow, wide) == [("POST /pictures 404", "answer added", NOBODY)]


def test_a_changed_definition_is_reported_once_however_often_it_is_used() -> None:
    new = replaced(SCHEMAS, "minimum: 0", "minimum: 1")
    assert found(CATS, new) == [("Picture.count", "`minimum` is now 1", WRITERS)]


# --- the command


def git(repository: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(repository), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a small spec at the tag `before`."""
    small_spec.written(tmp_path)
    (tmp_path / "spec" / "VERSION").write_text("1.0.0\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "spec")
    git(tmp_path, "commit", "--quiet", "--message", "A spec")
    git(tmp_path, "tag", "before")
    return tmp_path


def test_the_command_prints_what_breaks_first_and_fails(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_spec.spoilt(repository / "spec", "minimum: 0", "minimum: 1")
    small_spec.spoilt(repository / "spec", "x-stand-in: calm", "x-stand-in: angry")
    (repository / "spec" / "VERSION").write_text("2.0.0\n")
    assert main(["before", "--repository", str(repository)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "breaks writers             Picture.count: `minimum` is now 1: writers may send what is out of bounds now",
        "compatible                 Done.mood: `x-stand-in` is now angry: what is valid stays the same",
        "changes: 2; breaking readers: 0; breaking writers: 1; compatible: 1",
        "version: 1.0.0, now 2.0.0",
    ]


def test_the_command_compares_two_refs(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_spec.spoilt(repository / "spec", "x-stand-in: calm", "x-stand-in: angry")
    git(repository, "commit", "--quiet", "--all", "--message", "Another stand-in")
    small_spec.spoilt(repository / "spec", "minimum: 0", "minimum: 1")
    assert main(["before", "HEAD", "--repository", str(repository)]) == 0
    assert "changes: 1; breaking readers: 0; breaking writers: 0; compatible: 1" in capsys.readouterr().out


@pytest.mark.parametrize("ref", ["nowhere", "--output=stolen"])
def test_a_ref_that_git_does_not_know_is_named(
    ref: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--repository", str(repository), "--", ref]) == 2
    assert capsys.readouterr().err.startswith(f"no spec at {ref}: ")
    assert not (repository / "stolen").exists()


# --- the version


def test_the_version_heads_the_changelog_of_the_spec() -> None:
    headings = re.findall(r"^## (\S+)", (SPEC / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == (SPEC / "VERSION").read_text("utf-8").strip()


def test_the_versions_of_the_changelog_only_rise() -> None:
    headings = re.findall(r"^## (\S+)", (SPEC / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    numbers: list[Any] = [tuple(map(int, heading.split("."))) for heading in headings]
    assert numbers == sorted(set(numbers), reverse=True)
