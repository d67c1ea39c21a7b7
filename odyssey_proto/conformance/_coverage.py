"""Which places of ``spec/`` some traffic used: schemas, fields and values of its data, answers and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._model.traffic import Message
from ._calls import HANDSHAKE, claims_of, path_of
from ._schemas import is_open_enum, parsed
from ._violation import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._model.traffic import Exchange, Seen
    from ._contract import Contract
    from ._schemas import Schemas

__all__ = ["covered", "covered_by_data"]

_COMPONENTS = Rule("openapi.yaml", ("components",))
_CLAIMS = Rule("schemas/sessions.yaml", ("$defs", "SessionTokenClaims"))
_REFUSAL = Rule("asyncapi.yaml", ("channels", "signaling", "x-refused-handshake"))
_SWITCHED = 101


def covered(contract: Contract, schemas: Schemas, seen: Seen) -> Iterator[Rule]:
    """Yield the places that a message, or the answer to a call, used."""
    if isinstance(seen, Message):
        data, _ = parsed(seen.text)
        kind = data.get("type") if isinstance(data, dict) else None
        payload = contract.messages.payload(seen, kind) if isinstance(kind, str) else None
        if payload is not None:
            yield from covered_by_data(schemas, payload, data)
    elif path_of(seen.route) == HANDSHAKE:
        if seen.status not in (None, _SWITCHED) and seen.status == schemas.node(_REFUSAL / "status"):
            yield _REFUSAL
    else:
        yield from _covered_by_answer(contract, schemas, seen)


def _covered_by_answer(contract: Contract, schemas: Schemas, seen: Exchange) -> Iterator[Rule]:
    operation = contract.calls.operation(seen)
    if operation is None or seen.status is None:
        return
    rule = contract.calls.answer(operation, seen.status)
    if rule is None:
        return
    yield rule
    node = schemas.node(rule)
    for name in node.get("headers", ()):
        if name in seen.headers:
            yield from {rule / "headers" / name, schemas.resolved(rule / "headers" / name)}
    # A component is a header that any answer may have; its name there has no dashes.
    given = {name.replace("-", "").lower() for name in seen.headers}
    for name in schemas.node(_COMPONENTS).get("headers", ()):
        if name.lower() in given:
            yield _COMPONENTS / "headers" / name
    if "application/json" in node.get("content", ()):
        data, wrong = parsed(seen.body or b"")
        if not wrong:
            yield from covered_by_data(schemas, rule / "content" / "application/json" / "schema", data)
    if schemas.node(operation)["operationId"] == "createSessionToken" and (claims := claims_of(seen.body)):
        yield from covered_by_data(schemas, _CLAIMS, claims)


def covered_by_data(schemas: Schemas, rule: Rule, data: Any) -> Iterator[Rule]:
    """Yield the places that ``data`` uses, from the schema at ``rule`` on.

    >>> from odyssey_proto.conformance._schemas import schemas
    >>> job_status = Rule("schemas/simulations.yaml", ("$defs", "SimulationJobStatus"))
    >>> [place.pointer for place in covered_by_data(schemas(), job_status, "failed")]
    ['/$defs/SimulationJobStatus', '/$defs/SimulationJobStatus/anyOf/4']
    """
    yield rule
    node = schemas.node(rule)
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        yield from covered_by_data(schemas, Rule.of(node["$ref"], rule.file), data)
    if isinstance(data, dict):
        for name in node.get("properties", {}).keys() & data.keys():
            yield from covered_by_data(schemas, rule / "properties" / name, data[name])
    if isinstance(data, list) and "items" in node:
        for one in data:
            yield from covered_by_data(schemas, rule / "items", one)
    for keyword in ("anyOf", "oneOf"):
        yield from _covered_by_branch(schemas, rule / keyword, node, node.get(keyword, ()), data)


def _covered_by_branch(schemas: Schemas, rule: Rule, node: Any, branches: Any, data: Any) -> Iterator[Rule]:
    for index, branch in enumerate(branches):
        if "const" in branch:
            if branch["const"] == data:
                yield rule / index
        elif not is_open_enum(node) and schemas.fits(rule / index, data):
            yield from covered_by_data(schemas, rule / index, data)
