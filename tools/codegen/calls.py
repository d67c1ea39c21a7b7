"""Checks the consistency of `openapi.yaml` beyond its shape: unique names, and references.

This module also finds definitions that neither a call nor a message refers to: no document would have them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tools.codegen.directions import names_below, reached
from tools.codegen.marked import definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.codegen.marked import Fault, Marked, Path

__all__ = ["call_faults", "forgotten"]

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def call_faults(openapi: Marked) -> Iterator[Fault]:
    """Yield each fault of a call: its name, tags, parameters, security or links; and each unused component."""
    data = openapi.data
    tags = {tag["name"] for tag in data.get("tags", ())}
    schemes = set(data["components"].get("securitySchemes", ()))
    calls = list(_calls(data))
    seen: dict[str, Path] = {}
    for path, item, call in calls:
        name = call["operationId"]
        if seen.setdefault(name, path) != path:
            yield openapi.fault((*path, "operationId"), f"`{name}` is the name of two calls")
        for tag in call["tags"]:
            if tag not in tags:
                yield openapi.fault((*path, "tags"), f"`{tag}` is not listed under `tags`")
        for scheme in (scheme for choice in call.get("security", ()) for scheme in choice):
            if scheme not in schemes:
                yield openapi.fault((*path, "security"), f"`{scheme}` is not a security scheme")
        yield from _parameter_faults(openapi, path, item, call)
    for path, _, call in calls:
        for status, answer in call["responses"].items():
            for link, target in answer.get("links", {}).items():
                if target["operationId"] not in seen:
                    place = (*path, "responses", status, "links", link)
                    yield openapi.fault(place, f"`{target['operationId']}` is not the name of any call")
    used = names_below(data["paths"])
    for kind in ("parameters", "responses"):
        for name in data["components"].get(kind, {}):
            if name not in used:
                yield openapi.fault(("components", kind, name), f"no call refers to `{name}`")


def forgotten(openapi: Marked, asyncapi: Marked, schemas: dict[str, Marked]) -> Iterator[Fault]:
    """Yield a fault for each definition that no call, message or `components` of either document refers to."""
    files = {file: marked.data for file, marked in schemas.items()}
    every = {name: schema for _, name, schema in definitions(files)}
    found = reached(every, names_below([openapi.data, asyncapi.data]))
    for file, name, _ in definitions(files):
        if name not in found:
            yield schemas[file].fault(("$defs", name), f"{name}: no call or message uses it; see openapi.yaml")


def _calls(data: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    for address, item in data["paths"].items():
        for method in _METHODS:
            if method in item:
                yield ("paths", address, method), item, item[method]


def _parameter_faults(openapi: Marked, path: Path, item: dict[str, Any], call: dict[str, Any]) -> Iterator[Fault]:
    given: set[str] = set()
    shared = openapi.data["components"].get("parameters", {})
    for place, listed in ((path[:-1], item.get("parameters", ())), (path, call.get("parameters", ()))):
        for index, entry in enumerate(listed):
            parameter = shared.get(entry["$ref"].rpartition("/")[2]) if "$ref" in entry else entry
            if parameter is None:
                continue  # a dangling reference, which is reported at its place
            here = (*place, "parameters", index)
            schema = parameter["schema"]
            if parameter["in"] == "path":
                given.add(parameter["name"])
                if not parameter.get("required"):
                    yield openapi.fault(here, f"`{parameter['name']}` is part of the path: it must be required")
            default = schema.get("default")
            if default is not None and not schema.get("minimum", default) <= default <= schema.get(
                "maximum", default
            ):
                yield openapi.fault(here, f"the default of `{parameter['name']}` is out of its bounds")
    named = set(re.findall(r"{([^}]*)}", str(path[1])))
    for name in sorted(named ^ given):
        yield openapi.fault(path, f"`{name}` is not {'a parameter' if name in named else 'part of the path'}")
