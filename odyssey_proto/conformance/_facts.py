"""The facts of ``spec/`` that were not observed (``x-assumed: true``), and their state after a check.

A fact is confirmed by traffic that shows it, or by a step that provoked it. It is contradicted by traffic that
breaks it, or by a different answer to a step.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs

from .._base.public_path import publish
from . import _documents
from ._violation import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._violation import Violation

__all__ = ["Fact", "FactState", "Facts", "Verdict", "assumed_facts"]

Verdict: TypeAlias = Literal["confirmed", "contradicted", "not seen"]

_ASSUMED: Final = "x-assumed"


@attrs.frozen
class Fact:
    """An assumption of the protocol's documents."""

    name: str
    """A stable name: ``StreamErrorReason.moderation``, ``watchBroadcast.415``, ``/index.m3u8``."""
    rule: Rule
    """Its place in the documents."""


@attrs.frozen
class FactState:
    """The state of a fact."""

    fact: Fact
    verdict: Verdict
    notes: tuple[str, ...] = ()
    """The contradicting evidence."""


class Facts:
    """The state of all assumed facts. Not thread-safe."""

    def __init__(self) -> None:
        self._facts = assumed_facts()
        self._confirmed: set[str] = set()
        self._contradicted: dict[str, dict[str, None]] = {}

    @property
    def rules(self) -> dict[Rule, str]:
        """The names of the facts, by their places."""
        return {fact.rule: fact.name for fact in self._facts.values()}

    def confirm(self, name: str) -> None:
        """Note that a fact was seen; an unknown name is ignored: the documents no longer assume that fact."""
        if name in self._facts:
            self._confirmed.add(name)

    def contradict(self, name: str, note: str) -> None:
        """Note that something other than the fact was seen."""
        if name in self._facts:
            self._contradicted.setdefault(name, {})[note] = None

    def broken_by(self, violation: Violation) -> str | None:
        """Return the name of the innermost assumed fact that a violation contradicts; None if there is none."""
        found = [
            fact
            for fact in self._facts.values()
            # That a path is assumed says nothing about its calls.
            if violation.rule.is_within(fact.rule) and fact.rule.keys[:-1] != ("paths",)
        ]
        return max(found, key=lambda fact: len(fact.rule.keys)).name if found else None

    def states(self) -> tuple[FactState, ...]:
        """Return the state of each fact, in the order of the documents."""
        return tuple(self._state(fact) for fact in self._facts.values())

    def _state(self, fact: Fact) -> FactState:
        if notes := self._contradicted.get(fact.name):
            return FactState(fact, "contradicted", tuple(notes))
        return FactState(fact, "confirmed" if fact.name in self._confirmed else "not seen")


@functools.cache
def assumed_facts() -> dict[str, Fact]:
    """Return all facts that ``spec/`` assumes, by name.

    >>> assumed_facts()["watchBroadcast.415"].rule.pointer
    '/paths/~1whep/post/responses/415'
    """
    names = ("openapi.yaml", "asyncapi.yaml", *_documents.documents("schemas", ".yaml"))
    places = [rule for name in names for rule in _assumed(_documents.document(name), Rule(name))]
    return {name: Fact(name, rule) for name, rule in ((_name(rule), rule) for rule in places)}


def _assumed(node: Any, rule: Rule) -> Iterator[Rule]:
    if isinstance(node, dict) and node.get(_ASSUMED) is True:
        yield rule
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _assumed(child, rule / key)


def _name(rule: Rule) -> str:
    """Return the stable name of a fact. It does not depend on the order of lists."""
    node: Any = _documents.document(rule.file)
    words: list[str] = []
    for key in rule.keys:
        node = node[key]
        if isinstance(node, dict) and "operationId" in node:
            words = [node["operationId"]]
        elif isinstance(key, int):
            words.append(str(node.get("const", node.get("name", key)) if isinstance(node, dict) else key))
        elif key not in _CONTAINERS and not (key in _METHODS and words):
            words.append(key.removeprefix("x-"))
    return ".".join(words)


_METHODS: Final = frozenset({"delete", "get", "patch", "post", "put"})
_CONTAINERS: Final = frozenset(
    {
        *("$defs", "anyOf", "channels", "components", "content", "headers", "messages", "oneOf", "operations"),
        *("parameters", "paths", "properties", "responses", "schemas"),
    }
)


publish("odyssey_proto.conformance", Fact, FactState)
