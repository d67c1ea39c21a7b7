"""Checks messages of signaling and the data channels against ``spec/asyncapi.yaml``: direction, type, content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ._schemas import parsed
from ._violation import Rule, Violation, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._model.traffic import Message
    from ._schemas import Schemas

__all__ = ["MessageRules"]


class MessageRules:
    """The valid messages of each direction, and their content."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        document = schemas.node(Rule("asyncapi.yaml"))
        self._payloads = {
            (place, from_client): _payloads(document, place, from_client)
            for place in document["channels"]
            for from_client in (True, False)
        }

    def payload(self, message: Message, kind: str) -> Rule | None:
        """Return the schema of a message of this type in the channel and direction of ``message``."""
        return self._payloads[message.place, message.from_client].get(kind)

    def violations(self, message: Message) -> Iterator[Violation]:
        """Yield the violations in ``message``."""
        by: Literal["client", "service"] = "client" if message.from_client else "service"
        where = f"{message.place}, from the {by}"
        channel = Rule("asyncapi.yaml", ("channels", message.place))
        if not isinstance(message.text, str):
            yield Violation(where=where, by=by, what="a message is text, not bytes", rule=channel)
            return
        data, wrong = parsed(message.text)
        if wrong:
            yield Violation(where=where, by=by, what=wrong, rule=channel, value=message.text[:300])
            return
        kind = data.get("type") if isinstance(data, dict) else None
        payload = self.payload(message, kind) if isinstance(kind, str) else None
        if payload is None:
            which = repr(named(kind)) if isinstance(kind, str) else "without a type"
            what = f"no message {which} goes this way"
            yield Violation(where=where, by=by, what=what, rule=channel / "messages")
            return
        for misfit in self._schemas.misfits(payload, data):
            yield Violation(
                where=where,
                by=by,
                part=str(kind),
                at=misfit.at,
                what=misfit.what,
                rule=misfit.rule,
                kind=misfit.kind,
                value=misfit.value,
            )


def _payloads(document: Any, place: str, from_client: bool) -> dict[str, Rule]:
    """Return the schema of each message in a channel and direction, by its type."""
    found = {}
    for operation in document["operations"].values():
        if _last(operation["channel"]) == place and (operation["action"] == "send") == from_client:
            for reference in operation["messages"]:
                message = document["channels"][place]["messages"][_last(reference)]
                component = document["components"]["messages"][_last(message)]
                found[component["name"]] = Rule.of(component["payload"]["$ref"], "asyncapi.yaml")
    return found


def _last(node: Any) -> str:
    """Return the last key of the pointer that ``node`` refers to."""
    return str(node["$ref"].rpartition("/")[2])
