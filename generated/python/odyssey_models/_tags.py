# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The error for a message whose tag the protocol does not define. It is raised by the converter."""

from __future__ import annotations

__all__ = ["UnknownTagError"]


class UnknownTagError(ValueError):
    """No message of the union has this `type`.

    Such a message comes from a newer service, and is not a failure: a reader ignores it.
    """

    def __init__(self, tag: str) -> None:
        super().__init__(f"no message of this union has the type {tag!r}")
        self.tag = tag
        """The `type` of the message."""

    def __reduce__(self) -> tuple[type[UnknownTagError], tuple[str]]:
        """Pickle it with its tag, not with its text."""
        return UnknownTagError, (self.tag,)
