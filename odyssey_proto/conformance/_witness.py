"""`Witness`, which collects traffic while it happens and judges it when asked."""

from __future__ import annotations

import collections

from .._base.public_path import publish
from .._model.traffic import Seen
from ._contract import Contract
from ._violation import Violation

__all__ = ["Witness"]


class Witness:
    """Collects traffic and judges it on request, so never on the thread that shows it.

    Args:
        agents: as for `Contract`: the beginnings of the User-Agent headers to judge.

    >>> from odyssey_proto.emulator import Emulator, watching
    >>> witness = Witness(("my-client/",))
    >>> with watching(witness), Emulator() as emulator:
    ...     pass  # let a client use it
    >>> witness.violations()
    []
    """

    def __init__(self, agents: tuple[str, ...] = ("",)) -> None:
        self._contract = Contract(agents)
        self._seen: collections.deque[Seen] = collections.deque()

    def __call__(self, seen: Seen) -> None:
        self._seen.append(seen)

    def violations(self) -> list[Violation]:
        """Return the violations in the traffic since the last call, each once."""
        found: dict[Violation, None] = {}
        while self._seen:
            found |= dict.fromkeys(self._contract.violations(self._seen.popleft()))
        return list(found)


publish("odyssey_proto.conformance", Witness)
