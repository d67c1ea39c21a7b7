"""The vectors that follow from the schemas: odd answers and messages, and requests with unknown fields and nulls.

The right reading of an answer comes from `tools.vectors.mutations`, or from the table written by hand,
``tests/tolerance/cases.yaml``; that of a request comes from its schema.
"""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tools import yaml_text
from tools.vectors.mutations import (
    SPEC,
    UNKNOWN_FIELD,
    UNKNOWN_VALUE,
    UnreadableError,
    definition,
    definitions,
    json_text,
    mutations,
    right,
    served,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Case", "answers", "requests", "schema_of"]

Case = dict[str, Any]

_TABLE: Final = Path(__file__).resolve().parents[2] / "tests" / "tolerance" / "cases.yaml"

_REPLACED: Final = (
    *("null", "true", "an integer", "a fraction", "a text", "an empty text", "an integer in a text"),
    *("a fraction in a text", "a number among spaces", "NaN", "a number out of range", "half of a character"),
    *("bytes that are not UTF-8", "a list", "an object", "in a list", "absent", "twice"),
)
"""The replacements of a field that get a vector: no two of them are the same under the rules for readers."""

_ADDED: Final = ("null", "a text", "an object", "NaN", "bytes that are not UTF-8", "an object twice")
"""The values of an unknown field that get a vector."""

_ROWS: Final = ("null", "a text", "an empty object", "NaN")
"""The odd rows of a list that get a vector."""


def schema_of(name: str) -> str:
    """Return the reference to a schema by its name, as vectors state it."""
    return f"{definitions()[name][0]}#/$defs/{name}"


def answers(name: str) -> Iterator[Case]:
    """Yield odd forms of one of the service's objects, with a tolerant reader's reading of each."""
    for entry in yaml_text.parsed(_TABLE.read_text("utf-8")).get(name, ()):
        text = entry["text"] if "text" in entry else json.dumps(entry["data"], ensure_ascii=False)
        raw = text.encode("latin-1" if entry.get("latin-1") else "utf-8")
        outcome = {"reader": "accepts", "written": entry["reads"]} if "reads" in entry else {"reader": "refuses"}
        yield {"name": f"by hand: {entry['name']}", **_content(raw), **outcome}
    for mutation in mutations(name):
        if not _chosen(mutation.name):
            continue
        try:
            outcome = {"reader": "accepts", "written": right(definition(name), mutation.data)}
        except UnreadableError:
            outcome = {"reader": "refuses"}
        yield {"name": mutation.name, **_content(json_text(mutation.data)), **outcome}


def _chosen(name: str) -> bool:
    """Return whether a mutation changes the object itself or one of its own fields, and is worth a vector."""
    place, _, what = name.partition(": ")
    if place.count("/") > 1:  # the objects inside have vectors of their own
        return False
    if what.startswith("and "):
        return what.removeprefix("and ") in _ADDED
    if what.startswith("a row with "):
        return what.removeprefix("a row with ") in _ROWS
    return what in _REPLACED


def _content(raw: bytes) -> Case:
    """Return JSON text in the plainest form that keeps it: its data, the text, or its bytes."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
    try:
        data = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return {"text": text}
    return {"data": data}


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key appears twice")
    return found


def requests() -> dict[str, list[Case]]:
    """Return the cases of each object that only clients send: unknown fields, nulls, and other types.

    Each states whether it fits the schema.
    """
    registry: Registry[Any] = Registry().with_resources(
        (path.name, Resource.from_contents(yaml_text.parsed(path.read_text("utf-8"))))
        for path in (SPEC / "schemas").glob("*.yaml")
    )
    sent = {name: schema for name, (_, schema) in definitions().items() if "properties" in schema}
    found = {}
    for name in sorted(sent.keys() - set(served())):
        fits = Draft202012Validator({"$ref": schema_of(name)}, registry=registry).is_valid
        found[name] = [
            {"name": what, "data": data, "reader": "accepts" if fits(data) else "refuses"}
            for what, data in _odd_requests(name)
        ]
    return found


def _odd_requests(name: str) -> Iterator[tuple[str, Any]]:
    vector = json.loads((SPEC / "vectors" / "valid" / f"{name}.json").read_text("utf-8"))
    base = max((case["data"] for case in vector["cases"]), key=lambda data: len(json.dumps(data)))
    for what, value in (("null", None), ("a text", UNKNOWN_VALUE), ("an object", {UNKNOWN_FIELD: 1})):
        yield f": and {what}", {**copy.deepcopy(base), UNKNOWN_FIELD: value}
    for field in definition(name)["properties"]:
        yield f"/{field}: null", {**copy.deepcopy(base), field: None}
    yield from ((f": {what}", value) for what, value in (("null", None), ("a list", [base]), ("a text", "x")))
