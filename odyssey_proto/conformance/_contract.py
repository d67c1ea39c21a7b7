"""The whole contract between clients and services: the rules of ``spec/`` for one call or one message.

Answers and messages of a service must conform unless a fault of the emulator wrote them; requests and messages of
a client must if its User-Agent is one of those to judge. `_calls` knows HTTP, `_messages` the channels,
and `_schemas` the content.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from .._base.public_path import publish
from .._model.traffic import Exchange, Message, Seen
from ._calls import CallRules
from ._messages import MessageRules
from ._schemas import schemas
from ._violation import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Contract", "contract", "request_alone"]


class Contract:
    """The contract for some clients, and for every service. Any thread may call.

    Args:
        agents: the beginnings of the User-Agent headers to judge; ``("",)`` judges all clients, ``()`` none.
        unknown_values: whether a value that an open enum does not list is reported, as an ``unknown value``.
    """

    def __init__(self, agents: tuple[str, ...] = ("",), *, unknown_values: bool = False) -> None:
        self._agents = agents
        self._unknown_values = unknown_values
        self.calls: CallRules = _calls()
        self.messages: MessageRules = _messages()

    def violations(self, seen: Seen) -> Iterator[Violation]:
        """Yield the violations in ``seen``."""
        for found in self._of_message(seen) if isinstance(seen, Message) else self._of_call(seen):
            if self._unknown_values or found.kind != "unknown value":
                yield found

    def _of_message(self, seen: Message) -> Iterator[Violation]:
        if not seen.injected and (not seen.from_client or seen.user_agent.startswith(self._agents)):
            yield from self.messages.violations(seen)

    def _of_call(self, seen: Exchange) -> Iterator[Violation]:
        judged = seen.request_headers.get("User-Agent", "").startswith(self._agents)
        yield from self.calls.violations(seen, request=judged, answer=not seen.injected)


@functools.cache
def contract(agents: tuple[str, ...] = ("",)) -> Contract:
    """Return the contract for the clients with these agents, created once."""
    return Contract(agents)


@functools.cache
def _calls() -> CallRules:
    return CallRules(schemas())


@functools.cache
def _messages() -> MessageRules:
    return MessageRules(schemas())


def request_alone(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Exchange | None:
    """Return a request that reached a server other than the emulator; None if it is not one of the protocol.

    Its answer is not judged.
    """
    url = urlsplit(target)
    route = _calls().route_of(url.path)
    if route is None:
        return None
    return Exchange(
        method=method,
        route=route,
        path=url.path,
        query=tuple(parse_qsl(url.query, keep_blank_values=True)),
        request_headers={name.title(): value for name, value in headers.items()},
        request_body=body,
        status=None,
        headers={},
        body=None,
        injected=True,
    )


publish("odyssey_proto.conformance", Contract)
