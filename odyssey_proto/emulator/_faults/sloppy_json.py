"""Sloppy JSON: the tables of other forms in which a lenient service may put the same content.

Each kind keeps the meaning for a tolerant reader (spec/README.md#what-a-reader-tolerates).
`odyssey_proto.emulator._faults.sloppiness` decides when a kind is used, and on what.
"""

from __future__ import annotations

import functools
import json
import random
import re
import types
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin

import attrs
import odyssey_models as models

__all__ = ["CONTENT", "MESSAGES", "TEXT", "Draft", "Kind", "Part", "Sending", "changes", "parts"]

S = TypeVar("S")


@attrs.frozen
class Kind(Generic[S]):
    """One kind of sloppiness, a row of a table."""

    name: str
    change: Callable[[random.Random, S], bool]
    """Change the subject, at random; return whether it could be changed."""
    chance: float = 0.15
    """Its probability, if it applies, from 0 to 1."""


def changes(kinds: tuple[Kind[S], ...], chosen: random.Random, subject: S) -> list[str]:
    """Change ``subject`` by kinds chosen at random, and return their names."""
    return [kind.name for kind in kinds if chosen.random() < kind.chance and kind.change(chosen, subject)]


# The content of one object


@attrs.frozen
class Part:
    """One JSON object of an answer or a message, to be changed."""

    where: str
    """The call, the status of an error, or the place of a message."""
    cls: Any
    """The model that it conforms to."""
    data: dict[str, Any]

    @property
    def fields(self) -> dict[str, _ModelField]:
        """The definitions of its fields in ``spec/``, by their names on the wire."""
        return _fields(self.cls)

    def numbers(self, *kinds: type) -> list[str]:
        """Return the names of the fields that hold a number of these types."""
        return [name for name in self.fields if type(self.data.get(name)) in kinds]

    def defaults(self) -> list[str]:
        """Return the names of the fields that hold their default value."""
        return [
            name
            for name, field in self.fields.items()
            if name in self.data and field.optional and self.data[name] == field.default
        ]


@attrs.frozen
class _ModelField:
    hints: tuple[Any, ...]
    optional: bool
    default: Any

    @property
    def nullable(self) -> bool:
        return type(None) in self.hints


_DOCUMENTED: Final = {
    (models.TokenResponse, "expires_in"): 3600,
    (models.SessionTokenResponse, "expires_in"): 600,
    (models.SignalingError, "reason"): "unknown",
    (models.InteractiveStreamError, "reason"): "unknown",
    (models.InteractiveStreamError, "message"): "Stream error occurred",
}
"""Defaults that readers have and the models do not."""

_IDS: Final = {
    models.Region: "id",
    models.StreamRecordingInfo: "stream_id",
    models.SimulationJobInfo: "job_id",
    models.SimulationStream: "stream_id",
    models.IceServer: "urls",
}
"""The field without which a row of a list is useless."""


@functools.cache
def _fields(cls: Any) -> dict[str, _ModelField]:
    attrs.resolve_types(cls)
    found = {}
    for field in attrs.fields(cls):
        name = field.metadata.get("wire") or field.name
        factory = getattr(field.default, "factory", None)
        default = factory() if factory else field.default
        default = _DOCUMENTED.get((cls, name), default)
        hints = get_args(field.type) if get_origin(field.type) in (Union, types.UnionType) else (field.type,)
        found[name] = _ModelField(hints, default is not attrs.NOTHING and name != "type", default)
    return found


def parts(where: str, cls: Any, data: Any) -> list[Part]:
    """Return all objects within ``data``, which conforms to ``cls``; the inner ones first."""
    return [*_inner_parts(where, cls, data), Part(where, cls, data)] if isinstance(data, dict) else []


def _inner_parts(where: str, cls: Any, data: dict[str, Any]) -> Iterator[Part]:
    for name, field in _fields(cls).items():
        value = data.get(name)
        for hint in field.hints:
            if hint is models.UsageErrorBody and not _is_usage_error(value):
                continue
            if hint is models.UsageErrorDetails:
                continue  # users get them as they are
            inner = get_args(hint)[0] if isinstance(value, list) and get_origin(hint) is list else hint
            if attrs.has(inner):
                for item in value if isinstance(value, list) else [value]:
                    yield from parts(where, inner, item)


def _is_usage_error(value: Any) -> bool:
    return isinstance(value, dict) and {"message", "action"} <= value.keys()


def _row_without_an_id(chosen: random.Random, part: Part) -> bool:
    for name, field in part.fields.items():
        rows = part.data.get(name)
        cls = next((get_args(hint)[0] for hint in field.hints if get_origin(hint) is list), None)
        if cls not in _IDS or not isinstance(rows, list):
            continue
        if len(rows) >= part.data.get("limit", len(rows) + 1):
            continue  # one row more than asked for would be another fault
        row_id = _IDS[cls]
        rows_of_no_use: list[Any] = [{}, {row_id: None}, {"note": "reserved"}]
        rows_of_no_use += [{row_id: []}] if cls is models.IceServer else [{row_id: {}}, None, 7, "…"]
        rows.insert(chosen.randint(0, len(rows)), chosen.choice(rows_of_no_use))
        return True
    return False


def _number_as_text(chosen: random.Random, part: Part) -> bool:
    names = part.numbers(int, float)
    for name in chosen.sample(names, 1) if names else ():
        part.data[name] = str(part.data[name])
    return bool(names)


def _whole_number_as_fraction(chosen: random.Random, part: Part) -> bool:
    names = part.numbers(int)
    for name in chosen.sample(names, chosen.randint(1, len(names))) if names else ():
        part.data[name] = float(part.data[name])
    return bool(names)


def _lifetime_with_fraction(_: random.Random, part: Part) -> bool:
    if "expires_in" not in part.numbers(int, float):
        return False
    part.data["expires_in"] += 0.7
    return True


def _id_as_number(_: random.Random, part: Part) -> bool:
    names = [
        name
        for name, value in part.data.items()
        if name.lower().endswith(("id", "mid"))
        and isinstance(value, str)
        and re.fullmatch("0|[1-9][0-9]{0,14}", value)
    ]
    part.data.update({name: int(part.data[name]) for name in names})
    return bool(names)


def _null_for_absent_fields(_: random.Random, part: Part) -> bool:
    absent = [name for name, field in part.fields.items() if field.nullable and name not in part.data]
    part.data.update(dict.fromkeys(absent))
    return bool(absent)


def _null_for_a_default(chosen: random.Random, part: Part) -> bool:
    names = [name for name in part.defaults() if part.data[name] is not None]
    for name in chosen.sample(names, 1) if names else ():
        part.data[name] = None
    return bool(names)


def _default_left_out(chosen: random.Random, part: Part) -> bool:
    names = part.defaults()
    for name in chosen.sample(names, chosen.randint(1, len(names))) if names else ():
        del part.data[name]
    return bool(names)


_EXTRAS: Final[dict[str, Any]] = {
    "x_trace": "a8f3",
    "_links": {"self": {"href": "/"}, "next": None},
    "debug": {"timings_ms": [1, 2.5, -3e2], "cached": False, "inner": [[], {}, [{"deep": True}]]},
    "tags": [],
    "Größe": "ungefähr 3 m\u2028",
    "": "a key without a name",
    "version": 12345678901234567890,
    "flags": [None, True, "x", 0],
}


def _unknown_fields(chosen: random.Random, part: Part) -> bool:
    for name in chosen.sample([*_EXTRAS], chosen.randint(1, 3)):
        part.data.setdefault(name, _EXTRAS[name])
    return True


def _capabilities_without_images(chosen: random.Random, part: Part) -> bool:
    if part.cls is not models.SessionResponse or part.data.get("capabilities") != {"image_to_video": False}:
        return False
    part.data["capabilities"] = chosen.choice(
        [None, [], "none", {}, {"image_to_video": "no"}, {"image_to_video": None}, {"image_to_video": {}}]
    )
    return True


def _addresses_as_a_list_or_alone(_: random.Random, part: Part) -> bool:
    urls = part.data.get("urls") if part.cls is models.IceServer else None
    if (isinstance(urls, list) and len(urls) != 1) or not urls:
        return False
    part.data["urls"] = urls[0] if isinstance(urls, list) else [urls]
    return True


def _addresses_by_their_old_name(_: random.Random, part: Part) -> bool:
    # Seen only in the answer to spectators.
    if part.where != "GET /config" or part.cls is not models.IceServer or not part.data.get("urls"):
        return False
    part.data["url"] = part.data.pop("urls")
    return True


def _signaling_by_another_scheme(chosen: random.Random, part: Part) -> bool:
    url = part.data.get("signalling_url")
    if not isinstance(url, str):
        return False
    part.data["signalling_url"] = chosen.choice([url + "/", url.replace("ws", "http", 1)])
    return True


def _candidate_without_its_prefix(_: random.Random, part: Part) -> bool:
    candidate = part.data.get("candidate")
    if not isinstance(candidate, str) or not candidate.startswith("candidate:"):
        return False
    part.data["candidate"] = candidate.removeprefix("candidate:")
    return True


def _media_section_named_once(chosen: random.Random, part: Part) -> bool:
    if part.cls is not models.IceCandidate or None in (part.data.get("sdpMid"), part.data.get("sdpMLineIndex")):
        return False
    name = chosen.choice(["sdpMid", "sdpMLineIndex"])
    part.data[name] = None
    if chosen.random() < 0.5:
        del part.data[name]
    return True


def _usage_error_without_envelope(_: random.Random, part: Part) -> bool:
    if part.where != "429" or part.cls is not models.ErrorBody or not _is_usage_error(part.data.get("detail")):
        return False
    part.data.update(part.data.pop("detail"))
    return True


def _usage_error_by_code(_: random.Random, part: Part) -> bool:
    if part.cls is not models.UsageErrorBody or not part.data.get("error") or part.data.get("code"):
        return False
    part.data["code"] = part.data.pop("error")
    return True


def _cancelled_job_in_short(_: random.Random, part: Part) -> bool:
    optional = [name for name in part.data if name not in ("job_id", "status")]
    if part.cls is not models.CancelledSimulation or not optional:
        return False
    for name in optional:
        del part.data[name]
    return True


def _another_order(chosen: random.Random, part: Part) -> bool:
    items = [*part.data.items()]
    chosen.shuffle(items)
    part.data.clear()
    part.data.update(items)
    return len(items) > 1


CONTENT: Final[tuple[Kind[Part], ...]] = (
    # The first ones expect the content as it was.
    Kind("a row without an id", _row_without_an_id),
    Kind("null for a default", _null_for_a_default),
    Kind("a default left out", _default_left_out),
    Kind("null for absent fields", _null_for_absent_fields),
    Kind("capabilities without images, in other words", _capabilities_without_images, 0.7),
    Kind("an answer to a cancel without optional fields", _cancelled_job_in_short, 0.4),
    Kind("a usage error without its envelope", _usage_error_without_envelope, 0.3),
    Kind("a usage error by its code", _usage_error_by_code, 0.3),
    Kind("addresses of an ICE server as a list, or alone", _addresses_as_a_list_or_alone, 0.3),
    Kind("addresses of an ICE server by their old name", _addresses_by_their_old_name, 0.3),
    Kind("the address of signaling with http, or with a slash", _signaling_by_another_scheme),
    Kind("a candidate without its prefix", _candidate_without_its_prefix, 0.3),
    Kind("a candidate that names its media section once", _media_section_named_once, 0.3),
    Kind("an id as a number", _id_as_number),
    # Never "600.7", which the official clients do not read.
    Kind("a number as text", _number_as_text),
    Kind("a lifetime with a fraction", _lifetime_with_fraction),
    Kind("a whole number as a fraction", _whole_number_as_fraction),
    Kind("unknown fields", _unknown_fields, 0.2),
    Kind("keys in another order", _another_order, 0.3),
)
"""Kinds that change the content of an object, in the order in which they are used."""


# How it is written


@attrs.define
class Draft:
    """An object and its text, to be changed."""

    data: dict[str, Any]
    text: str


_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNIT: Final = re.compile(r"\\u[0-9a-f]{4}|\\.|.")


def _white_space(chosen: random.Random, draft: Draft) -> bool:
    indents: list[int | str] = [0, 2, "\t"]
    text = json.dumps(draft.data, ensure_ascii=False, indent=chosen.choice(indents))
    draft.text = chosen.choice(["", "\n", " \t\r\n"]) + text + chosen.choice(["", "\n", "\r\n\r\n"])
    return True


def _key_twice(_: random.Random, draft: Draft) -> bool:
    if not draft.data:
        return False
    before, brace, after = draft.text.partition("{")
    draft.text = before + brace + '"x_twice": 1, "x_twice": {"again": []}, ' + after
    return True


def _escapes(chosen: random.Random, draft: Draft) -> bool:
    def escaped(unit: re.Match[str]) -> str:
        text = unit[0]
        if len(text) > 1 or (text.isascii() and chosen.random() < 0.9):
            return text
        return json.dumps(text)[1:-1] if not text.isascii() else f"\\u{ord(text):04x}"

    draft.text = _STRING.sub(lambda string: f'"{_UNIT.sub(escaped, string[0][1:-1])}"', draft.text)
    return True


TEXT: Final[tuple[Kind[Draft], ...]] = (
    Kind("white space", _white_space),
    Kind("an unknown key twice", _key_twice, 0.1),
    Kind("escapes for letters", _escapes),
)
"""Kinds that change the text of an object, but not its content."""


# How a message is sent


@attrs.define
class Sending:
    """One message and the form in which it is sent, to be changed."""

    data: dict[str, Any]
    sent: list[str | bytes]


_UNKNOWN: Final[tuple[dict[str, Any], ...]] = (
    {"type": "heartbeat"},
    {"type": "metrics", "fps": 19.8, "queue": [1, 2, {"depth": None}]},
    {"type": "interactive_stream_progress", "percent": 40, "stream_id": None},
    {"type": "", "note": "no type to speak of"},
    {"type": "Größe", "prompt": "a field that other messages have"},
)


def _unknown_message(chosen: random.Random, sending: Sending) -> bool:
    sending.sent.insert(chosen.randint(0, len(sending.sent)), json.dumps(chosen.choice(_UNKNOWN)))
    return True


def _end_of_candidates(chosen: random.Random, sending: Sending) -> bool:
    # The offer has all candidates, so the end may come at any time after it, and again.
    if sending.data.get("type") != "ice_candidate":
        return False
    end = json.dumps({"type": "ice_candidate", "candidate": "", "sdpMid": "0", "sdpMLineIndex": 0})
    sending.sent.extend([end] * chosen.randint(1, 2))
    return True


def _binary(chosen: random.Random, sending: Sending) -> bool:
    mark = chosen.choice([b"", b"\xef\xbb\xbf"])
    sending.sent[:] = [text if isinstance(text, bytes) else mark + text.encode() for text in sending.sent]
    return True


MESSAGES: Final[tuple[Kind[Sending], ...]] = (
    Kind("a message of an unknown type beside it", _unknown_message),
    Kind("the end of the candidates, again and again", _end_of_candidates, 0.3),
    Kind("a binary message", _binary, 0.25),
)
"""Kinds that change how a message is sent over signaling or the data channel."""
