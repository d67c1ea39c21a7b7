"""Converts JSON text to `odyssey_models` and back: tolerant reading, clear errors.

What the service sends is read as tolerantly as `odyssey_proto._model.reading` describes: this fails only if an
essential field is unreadable. What a client sends is read strictly, by `odyssey_models.converter`, which also
writes. Both ways drop unknown fields, keep unknown enum values, and return an `UnknownMessage` for an unknown
message type. Reading raises `MalformedMessageError` and no other exception. Errors contain no values of the data,
which could be secrets.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import attrs
import cattrs
import odyssey_models as models
from odyssey_models._hooks import WrongTypeError

from .._base.errors import MalformedMessageError
from .._base.limits import JSON_MOST_CONTAINERS
from .._base.public_path import publish
from .nesting import MOST_LEVELS, is_deep, shallow
from .reading import DamagedText, Doubled, UnreadableError, left_out, read

__all__ = [
    "UnknownMessage",
    "channel_from_client",
    "channel_from_streamer",
    "decode",
    "decode_request",
    "encode",
    "from_dict",
    "left_out",
    "parsed",
    "signaling_from_client",
    "signaling_from_server",
    "to_dict",
]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class UnknownMessage:
    """A message whose ``type`` this version of the protocol does not define."""

    type: str
    """The message's ``type``."""
    raw: Mapping[str, Any] = attrs.field(repr=False)
    """The whole message."""


def decode(
    cls: type[T],
    text: str | bytes,
    known: Mapping[str, Any] | None = None,
    *,
    check: Callable[[], object] | None = None,
) -> T:
    """Read JSON ``text`` that the service sent as ``cls``, one of the models, tolerantly.

    Args:
        cls: the model.
        text: the text, or its bytes.
        known: values of essential fields, by their names on the wire, in case the text lacks them.
        check: called from time to time while a long list is read; an exception from it ends the reading.

    Raises:
        MalformedMessageError: the text is not JSON, has too many objects and lists, or an essential field of
            ``cls`` is unreadable. The error has the ``session_id`` of the data, if there is one.
    """
    return from_dict(cls, _parse(text, cls.__name__), known, check=check)


def from_dict(
    cls: type[T],
    data: object,
    known: Mapping[str, Any] | None = None,
    *,
    check: Callable[[], object] | None = None,
) -> T:
    """Read parsed JSON that the service sent as ``cls``; see `decode`."""
    try:
        return read(cls, data, check)
    except UnreadableError as exc:
        if known and isinstance(data, dict):
            return from_dict(cls, {**data, **known}, check=check)
        raise _unreadable(cls, data, exc) from None


def parsed(text: str) -> Any:
    """Parse JSON ``text`` as `decode` does.

    Raises:
        MalformedMessageError: it is not JSON, or has too many objects and lists.
    """
    return _parse(text, "text")


def decode_request(cls: type[T], text: str | bytes) -> T:
    """Read JSON ``text`` that a client sent as ``cls``, one of the models, strictly.

    Raises:
        MalformedMessageError: the text is not JSON or not an object, or does not fit ``cls``.
    """
    return _structured(cls, _parse_strictly(text, cls.__name__))


def to_dict(model: Any) -> dict[str, Any]:
    """Return ``model`` as JSON-ready data, under the names of the wire.

    ``None`` values are left out, except for the keys that the protocol always sends, as null.
    """
    data: dict[str, Any] = _converter().unstructure(model)
    return data


def encode(model: Any) -> str:
    """Return ``model`` as compact JSON text that UTF-8 can encode: a lone surrogate becomes ``?``."""
    text = json.dumps(to_dict(model), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def signaling_from_server(text: str | bytes) -> models.SignalingServerMessage | UnknownMessage:
    """Read a message from the signaling server, tolerantly.

    Raises:
        MalformedMessageError: it is not a message, or an essential field is unreadable. The error has the
            ``message_type``, if the protocol defines it.
    """
    return _received(models.SIGNALING_FROM_SERVER, text)


def signaling_from_client(text: str | bytes) -> models.SignalingClientMessage | UnknownMessage:
    """Read a message from a client to the signaling server, strictly."""
    return _requested(models.SIGNALING_FROM_CLIENT, text)


def channel_from_streamer(text: str | bytes) -> models.DataChannelStreamerMessage | UnknownMessage:
    """Read a message of the ``streamerToClient`` channel, tolerantly; see `signaling_from_server`."""
    return _received(models.STREAMER_TO_CLIENT, text)


def channel_from_client(text: str | bytes) -> models.DataChannelClientMessage | UnknownMessage:
    """Read a message of the ``clientToStreamer`` channel, strictly."""
    return _requested(models.CLIENT_TO_STREAMER, text)


def _received(table: Mapping[str, type[T]], text: str | bytes) -> T | UnknownMessage:
    return _read_message(table, _parse(text, "message"), from_dict)


def _requested(table: Mapping[str, type[T]], text: str | bytes) -> T | UnknownMessage:
    return _read_message(table, _parse_strictly(text, "message"), _structured)


def _read_message(
    table: Mapping[str, type[T]], data: Any, read_as: Callable[[type[T], Any], T]
) -> T | UnknownMessage:
    tag = data.get("type") if isinstance(data, dict) else None
    if isinstance(data, Doubled) and "type" in data.doubled:
        error = _malformed("message", "the key `type` appears twice in one object")
        error.message_type = tag if isinstance(tag, str) else None  # as most readers would take it
        raise error
    if not isinstance(tag, str):
        raise _malformed("message", "an object with a string `type` was expected")
    cls = table.get(tag)
    if cls is None:
        return UnknownMessage(type=tag, raw=data)
    try:
        return read_as(cls, data)
    except MalformedMessageError as exc:
        exc.message_type = tag
        raise


# --- from text


_BOM: Final = "\ufeff"
_TOO_DEEP: Final = "it is nested too deeply"
_WRONG_BYTE: Final = re.compile("[\udc80-\udcff]")  # as "surrogateescape" decodes it


def _parse(text: str | bytes, what: str) -> Any:
    """Parse JSON text; what RFC 8259 forbids is kept in a form that fails only if the field is read.

    What is nested more than `MOST_LEVELS` deep becomes null.
    """
    shown, damaged = _decoded(text)
    shown = shown.removeprefix(_BOM)
    containers = shown.count("{") + shown.count("[")
    if containers > JSON_MOST_CONTAINERS:
        raise _malformed(what, f"it has more than {JSON_MOST_CONTAINERS} objects and lists")
    try:
        try:
            data = _loaded(shown, damaged)
        except RecursionError:
            return _loaded_shallow(shown, damaged)
        # Whoever reads the data recurses, too, and perhaps with more frames for each level than the parser.
        return _loaded_shallow(shown, damaged) if containers > MOST_LEVELS and is_deep(data) else data
    except ValueError as exc:
        raise _not_json(what, exc, damaged) from None


def _loaded(text: str, damaged: bool) -> Any:
    data = json.loads(text, parse_int=_integer, object_pairs_hook=_object)
    return _marked(data) if damaged else data


def _loaded_shallow(text: str, damaged: bool) -> Any:
    try:
        return _loaded(shallow(text), damaged)
    except ValueError:
        raise _NotJsonError(_TOO_DEEP) from None  # the parser's position would be that in the shallow text


def _decoded(text: str | bytes) -> tuple[str, bool]:
    """Return the text, and whether it was not UTF-8; `json` itself would also accept UTF-16 and UTF-32."""
    if isinstance(text, str):
        return text, False
    try:
        return text.decode(), False
    except UnicodeDecodeError:
        return text.decode(errors="surrogateescape"), True


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python converts
        return float(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) == len(pairs):
        return data
    return Doubled(data, frozenset(key for key, times in Counter(key for key, _ in pairs).items() if times > 1))


def _marked(data: Any) -> Any:
    """Return the data with each string that was not UTF-8 as a `DamagedText`."""
    match data:
        case str():
            shown, wrong = _WRONG_BYTE.subn("\ufffd", data)
            return DamagedText(shown) if wrong else data
        case list():
            return [_marked(one) for one in data]
        case dict():
            for key in data:
                data[key] = _marked(data[key])
            return data
        case _:
            return data


def _parse_strictly(text: str | bytes, what: str) -> Any:
    try:
        text = text if isinstance(text, str) else text.decode()
        return json.loads(
            text.removeprefix(_BOM), parse_constant=_refuse_constant, object_pairs_hook=_object_of_once
        )
    except RecursionError:
        raise _malformed(what, _TOO_DEEP) from None
    except ValueError as exc:
        raise _not_json(what, exc, isinstance(exc, UnicodeDecodeError)) from None


class _NotJsonError(ValueError):
    """Text that is refused here as JSON. The message contains none of its data."""


def _refuse_constant(name: str) -> Any:
    raise _NotJsonError(f"{name} is not JSON")


def _object_of_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise _NotJsonError("a key appears twice in one object")
    return data


def _not_json(what: str, exc: Exception, damaged: bool) -> MalformedMessageError:
    # The decoder's message is safe: it contains a position, never the data.
    told = isinstance(exc, json.JSONDecodeError | _NotJsonError) and not damaged
    return _malformed(what, str(exc) if told else "it is not UTF-8 JSON")


# --- tolerantly


def _unreadable(cls: type[Any], data: object, exc: UnreadableError) -> MalformedMessageError:
    error = _malformed(cls.__name__, *(f"{problem} @ ${path}" for path, problem in exc.faults))
    if isinstance(data, dict) and ".session_id" not in dict(exc.faults):
        with contextlib.suppress(UnreadableError):
            error.session_id = read(str, data.get("session_id"))
    return error


# --- strictly


def _structured(cls: type[T], data: object) -> T:
    try:
        return _converter().structure(data, cls)
    except (cattrs.BaseValidationError, ValueError, TypeError, RecursionError) as exc:
        raise _malformed(cls.__name__, *_problems(exc)) from None


def _malformed(what: str, *problems: str) -> MalformedMessageError:
    return MalformedMessageError(f"Malformed {what}: {'; '.join(problems)}", problems=problems, code="malformed")


def _problems(exc: BaseException) -> list[str]:
    return cattrs.transform_error(exc, "$", format_exception=_problem)


def _problem(exc: BaseException, cls: type | None) -> str:
    match exc:
        case KeyError():
            return f"required field {exc.args[0]!r} is missing"
        case WrongTypeError():
            return str(exc)
        case _:
            # The exception's message may quote the value.
            return f"it is not a valid {getattr(cls, '__name__', 'value')}"


@functools.cache
def _converter() -> cattrs.Converter:
    """Create the converter on first use, so that importing this module stays cheap."""
    return models.converter()


publish(
    "odyssey_proto.core",
    *(UnknownMessage, channel_from_client, channel_from_streamer, decode, encode),
    *(signaling_from_client, signaling_from_server),
)
