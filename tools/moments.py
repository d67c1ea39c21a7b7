"""The table in ARCHITECTURE.md of what the official clients and this one do with each message at each moment.

This client's actions are read from the tables of the core; those known of the official clients (Python 1.3.0,
JavaScript 1.3.1) are `OFFICIAL`. `python -m tools.diagrams` writes the table between its markers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import attrs
import odyssey_models as wire

from odyssey_proto.core.inputs import Unreadable
from odyssey_proto.core.machine import nothing
from odyssey_proto.core.session_machine import SESSION_ROWS, SessionState
from odyssey_proto.core.stream_machine import STREAM_ROWS, StreamState

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto.core.machine import Row

__all__ = ["MESSAGES", "MOMENTS", "OFFICIAL", "Moment", "ours", "renewed", "table"]

_BEGIN: Final = "<!-- messages at all moments: made by `python -m tools.diagrams`, do not edit -->\n"
_END: Final = "<!-- end of the messages at all moments -->\n"


@attrs.frozen
class Moment:
    """A state of the session and, if it is connected, of its stream."""

    name: str
    session: SessionState
    stream: StreamState | None = None


MOMENTS: Final = (
    Moment("connecting", SessionState.CONNECTING),
    Moment("reconnecting", SessionState.RECONNECTING),
    Moment("no stream", SessionState.CONNECTED, StreamState.NONE),
    Moment("starting", SessionState.CONNECTED, StreamState.STARTING),
    Moment("streaming", SessionState.CONNECTED, StreamState.STREAMING),
    Moment("ending", SessionState.CONNECTED, StreamState.ENDING),
)
"""The moments at which a message can come. After the end there are none: the link is closed."""

MESSAGES: Final[dict[str, type]] = {
    **{
        str(attrs.fields_dict(kind)["type"].default): kind
        for union in (wire.SignalingServerMessage, wire.DataChannelStreamerMessage)
        for kind in get_args(union)
    },
    "one that cannot be read": Unreadable,
}
"""All messages of the service by their types, and one that cannot be read."""

OFFICIAL: Final[dict[str, str]] = {
    "offer": "answer it; it is not known what a second offer does",
    "ice_candidate": "add it to the peer connection",
    "error": "fail, with the reason, or `unknown`",
    "stream_started": "settle a waiting start, also one whose caller has given up; the id may be empty",
    "update_acknowledged": "settle the waiting `interact`; of two, the newer; an empty prompt was not reported",
    "stream_ended": "settle a waiting end, and never a start",
    "broadcast_ready": "report it; without address or token, report the stream error `broadcast_error`",
    "interactive_stream_error": "settle whatever waits, start and `interact`; there are defaults for both fields",
    "one that cannot be read": "report it as not fatal, and read the next; a call that waits goes on waiting",
}
"""The official clients' action for each message, at any moment: they know only which calls wait. They have no
moment "reconnecting"."""

_IGNORED: Final = "ignore it, and log that"


def ours(message: str, moment: Moment) -> str:
    """Return this client's action for a message at a moment, in the words of the core's rows."""
    kind = MESSAGES[message]
    rows: list[Row[Any]] = [*SESSION_ROWS.get((moment.session, kind), ())]
    if moment.stream is not None and all(row.guard for row in rows):
        rows += STREAM_ROWS.get((moment.stream, kind), ())
    parts = [_step(row) for row in rows]
    if not rows or rows[-1].guard is not None:
        parts.append(_IGNORED)
    return "; ".join([*parts[:-1], f"else {parts[-1]}"]) if len(parts) > 1 else parts[0]


def _step(row: Row[Any]) -> str:
    does = "do nothing" if row.action is nothing else _said(row.action)
    guard = "" if row.guard is None else _said(row.guard).replace("return whether", "if", 1) + ": "
    return f"{guard}{does}{'' if row.target is None else f' → {row.target.value}'}"


def _said(what: Callable[..., Any]) -> str:
    """Return the first sentence of a docstring, without its capital letter and its full stop."""
    text = (what.__doc__ or "").partition("\n")[0].rstrip(".")
    return text[:1].lower() + text[1:]


def table() -> str:
    """Return the table as Markdown; moments at which our action is the same share a line."""
    lines = ["| message | official clients | moment | ours |", "|---|---|---|---|"]
    for message in MESSAGES:
        by_step: dict[str, list[str]] = {}
        for moment in MOMENTS:
            by_step.setdefault(ours(message, moment), []).append(moment.name)
        shown = (f"`{message}`" if message in _TAGS else message, OFFICIAL[message])
        for step, names in by_step.items():
            when = "any" if len(names) == len(MOMENTS) else ", ".join(names)
            lines.append(f"| {shown[0]} | {shown[1]} | {when} | {step} |")
            shown = ("", "")
    return "\n".join([*lines, ""])


_TAGS: Final = frozenset(MESSAGES) - {"one that cannot be read"}


def renewed(text: str) -> str:
    """Return the document with its table generated again."""
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"
