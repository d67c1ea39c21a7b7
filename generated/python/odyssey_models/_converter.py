# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The converter of this package, which reads and writes its models; it needs cattrs, an extra.

Importing this module does not load cattrs; making a converter does. How it converts is in the module of its hooks.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import cattrs
else:
    cattrs = SimpleNamespace(Converter=Any)  # for the annotation, which resolves without loading it

__all__ = ["converter"]


def converter() -> cattrs.Converter:
    """Return a new converter between the models and JSON-ready data.

    `structure` is strict about types and required fields: `"600"` is not an integer, though `3.0` is. It ignores
    fields that the schemas do not list. An enum takes any text. Of a union of messages, it takes the one that
    `type` names, and raises `UnknownTagError` if there is none; a reader ignores such a message. The tables of the
    package have the model of each tag.

    `unstructure` writes the wire names. It leaves out what is None, except for the keys that the service
    itself always writes, as null. `JsonObject.to_dict` returns the same.

    Make one and keep it: a converter prepares each class when it first meets it.

    Raises:
        ImportError: cattrs is not installed; `odyssey-models[cattrs]` installs it.

    >>> from odyssey_models import IceCandidate
    >>> one = converter()
    >>> candidate = one.structure({"type": "ice_candidate", "candidate": "", "sdpMid": "0"}, IceCandidate)
    >>> candidate.sdp_mid, one.unstructure(candidate)["sdpMLineIndex"]
    ('0', None)
    """
    try:
        from ._hooks import converter_with_hooks
    except ModuleNotFoundError as exc:
        if exc.name != "cattrs":
            raise
        raise ImportError(
            "converter() needs cattrs: pip install 'odyssey-models[cattrs]'", name="cattrs"
        ) from exc
    return converter_with_hooks()
