"""How calls that take handlers look to `help` and `inspect.signature`: each handler by its name, in order.

The handlers themselves are in `odyssey_proto._live.handlers`, which is not loaded for this.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["HANDLER_NAMES", "spell_out_handlers"]

C = TypeVar("C", bound=Callable[..., object])

HANDLER_NAMES: Final = (
    "on_connected",
    "on_disconnected",
    "on_video_frame",
    "on_stream_started",
    "on_stream_ended",
    "on_interact_acknowledged",
    "on_stream_error",
    "on_error",
    "on_status_change",
    "on_broadcast_ready",
)
"""The fields of `OdysseyEventHandlers`."""


def spell_out_handlers(call: C) -> C:
    """Make the signature of ``call`` list the handlers in place of ``*in_order`` and ``**handlers``.

    >>> @spell_out_handlers
    ... def connect(*in_order, timeout=None, **handlers): ...
    >>> str(inspect.signature(connect))[:46]
    "(on_connected: 'odyssey_proto.ConnectedCallbac"
    """
    signature = inspect.signature(call)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            parameters += map(_parameter, HANDLER_NAMES)
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            parameters.append(parameter)
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # for `inspect`
    return call


def _parameter(name: str) -> inspect.Parameter:
    kind = "".join(word.title() for word in name.split("_")[1:])
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=f"odyssey_proto.{kind}Callback | None",
    )
