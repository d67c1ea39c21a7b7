"""What the generators cannot honour is refused with its file and its line, all at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import small_spec
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


# What is replaced, by what, the first text of the faulty line, and the fault.
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
        "Order: `promt` is required, and is no property",
    ),
    "a choice in which a field is missing": (
        *("- required: [url]", "- required: [uri]", "[uri]"),
        "Picture/oneOf/1: `uri` is no property",
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
    "a name that generated code has beside an enum": (
        *("  Picture:\n", "  KnownMood:\n", "Mood:\n    description: The mood"),
        "Mood: `KnownMood` is in `cats.yaml`, and generated code has it beside `Mood`",
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
        *("- {type: done, mood: calm}", "- {mood: calm}", "- {mood: calm}"),
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
        "`minimum` is there twice; the first is in line 62",
    ),
    "a key that YAML takes for something else": (
        *("      count:\n", "      no:\n", "no:"),
        "the key `no` is not text to YAML: put it in quotes",
    ),
    "a value that YAML takes for something else": (
        *("examples: [A cat]", "examples: [2026-01-01]", "2026"),
        "`2026-01-01` is no JSON value: put it in quotes",
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
    assert faults(spec) == [f"spec/{CATS}:13: not JSON Schema: '(' is not a 'regex'"]


def test_a_name_given_twice_is_named_with_both_places(spec: Path) -> None:
    dogs = spec / "schemas" / "dogs.yaml"
    dogs.write_text("description: Dogs.\n$defs:\n  Mood:\n    description: A mood.\n    type: object\n", "utf-8")
    assert faults(spec) == ["spec/schemas/dogs.yaml:3: Mood: also in spec/schemas/cats.yaml"]


def test_all_faults_are_named_at_once_in_the_order_of_files_and_lines(spec: Path) -> None:
    small_spec.spoilt(spec, "maxLength: 80", "maxLenght: 80")
    small_spec.spoilt(spec, "format: uri", "format: url")
    small_spec.spoilt(spec, "x-large: true", "x-large: yes please")
    small_spec.spoilt(spec, "x-assumed", "x-guessed", file="openapi.yaml")
    assert [fault.partition(": ")[0] for fault in faults(spec)] == [
        "spec/openapi.yaml:16",
        f"spec/{CATS}:13",
        f"spec/{CATS}:44",
        f"spec/{CATS}:55",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("$defs: {", "1: not YAML: expected the node content, but found '<stream end>'"),
        ("- a list\n", "1: not an object"),
        ("description: Nothing.\n", "1: no definitions under `$defs`"),
    ],
    ids=["no YAML", "no object", "no definitions"],
)
def test_a_file_that_cannot_be_read_is_named(text: str, fault: str, spec: Path) -> None:
    (spec / CATS).write_text(text, "utf-8")
    (found,) = faults(spec)
    assert found.startswith(f"spec/{CATS}:{fault}")


def test_a_missing_envelope_is_named(spec: Path) -> None:
    (spec / "asyncapi.yaml").unlink()
    assert faults(spec) == ["spec/asyncapi.yaml:1: the file is missing"]


# The file, what is replaced, by what, the first text of the faulty line and its file, and the fault.
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
    keys = {key for path in paths for key in used(yaml.safe_load(path.read_text("utf-8")))}
    assert set(OURS) - keys == set()


@pytest.mark.parametrize("path", sorted(rules.UNCHECKED), ids=" ".join)
def test_a_rule_that_no_model_checks_is_in_the_spec(path: tuple[str, ...]) -> None:
    files = read(SPEC / "schemas")
    (node,) = [document["$defs"][path[0]] for document in files.values() if path[0] in document["$defs"]]
    for step in path[1:]:
        node = node[step]
    readme = " ".join((SPEC / "README.md").read_text("utf-8").split())
    assert f"`{path[-1]}` of `{path[0]}" in readme
