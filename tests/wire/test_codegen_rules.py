"""All that the generators cannot honour in a spec is refused at once, each fault with its file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import small_spec
from tools import yaml_text
from tools.codegen import envelopes, rules
from tools.codegen.keywords import OURS
from tools.codegen.sources import SpecError, read

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = Path(__file__).resolve().parents[2] / "spec"
CATS = "schemas/cats.yaml"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A small spec, to be spoilt."""
    return small_spec.written(tmp_path)


def faults(spec: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(spec / "schemas")
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def test_a_sound_spec_is_read(spec: Path) -> None:
    assert list(read(spec / "schemas")) == ["cats.yaml"]


# The replaced text, its replacement, a text that first occurs on the faulty line, and the fault.
SCHEMA_FAULTS = {
    "an unknown keyword": (
        *("maxLength: 80", "maxLenght: 80", "maxLenght"),
        "Order/prompt: keyword `maxLenght` is not understood",
    ),
    "a keyword of ours that is not registered": (
        *("x-large: true", "x-huge: true", "x-huge"),
        "Picture/data: keyword `x-huge` is not understood",
    ),
    "a keyword of ours in another place": (
        *("{const: calm, description", "{const: calm, x-secret: true, description", "const: calm"),
        "Mood/anyOf/0: `x-secret` is not for this place: enum value",
    ),
    "a keyword of ours with another value": (
        *("x-large: true", "x-large: false", "x-large"),
        "Picture/data: `x-large` takes `true`",
    ),
    "a format that is not registered": (
        *("format: uri", "format: url", "format: url"),
        "Done/picture: the format `url` is not registered",
    ),
    "a typo in required": (
        *("required: [type, prompt]", "required: [type, promt, prompt]", "promt"),
        "Order: `promt` is required, but is not a property",
    ),
    "a choice in which a field is missing": (
        *("- required: [url]", "- required: [uri]", "[uri]"),
        "Picture/oneOf/1: `uri` is not a property",
    ),
    "a choice of two fields together": (
        *("- required: [url]", "- required: [url, count]", "[url, count]"),
        "Picture/oneOf/1: only a choice of exactly one field is honoured: `required: [name]`",
    ),
    "an `anyOf` of required": (
        *(
            "    oneOf:\n      - required: [data]",
            "    anyOf:\n      - required: [data]",
            "    anyOf:\n      - required",
        ),
        "Picture: the models do not check an `anyOf` of objects",
    ),
    "an object that is closed": (
        *(
            "    oneOf:\n      - required: [data]",
            "    additionalProperties: false\n    oneOf:\n      - required: [data]",
        ),
        "additionalProperties: false",
        "Picture: an object may have fields that are not listed",
    ),
    "an inline object": (
        *("items: {type: string}", "items: {type: object, properties: {a: {type: string}}}", "items:"),
        "Order/colours/items: an inline object: give it a name under `$defs`",
    ),
    "an inline enum": (
        *("          - type: string\n", "          - const: cat\n          - type: string\n", "const: cat"),
        "Order/image/anyOf/0: an inline enum: give it a name under `$defs`",
    ),
    "a closed enum": (
        *("      - {type: string, description: Any other.}\n", "", "    anyOf:\n      - {const: calm"),
        "Mood: an enum is open: its last branch is any string",
    ),
    "two values of an enum with one name in code": (
        *("const: angry", "const: CALM", "CALM"),
        "Mood/anyOf/1: `CALM` and `calm` would both be `CALM` in code",
    ),
    "a name that the npm package has": (
        *("  Mood:\n", "  RestCalls: # here\n", "# here"),
        "RestCalls: not a name for a class; use CapWords that no generated code uses itself",
    ),
    "a list of anything": (
        *("        items: {type: string}\n", "", "colours:"),
        "Order/colours: a list without `items`: nothing would check what is in it",
    ),
    "an object of which nothing is said": (
        *("        additionalProperties: {type: integer}\n", "", "sizes:"),
        "Order/sizes: an object of any fields says `additionalProperties: true`",
    ),
    "a bound that no model checks": (
        *("items: {type: string}", "items: {type: string, minLength: 1}", "minLength"),
        "Order/colours/items: the models check `minLength` only directly at a field",
    ),
    "a bound of another type": (
        *("minimum: 0", "maxItems: 3", "maxItems"),
        "Picture/count: `maxItems` says nothing about this type",
    ),
    "a keyword that means nothing beside the others": (
        *(
            "        $ref: '#/$defs/Mood'\n",
            "        $ref: '#/$defs/Mood'\n        type: string\n",
            "        type: string\n        x-stand-in",
        ),
        "Done/mood: `type` is not honoured here",
    ),
    "several types": (
        *("type: [string, 'null']", "type: [string, integer, 'null']", "integer, 'null'"),
        "Done/picture: several types: name them in an `anyOf`",
    ),
    "a field without a type": (
        *("        type: integer\n        minimum: 0\n        default: 0\n", "", "count:"),
        "Picture/count: no type",
    ),
    "a field without a description": (
        *("        description: Its address.\n", "", "url:"),
        "Picture/url: no description",
    ),
    "a definition without a description": (
        *("    description: The mood of a cat.\n", "", "Mood:"),
        "Mood: no description",
    ),
    "a reference to nothing": (
        *("$ref: '#/$defs/Mood'", "$ref: '#/$defs/Moods'", "Moods"),
        "Done/mood: `#/$defs/Moods` leads nowhere",
    ),
    "a reference to another file": (
        *("$ref: '#/$defs/Mood'", "$ref: dogs.yaml#/$defs/Mood", "dogs"),
        "Done/mood: `dogs.yaml#/$defs/Mood` leads nowhere",
    ),
    "a default that does not fit": (
        *("default: 0", "default: none", "default: none"),
        "Picture/count: `default` does not fit: 'none' is not of type 'integer'",
    ),
    "a default of a required field": (
        *("        maxLength: 80\n", "        default: A cat\n", "default: A cat"),
        "Order/prompt: a required field has no default",
    ),
    "a stand-in that does not fit": (
        *("x-stand-in: calm", "x-stand-in: 1", "x-stand-in"),
        "Done/mood: `x-stand-in` does not fit: 1 is not valid under any of the given schemas",
    ),
    "a stand-in that no reader would use": (
        *("        x-large: true\n", "        x-stand-in: none\n", "x-stand-in: none"),
        "Picture/data: `x-stand-in` is for required fields that are not essential",
    ),
    "an essential field that may be absent": (
        *("        x-large: true\n", "        x-essential: true\n", "x-essential"),
        "Picture/data: only a required field can be essential",
    ),
    "null for a field that has no null": (
        *("        x-large: true\n", "        x-write-null: true # here\n", "# here"),
        "Picture/data: `x-write-null` is for optional fields that may be null",
    ),
    "an example of a field that does not fit": (
        *("examples: [A cat]", "examples: [7]", "examples: [7]"),
        "Order/prompt: `examples` does not fit: 7 is not of type 'string'",
    ),
    "an example of an object that does not fit": (
        *("- {type: done, mood: calm, picture", "- {mood: calm, picture", "- {mood: calm"),
        "Done: `examples` does not fit: 'type' is a required property",
    ),
    "a tag that may be absent": (
        *("required: [type, mood]", "required: [mood]", "type: {const: done"),
        "Done/type: a constant is a text, and required: writers always send it",
    ),
    "a union with something inline": (
        *(
            "What the server sends.\n    oneOf:\n",
            "What the server sends.\n    oneOf:\n      - {type: string}\n",
            "- {type: string}",
        ),
        "SignalingServerMessage/oneOf/0: a member of a union is a `$ref` and nothing else",
    ),
    "a union of what has no tag": (
        *(
            "What the server sends.\n    oneOf:\n",
            "What the server sends.\n    oneOf:\n      - $ref: '#/$defs/Picture' # here\n",
            "# here",
        ),
        "SignalingServerMessage/oneOf/0: `Picture` has no constant `type` that would tell it from the others",
    ),
    "a definition of another kind": (
        *("    anyOf:\n      - {const: calm", "    items:\n      anyOf:\n      - {const: calm", "Mood:"),
        "Mood: neither an object nor an open enum nor a union of objects",
    ),
    "a name that is no class": (
        *("  Mood:\n", "  mood: # here\n", "# here"),
        "mood: not a name for a class; use CapWords that no generated code uses itself",
    ),
    "a name without a letter": (
        *("      colours:\n", "      '-':\n", "'-':"),
        "Order/-: no attribute can be named after it: no letter and no digit",
    ),
    "a value of an enum without a letter": (
        *("const: angry", "const: '?'", "'?'"),
        "Mood/anyOf/1: no member can be named after `?`: no letter and no digit",
    ),
    "a key that is there twice": (
        *("        default: 0\n", "        default: 0\n        minimum: 1\n", "minimum: 1"),
        "`minimum` is there twice; the first is on line 63",
    ),
    "a key that YAML takes for something else": (
        *("      count:\n", "      no:\n", "no:"),
        "the key `no` is not text to YAML: put it in quotes",
    ),
    "a value that YAML takes for something else": (
        *("examples: [A cat]", "examples: [2026-01-01]", "2026"),
        "`2026-01-01` is not a JSON value: put it in quotes, or write it as in JSON",
    ),
    "an example without what the service writes as null": (
        *("- {type: done, mood: calm, picture: null}", "- {type: done, mood: calm}", "- {type: done"),
        "Done/examples/0: the service writes null for `picture`: show it",
    ),
    "a definition without examples": (
        *("    examples: [calm]\n", "", "Mood:"),
        "Mood: no examples",
    ),
    "an enum that does not say what other values are": (
        *("      - {type: string, description: Any other.}", "      - {type: string}", "- {type: string}"),
        "Mood/anyOf/2: no description",
    ),
    "a default that is an object": (
        *(
            "        additionalProperties: {type: integer}\n",
            "        additionalProperties: {type: integer}\n        default: {}\n",
            "default: {}",
        ),
        "Order/sizes: a default is a text, a number, a boolean or an empty list",
    ),
    "a default that is a list": (
        *(
            "        items: {type: string}\n",
            "        items: {type: string}\n        default: [red]\n",
            "default: [red]",
        ),
        "Order/colours: a default that is a list is empty",
    ),
    "a default of what has no plain type": (
        *("          - type: 'null'\n", "          - type: 'null'\n        default: A cat\n", "default: A cat"),
        "Order/image: only a field with a plain type has a default",
    ),
    "a secret that is no text": (
        *("        minimum: 0\n", "        x-secret: true\n        minimum: 0\n", "x-secret"),
        "Picture/count: only a text can be secret",
    ),
    "a format of another type": (
        *("        minimum: 0\n", "        format: date\n        minimum: 0\n", "format: date"),
        "Picture/count: the format `date` says nothing about this type",
    ),
    "bounds that nothing fits": (
        *("        minimum: 0\n", "        minimum: 4\n        maximum: 3\n", "minimum: 4"),
        "Picture/count: no value fits: `minimum` is above `maximum`",
    ),
    "a pattern that only Python reads": (
        *("maxLength: 80", "pattern: '(?P<first>A)'", "pattern:"),
        "Order/prompt: the pattern means something else, or nothing, in ECMAScript",
    ),
    "a pattern with an end that only Python has": (
        *("maxLength: 80", "pattern: 'cat\\Z'", "pattern:"),
        "Order/prompt: the pattern means something else, or nothing, in ECMAScript",
    ),
    "nothing but null": (
        *("type: [string, 'null']", "type: 'null'", "picture:"),
        "Done/picture: no type",
    ),
    "a choice of one type": (
        *(
            "          - type: string\n          - $ref: '#/$defs/Picture'\n          - type: 'null'\n",
            "          - $ref: '#/$defs/Picture'\n",
            "anyOf:",
        ),
        "Order/image: an `anyOf` names several types",
    ),
    "a union of messages in a field": (
        *(
            "          - $ref: '#/$defs/Picture'\n",
            "          - $ref: '#/$defs/DataChannelClientMessage'\n",
            "$ref: '#/$defs/DataChannelClientMessage'",
        ),
        "Order/image/anyOf/1: `DataChannelClientMessage` is a union of messages, which only a channel carries",
    ),
    "a field that every object of JavaScript has": (
        *("      colours:\n", "      constructor:\n", "constructor:"),
        "Order/constructor: every object of JavaScript has one already",
    ),
    "a name that the guards have": (
        *("  Mood:\n", "  ListOf:\n", "ListOf:"),
        "ListOf: not a name for a class; use CapWords that no generated code uses itself",
    ),
    "a name that is made from another": (
        *("  Picture:\n", "  KnownMood:\n", "  Mood:\n"),
        "Mood: `KnownMood` is made from it; rename `KnownMood`",
    ),
    "a name that is made from a field": (
        *("  Done:\n", "  OrderSizes:\n", "Order:"),
        "Order: `OrderSizes` is made from it; rename `OrderSizes`",
    ),
    "a name that differs in capitals only": (
        *("  Mood:\n", "  PICTURE:\n", "PICTURE:"),
        "PICTURE: differs from `Picture` in capitals only; in spec/schemas/cats.yaml",
    ),
    "a definition that nothing leads to": (
        *("  Mood:\n", "  Dog:\n    description: A dog.\n    type: object\n    examples: [{}]\n  Mood:\n", "Dog:"),
        "Dog: no call or message uses it; see openapi.yaml",
    ),
    "a keyword in the head of a file": (
        *("title: Cats\n", "title: Cats\ntype: object\n", "type: object"),
        "`type` is not for the head of a file",
    ),
    "a file without a title": (
        *("title: Cats\n", "", "$schema"),
        "the file has no title",
    ),
    "another dialect": (
        *("draft/2020-12", "draft/2019-09", "$schema"),
        "the schemas are those of https://json-schema.org/draft/2020-12/schema",
    ),
    "minutes that YAML takes for a number": (
        *("default: 0", "default: 1:30", "default: 1:30"),
        "`1:30` is not a JSON value: put it in quotes, or write it as in JSON",
    ),
    "an octal number": (
        *("default: 0", "default: 010", "default: 010"),
        "`010` is not a JSON value: put it in quotes, or write it as in JSON",
    ),
    "a number that is infinite": (
        *("default: 0", "default: .inf", "default: .inf"),
        "`.inf` is not a JSON value: put it in quotes, or write it as in JSON",
    ),
    "a yes": (
        *("x-large: true", "x-large: yes", "x-large: yes"),
        "`yes` is not a JSON value: put it in quotes, or write it as in JSON",
    ),
    "a tag of YAML": (
        *("description: Its address.", "description: !text Its address.", "!text"),
        "`Its address.` is not a JSON value: put it in quotes, or write it as in JSON",
    ),
    "an object with a tag of YAML": (
        *("      count:\n", "      count: !number\n", "!number"),
        "`!number` is not a JSON value",
    ),
    "an alias within itself": (
        *(
            "        items: {type: string}\n",
            "        items: &items {type: array, items: *items}\n",
            "items: &items",
        ),
        "an alias for a value that contains it",
    ),
    "what is no JSON Schema": (
        *("required: [type, prompt]", "required: type", "required: type"),
        "not JSON Schema: 'type' is not of type 'array'",
    ),
}


@pytest.mark.parametrize("kind", SCHEMA_FAULTS)
def test_a_fault_in_a_schema_is_named_with_its_line(kind: str, spec: Path) -> None:
    good, bad, place, fault = SCHEMA_FAULTS[kind]
    small_spec.spoilt(spec, good, bad)
    before = (spec / CATS).read_text("utf-8").partition(place)[0]
    assert f"spec/{CATS}:{before.count(chr(10)) + 1}: {fault}" in faults(spec)


def test_a_bad_pattern_is_named(spec: Path) -> None:
    small_spec.spoilt(spec, "maxLength: 80", "pattern: '('")
    assert faults(spec) == [f"spec/{CATS}:14: not JSON Schema: '(' is not a 'regex'"]


def test_a_name_given_twice_is_named_with_both_places(spec: Path) -> None:
    dogs = spec / "schemas" / "dogs.yaml"
    dogs.write_text("description: Dogs.\n$defs:\n  Mood:\n    description: A mood.\n    type: object\n", "utf-8")
    assert "spec/schemas/dogs.yaml:3: Mood: also in spec/schemas/cats.yaml" in faults(spec)


def test_all_faults_are_named_at_once_in_the_order_of_files_and_lines(spec: Path) -> None:
    small_spec.spoilt(spec, "maxLength: 80", "maxLenght: 80")
    small_spec.spoilt(spec, "format: uri", "format: url")
    small_spec.spoilt(spec, "x-large: true", "x-large: yes please")
    small_spec.spoilt(spec, "x-assumed", "x-guessed", file="openapi.yaml")
    assert [fault.partition(": ")[0] for fault in faults(spec)] == [
        "spec/openapi.yaml:19",
        f"spec/{CATS}:14",
        f"spec/{CATS}:45",
        f"spec/{CATS}:56",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("$defs: {", "1: not YAML: expected the node content, but found '<stream end>'"),
        ("- a list\n", "1: not an object"),
        ("description: Nothing.\n", "1: no definitions under `$defs`"),
        ("description: >-\n  A bell\a.\n", "2: not YAML: special characters are not allowed"),
    ],
    ids=["no YAML", "no object", "no definitions", "a control character"],
)
def test_a_file_that_cannot_be_read_is_named(text: str, fault: str, spec: Path) -> None:
    (spec / CATS).write_text(text, "utf-8")
    (found,) = faults(spec)
    assert found.startswith(f"spec/{CATS}:{fault}")


def test_a_file_that_is_not_utf_8_is_named(spec: Path) -> None:
    (spec / CATS).write_bytes(b"title: Cats\ndescription: \xe9\n")
    assert faults(spec) == [f"spec/{CATS}:2: not UTF-8"]


def test_a_missing_envelope_is_named(spec: Path) -> None:
    (spec / "asyncapi.yaml").unlink()
    assert faults(spec) == ["spec/asyncapi.yaml:1: the file is missing"]


# The file, the replaced text, and its replacement; the faulty file, a text on the faulty line, which of its
# occurrences is meant, and the fault.
ENVELOPE_FAULTS = {
    "a message in a union but in no operation": (
        *(
            "asyncapi.yaml",
            "    messages: [{$ref: '#/channels/clientToStreamer/messages/order'}]\n",
            "    messages: []\n",
        ),
        *(CATS, "      - $ref: '#/$defs/Order'\n", 2),
        "DataChannelClientMessage: `Order` is in no `send` operation of `clientToStreamer` in asyncapi.yaml",
    ),
    "a message in an operation but in no union": (
        *(
            CATS,
            "What the streamer sends.\n    oneOf:\n      - $ref: '#/$defs/Done'",
            "What the streamer sends.\n    oneOf: []",
        ),
        *("asyncapi.yaml", "operations:", 1),
        "a client receives `Done` on `streamerToClient`, and it is not in `DataChannelStreamerMessage`",
    ),
    "a message of a channel in no operation": (
        *(
            "asyncapi.yaml",
            "  clientToStreamer:\n",
            "      again: {$ref: '#/components/messages/done'}\n  clientToStreamer:\n",
        ),
        *("asyncapi.yaml", "again:", 1),
        "`again` is in no operation of `signaling`",
    ),
    "a message on no channel": (
        *(
            "asyncapi.yaml",
            "    done: {name: done",
            "    late: {name: done, payload: {$ref: 'schemas/cats.yaml#/$defs/Done'}}\n    done: {name: done",
        ),
        *("asyncapi.yaml", "late:", 1),
        "`late` is on no channel",
    ),
    "a message with another name than its tag": (
        *("asyncapi.yaml", "{name: done", "{name: finished"),
        *("asyncapi.yaml", "{name: finished", 1),
        "named `finished`, and its `type` is `done`",
    ),
    "a channel without a union": (
        *(
            "asyncapi.yaml",
            "    action: receive\n    channel: {$ref: '#/channels/streamerToClient'}",
            "    action: send\n    channel: {$ref: '#/channels/streamerToClient'}",
        ),
        *("asyncapi.yaml", "operations:", 1),
        "no union has what a client sends on `streamerToClient`",
    ),
    "a union on no channel": (
        *(
            CATS,
            "  Mood:\n",
            "  AnyMessage:\n    description: Any.\n    oneOf:\n      - $ref: '#/$defs/Done'\n  Mood:\n",
        ),
        *(CATS, "AnyMessage:", 1),
        "AnyMessage: a union that no channel carries",
    ),
    "a misspelt keyword of a call": (
        *("openapi.yaml", "      summary: Add a picture.", "      sumary: Add a picture."),
        *("openapi.yaml", "sumary", 1),
        "paths//pictures/post: `sumary` is not understood",
    ),
    "a misspelt method": (
        *("openapi.yaml", "    post:\n", "    psot:\n"),
        *("openapi.yaml", "psot", 1),
        "paths//pictures: `psot` is not understood",
    ),
    "a call without a name": (
        *("openapi.yaml", "      operationId: addPicture\n", ""),
        *("openapi.yaml", "post:", 1),
        "paths//pictures/post: 'operationId' is missing",
    ),
    "a status that is none": (
        *("openapi.yaml", "'404':", "'40':"),
        *("openapi.yaml", "'40':", 1),
        "paths//pictures/post/responses: `40` is not understood",
    ),
    "a body without a schema of its own": (
        *("openapi.yaml", "{schema: {$ref: 'schemas/cats.yaml#/$defs/Picture'}}", "{schema: {type: object}}"),
        *("openapi.yaml", "{type: object}", 1),
        (
            "paths//pictures/post/requestBody/content/application/json/schema/type: "
            "'object' is not one of ['string', 'integer', 'number', 'boolean']"
        ),
    ),
    "two calls with one name": (
        *(
            "openapi.yaml",
            "    post:\n",
            """\
    get: {operationId: addPicture, tags: [cats], summary: Get., responses: {'200': {description: A.}}}
    post:
""",
        ),
        *("openapi.yaml", "operationId: addPicture", 2),
        "`addPicture` is the name of two calls",
    ),
    "a tag that is not listed": (
        *("openapi.yaml", "tags: [cats]", "tags: [dogs]"),
        *("openapi.yaml", "tags: [dogs]", 1),
        "`dogs` is not listed under `tags`",
    ),
    "a security scheme that is not there": (
        *("openapi.yaml", "      tags: [cats]\n", "      tags: [cats]\n      security: [{key: []}]\n"),
        *("openapi.yaml", "security:", 1),
        "`key` is not a security scheme",
    ),
    "a link to no call": (
        *(
            "openapi.yaml",
            "          description: The mood.\n",
            "          description: The mood.\n          links: {next: {operationId: getMood}}\n",
        ),
        *("openapi.yaml", "links:", 1),
        "`getMood` is not the name of any call",
    ),
    "a part of a path without a parameter": (
        *("openapi.yaml", "  /pictures:\n", "  /pictures/{id}:\n"),
        *("openapi.yaml", "post:", 1),
        "`id` is not a parameter",
    ),
    "a parameter that the path lacks": (
        *("openapi.yaml", "in: query, description", "in: path, required: true, description"),
        *("openapi.yaml", "post:", 1),
        "`limit` is not part of the path",
    ),
    "a part of a path that is optional": (
        *("openapi.yaml", "in: query, description", "in: path, description"),
        *("openapi.yaml", "- {name: limit", 1),
        "`limit` is part of the path: it must be required",
    ),
    "a default out of its bounds": (
        *("openapi.yaml", "maximum: 100}", "maximum: 100, default: 200}"),
        *("openapi.yaml", "- {name: limit", 1),
        "the default of `limit` is out of its bounds",
    ),
    "an answer that no call has": (
        *("openapi.yaml", "components:\n", "components:\n  responses: {Gone: {description: Gone.}}\n"),
        *("openapi.yaml", "responses: {Gone", 1),
        "no call refers to `Gone`",
    ),
    "an action that is none": (
        *(
            "asyncapi.yaml",
            "    action: receive\n    channel: {$ref: '#/channels/signaling'}",
            "    action: recieve\n    channel: {$ref: '#/channels/signaling'}",
        ),
        *("asyncapi.yaml", "action: recieve", 1),
        "operations/hear/action: 'recieve' is not one of ['send', 'receive']",
    ),
    "a message without a payload": (
        *("asyncapi.yaml", "{name: done, payload: {$ref: 'schemas/cats.yaml#/$defs/Done'}}", "{name: done}"),
        *("asyncapi.yaml", "{name: done}", 1),
        "components/messages/done: 'payload' is missing",
    ),
    "a message of another channel": (
        *(
            "asyncapi.yaml",
            "[{$ref: '#/channels/signaling/messages/done'}]",
            "[{$ref: '#/channels/streamerToClient/messages/done'}]",
        ),
        *("asyncapi.yaml", "'#/channels/streamerToClient/messages/done'", 1),
        "`#/channels/streamerToClient/messages/done` is not among the messages of its channel",
    ),
    "an answer that nobody sends": (
        *(
            "asyncapi.yaml",
            "    messages: [{$ref: '#/channels/clientToStreamer/messages/order'}]\n",
            """\
    messages: [{$ref: '#/channels/clientToStreamer/messages/order'}]
    reply:
      channel: {$ref: '#/channels/signaling'}
      messages: [{$ref: '#/channels/signaling/messages/order'}]
""",
        ),
        *("asyncapi.yaml", "'#/channels/signaling/messages/order'}]\n  answer", 1),
        "no operation `receive`s `order` on `signaling`",
    ),
    "a misspelt step": (
        *(
            "sequences.yaml",
            "{from: client, to: server, message: order}",
            "{from: client, to: server, mesage: order}",
        ),
        *("sequences.yaml", "mesage", 1),
        "sequences/draw/steps/0: `mesage` is not understood",
    ),
    "a body that is not there": (
        *("openapi.yaml", "cats.yaml#/$defs/Mood", "cats.yaml#/$defs/Moods"),
        *("openapi.yaml", "Moods", 1),
        "`schemas/cats.yaml#/$defs/Moods` leads nowhere",
    ),
    "a keyword of ours in the wrong document": (
        *("openapi.yaml", "x-assumed: true", "x-refused-handshake: {status: 403}"),
        *("openapi.yaml", "x-refused", 1),
        "`x-refused-handshake` is not registered for openapi.yaml",
    ),
    "a keyword of ours with another value": (
        *("openapi.yaml", "x-assumed: true", "x-assumed: 1"),
        *("openapi.yaml", "x-assumed: 1", 1),
        "`x-assumed` takes `true`",
    ),
}


@pytest.mark.parametrize("kind", ENVELOPE_FAULTS)
def test_a_fault_between_schemas_and_envelopes_is_named_with_its_line(kind: str, spec: Path) -> None:
    file, good, bad, faulty, place, which, fault = ENVELOPE_FAULTS[kind]
    small_spec.spoilt(spec, good, bad, file=file)
    before = place.join((spec / faulty).read_text("utf-8").split(place)[:which])
    assert f"spec/{faulty}:{before.count(chr(10)) + 1}: {fault}" in faults(spec)


def documented() -> Iterator[tuple[str, str, str]]:
    """The table of our keywords in `spec/README.md`: name, places, value."""
    text = (SPEC / "README.md").read_text("utf-8").partition("### Keywords of ours\n")[2]
    for row in re.findall(r"^\| `(x-[^|]*)` \| ([^|]*) \| ([^|]*) \|", text, re.MULTILINE):
        yield row[0], row[1].replace("`", ""), row[2]


def test_the_readme_documents_the_registered_keywords() -> None:
    registered = [(one.name, ", ".join(one.places), one.value) for one in OURS.values()]
    assert list(documented()) == registered


def used(node: Any) -> Iterator[str]:
    """Every key below `node`."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from used(value)
    elif isinstance(node, list):
        for value in node:
            yield from used(value)


def test_every_registered_keyword_is_used() -> None:
    paths = [*(SPEC / "schemas").glob("*.yaml"), *(SPEC / name for name in envelopes.ENVELOPES)]
    keys = {key for path in paths for key in used(yaml_text.parsed(path.read_text("utf-8")))}
    assert set(OURS) - keys == set()


@pytest.mark.parametrize("path", sorted(rules.UNCHECKED), ids=" ".join)
def test_a_rule_that_no_model_checks_is_in_the_spec(path: tuple[str, ...], schema_files: dict[str, Any]) -> None:
    (node,) = [document["$defs"][path[0]] for document in schema_files.values() if path[0] in document["$defs"]]
    for step in path[1:]:
        node = node[step]
    readme = " ".join((SPEC / "README.md").read_text("utf-8").split())
    assert f"`{path[-1]}` of `{path[0]}" in readme
