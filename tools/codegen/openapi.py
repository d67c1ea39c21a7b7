"""Makes three OpenAPI documents, each complete: the REST API, the calls on other hosts, the live messages.

The calls and their answers are those of `spec/openapi.yaml`. This module adds what generators and linters need but
the checks of traffic must not allow: answers for all other statuses. Calls whose path has servers of its own are
in the second document, because many generators know only one server. The third has no calls at all; it is for
generators that do not read AsyncAPI.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tools.codegen.components import PREFIX, Components, Dialect
from tools.codegen.directions import names_below, reached, sent_by_clients
from tools.codegen.documents import inward
from tools.codegen.marked import SpecError, fault_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.codegen.sources import Schema

__all__ = ["openapi_documents"]

_METHODS = ("get", "post", "put", "patch", "delete")
_WITH_RETRY_AFTER = ("503", "UsageLimit", "Failure")
_DETAILS = {"UsageErrorBody", "ValidationIssue"}
"""The definitions in the `detail` of an `ErrorBody`, whose component does not refer to them."""
_REST_TEXT = """\
The REST API as the official clients use it (Python 1.3.0, JavaScript 1.3.1). JSON in and out. What was not
observed is marked `x-assumed: true`.

Browser clients call every operation from another origin, so a server must answer CORS preflights, allow
`Authorization` and `Content-Type`, and expose `Location`, `Retry-After` and `X-Request-Id`.
"""
_MEDIA_TEXT = """\
The calls that a client makes to other hosts: pings of regions, ICE servers, WHEP and HLS. Each address is a value
that the service returned; it is a variable of the path's server. No call carries the bearer token of the REST API.
"""
_LIVE_TEXT = """\
The messages of the signaling WebSocket and of the data channels, for generators that read OpenAPI and not
AsyncAPI. There are no paths: the AsyncAPI document says which message is sent where, and in which direction.
"""
_READING = """
How to read this document: every enum is open. Its values are in `x-extensible-enum`, and for constants in the enum
`Known…` beside it, which no body uses. Objects in answers may have other fields than those listed, which readers
ignore. A field that is not required may be absent. One that is required and may be null is always written by the
service as its pages describe it; the rules for readers that are to tolerate more are in `spec/`. Times are ISO
8601, but a zone is not certain; so they have no `format`.
"""
_DIALECT = Dialect(lambda mapping: {"propertyName": "type", "mapping": mapping}, ref_has_siblings=True)
_SIGNALING: Schema = {
    "url": "{signalling_url}",
    "description": "The WebSocket of a session. The data channels belong to a peer connection.",
    "variables": {
        "signalling_url": {
            "default": "wss://signal.example.org/signaling",
            "description": "As returned by `POST /sessions/request`.",
        }
    },
}
_OTHER: Schema = {"description": "Any other answer is a failure; its body is not specified."}
_FAILURE: Schema = {"$ref": "#/components/responses/Failure"}


def openapi_documents(files: dict[str, Schema], openapi: Schema, asyncapi: Schema) -> dict[str, Schema]:
    """Return the documents, by the names `odyssey`, `odyssey-media` and `odyssey-live`.

    Raises `SpecError` if two components would have the same name.
    """
    schemas = Components(files, sent_by_clients(files, openapi, asyncapi), _DIALECT).schemas
    source = inward(openapi, PREFIX)
    if taken := list(_merge_bodies(source["components"]["responses"], schemas)):
        text = "two components would have the name `{}`"
        raise SpecError(
            fault_at(openapi, ("components", "responses", key), f"{key}: {text.format(title)}")
            for key, title in taken
        )
    return {
        "odyssey": _rest(copy.deepcopy(source), schemas),
        "odyssey-media": _media(copy.deepcopy(source), schemas),
        "odyssey-live": _live(source["info"], asyncapi, schemas),
    }


def _rest(document: Schema, schemas: dict[str, Schema]) -> Schema:
    _entitle(document["info"], "Odyssey REST API", "Tokens, sessions, recordings and simulations.", _REST_TEXT)
    document["paths"] = {path: item for path, item in document["paths"].items() if "servers" not in item}
    _complete(document, _FAILURE)
    for answers in (*(call["responses"] for call in _calls(document)), document["components"]["responses"]):
        _add_headers(answers)
    return _finished(document, schemas, {*document["components"]["schemas"], *_DETAILS})


def _media(document: Schema, schemas: dict[str, Schema]) -> Schema:
    _entitle(document["info"], "Odyssey media", "Pings, ICE servers, WHEP and HLS.", _MEDIA_TEXT)
    document["paths"] = {path: item for path, item in document["paths"].items() if "servers" in item}
    document.update(servers=document["paths"]["/whep"]["servers"], security=[])
    _complete(document, _OTHER)
    return _finished(document, schemas, set())


def _live(info: Schema, asyncapi: Schema, schemas: dict[str, Schema]) -> Schema:
    info = {**info, "version": asyncapi["info"]["version"]}
    _entitle(info, "Odyssey live messages", "Signaling and the data channels.", _LIVE_TEXT)
    names = _with_known(reached(schemas, names_below(asyncapi["components"])), schemas)
    return {
        "openapi": "3.1.0",
        "info": info,
        "servers": [_SIGNALING],
        "paths": {},
        "components": {"schemas": {name: schema for name, schema in schemas.items() if name in names}},
    }


def _entitle(info: Schema, title: str, summary: str, text: str) -> None:
    info.update(title=title, summary=summary, description=f"{text}{_READING}")


def _complete(document: Schema, failure: Schema) -> None:
    """Give every call an answer for every status, exact statuses first."""
    for call in _calls(document):
        known = call["responses"]
        exact = {status: answer for status, answer in known.items() if status.isdecimal()}
        ranges = {status: known.get(status, failure) for status in ("4XX", "5XX", "default")}
        call["responses"] = {**exact, **known, **ranges}


def _merge_bodies(responses: Schema, schemas: dict[str, Schema]) -> Iterator[tuple[str, str]]:
    """Replace a titled choice of objects by one component with the fields of all of them, none required.

    Such objects have no tag, so that code in many languages could not tell them apart; but it can look for fields.
    Yield the key and the title of each response whose title is already the name of a component.
    """
    for key, response in responses.items():
        media = response["content"]["application/json"]
        if "anyOf" not in media["schema"]:
            continue
        branches = [schemas[branch["$ref"].rpartition("/")[2]] for branch in media["schema"]["anyOf"]]
        if media["schema"]["title"] in schemas:
            yield key, media["schema"]["title"]
        schemas[media["schema"]["title"]] = {
            "title": media["schema"]["title"],
            "description": media["schema"]["description"],
            "type": "object",
            "properties": {name: field for branch in branches for name, field in branch["properties"].items()},
            "additionalProperties": True,
            "examples": [branches[0]["examples"][0], {"detail": branches[0]["examples"][0]}],
        }
        media["schema"] = {"$ref": f"{PREFIX}{media['schema']['title']}"}


def _calls(document: Schema) -> Iterator[Schema]:
    for item in document["paths"].values():
        yield from (call for method, call in item.items() if method in _METHODS)


def _add_headers(responses: Schema) -> None:
    """Add `X-Request-Id` to all answers, and `Retry-After` to those that may have it."""
    for key, response in responses.items():
        if "$ref" not in response:
            headers = response.setdefault("headers", {})
            headers["X-Request-Id"] = {"$ref": "#/components/headers/XRequestId"}
            if key in _WITH_RETRY_AFTER:
                headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}


def _finished(document: Schema, schemas: dict[str, Schema], extra: set[str]) -> Schema:
    """Return the document with examples, and with those components that it uses or that are in `extra`."""
    components = document["components"]
    used = names_below(document["paths"])
    for kind in ("parameters", "responses"):
        components[kind] = {name: part for name, part in components[kind].items() if name in used}
    used |= names_below(components["responses"])
    components["headers"] = {name: part for name, part in components["headers"].items() if name in used}
    if not document["security"]:
        del components["securitySchemes"]
    names = _with_known(reached(schemas, used | extra), schemas)
    components["schemas"] = {name: schema for name, schema in schemas.items() if name in names}
    tags = {tag for call in _calls(document) for tag in call["tags"]}
    document["tags"] = [tag for tag in document["tags"] if tag["name"] in tags]
    document["components"] = {kind: parts for kind, parts in components.items() if parts}
    _add_examples(document["paths"], schemas)
    _add_examples(components["responses"], schemas)
    return document


def _with_known(names: set[str], schemas: dict[str, Schema]) -> set[str]:
    """Return the names, and those of the enums that have the known values of any of these schemas."""
    return names | ({f"Known{name}" for name in names} & schemas.keys())


def _add_examples(node: Any, schemas: dict[str, Schema]) -> None:
    """Show the examples of a body's schema at the body, for tools that look for them there."""
    if not isinstance(node, dict):
        return
    for media in node.get("content", {}).values():
        examples = schemas.get(media["schema"].get("$ref", "").rpartition("/")[2], {}).get("examples", [])
        if examples:
            media["examples"] = {f"example{n}": {"value": shown} for n, shown in enumerate(examples, 1)}
    for value in node.values():
        _add_examples(value, schemas)
