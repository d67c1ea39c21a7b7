"""Violations and the places of ``spec/`` that they break, as data. Nothing is judged here."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

import attrs

from .._base.public_path import publish

__all__ = ["Kind", "Rule", "Violation", "masked", "named"]

Kind: TypeAlias = Literal["violation", "unknown field", "unknown value"]
"""``spec/`` does not list an ``unknown field`` or ``unknown value``; readers accept them."""


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,39}")
_MASK: Final = "…"


def named(text: str) -> str:
    """Return a text from outside if it looks like a name, and so not like a secret; else a mask.

    >>> named("queue_position"), named("The prompt of somebody")
    ('queue_position', '…')
    """
    return text if _NAME.fullmatch(text) else _MASK


def masked(at: str) -> str:
    """Return a JSON Pointer in which keys that look like neither a name nor an index are masked.

    >>> masked("/streams/0/https:~1~1x?token=y")
    '/streams/0/…'
    """
    return "".join(f"/{key if key.isdecimal() else named(key)}" for key in at.split("/")[1:])


@attrs.frozen(cache_hash=True)
class Rule:
    """A place in one of the files of ``spec/``.

    >>> print(Rule("openapi.yaml") / "paths" / "/regions" / "get")
    spec/openapi.yaml#/paths/~1regions/get
    """

    file: str
    """The file, such as ``schemas/signaling.yaml``."""
    keys: tuple[str | int, ...] = ()
    """The keys and indices that lead to the place."""

    def __truediv__(self, key: str | int) -> Rule:
        return Rule(self.file, (*self.keys, key))

    @classmethod
    def of(cls, reference: str, base: str = "") -> Rule:
        """Return the place that ``reference``, a ``$ref`` in the file ``base``, names.

        >>> Rule.of("#/components/responses/Failure", "openapi.yaml").keys
        ('components', 'responses', 'Failure')
        """
        name, _, pointer = reference.partition("#")
        folder = base.rpartition("/")[0]
        file = f"{folder}/{name}".removeprefix("/") if name else base
        keys = (key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])
        return cls(file, tuple(keys))

    @property
    def pointer(self) -> str:
        """The JSON Pointer of the place in its file."""
        return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in self.keys)

    @property
    def reference(self) -> str:
        """The place as a ``$ref`` from the folder ``spec``."""
        return f"{self.file}#{self.pointer}"

    def is_within(self, other: Rule) -> bool:
        """Return whether this is ``other``, or a part of it."""
        return self.file == other.file and self.keys[: len(other.keys)] == other.keys

    def __str__(self) -> str:
        return f"spec/{self.reference}"


@attrs.frozen(kw_only=True)
class Violation:
    """One difference between the traffic and ``spec/``. Its text has no value from the traffic."""

    where: str
    """The call, such as ``GET /regions``, or the channel: ``signaling, from the service``."""
    part: str = ""
    """The part of it: ``request``, the status of an answer, the type of a message."""
    at: str = ""
    """The JSON Pointer of the place in the body or message; empty for all of it."""
    what: str
    """The fault, without the value."""
    rule: Rule
    """The place in ``spec/`` that it breaks."""
    by: Literal["client", "service"]
    """The sender."""
    kind: Kind = "violation"
    value: str = attrs.field(default="", eq=False, repr=False)
    """The value, shortened, if there is one. It may be a secret."""

    def __str__(self) -> str:
        steps = (self.where, self.part, self.at, f"{self.what} ({self.rule})")
        return ": ".join(step for step in steps if step)

    def with_value(self) -> str:
        """Return the text with the value, for traffic without secrets."""
        return f"{self}: {self.value}" if self.value else str(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the violation as JSON-ready data, without the value."""
        return {
            "kind": self.kind,
            "by": self.by,
            "where": self.where,
            "part": self.part,
            "at": self.at,
            "what": self.what,
            "file": self.rule.file,
            "pointer": self.rule.pointer,
        }


publish("odyssey_proto.conformance", Rule, Violation)
