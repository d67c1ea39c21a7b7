"""Tolerant reading of what the service sends: from parsed JSON to `odyssey_models`.

The rules are those of spec/README.md#what-a-reader-tolerates. This module parses no text, and reads no requests:
see `odyssey_proto._model.codec`. Its reports contain names and types, but no values, which could be secrets.
"""

from __future__ import annotations

import copy
import functools
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import attrs

from .._base.limits import PROBLEMS_MOST_SHOWN, ROWS_MOST

__all__ = ["DamagedText", "Doubled", "ShortList", "UnreadableError", "left_out", "read"]

T = TypeVar("T")

_NONE: Final = type(None)
_ABSENT: Final[Any] = object()
_LARGEST_INTEGER: Final = 2**63
_EXACT: Final = 2.0**53  # below it, a float that is an integer was written as one
_HALF: Final = re.compile("[\ud800-\udfff]")  # of a surrogate pair: it cannot be encoded
_INDEX: Final = re.compile(r"\[\d+\]")

_Fault = tuple[str, str]
"""A fault: its path from the value read, and its description."""
_Reader = Callable[[Any, "_Faults"], Any]
"""Reads a value, and adds the faults that it passes over to the list."""
_CHECK_EVERY: Final = 128  # rows


class Doubled(dict[str, Any]):
    """An object in whose text keys appear more than once."""

    def __init__(self, data: Mapping[str, Any], doubled: frozenset[str]) -> None:
        super().__init__(data)
        self.doubled = doubled
        """Those keys; the value of each is the last."""


class DamagedText(str):
    """A string that was not UTF-8; each wrong byte is replaced."""

    __slots__ = ()


class ShortList(list[Any]):
    """A list without the rows that could not be read, or were too many."""

    left_out: int = 0
    """Their number."""


class _Faults(list[_Fault]):
    """The faults of one value, at most as many as are reported.

    Args:
        check: called from time to time; an exception from it ends the reading.
    """

    def __init__(self, check: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.check = check
        self.more = 0
        """The number of those that are only counted."""

    def note(self, faults: Iterable[_Fault]) -> None:
        for fault in faults:
            if len(self) < PROBLEMS_MOST_SHOWN:
                self.append(fault)
            else:
                self.more += 1


class UnreadableError(Exception):
    """The value cannot be read; ``faults`` says why."""

    def __init__(self, *faults: _Fault) -> None:
        super().__init__(faults)
        self.faults = faults


def read(cls: type[T], data: object, check: Callable[[], object] | None = None) -> T:
    """Read parsed JSON as ``cls``, and log once for each field what could not be read.

    ``check`` is called from time to time while a long list is read; an exception from it ends the reading.

    Raises:
        UnreadableError: an essential field is absent or cannot be read.
    """
    faults = _Faults(check)
    hint: Any = cls
    found: T = _reader(hint)(data, faults)
    if faults:
        _log(cls.__name__, faults)
    return found


def left_out(rows: object) -> int:
    """Return how many rows of a list are missing because they could not be read, or were too many."""
    return rows.left_out if isinstance(rows, ShortList) else 0


_logged: set[str] = set()


def _log(name: str, faults: _Faults) -> None:
    if faults.more:
        import logging  # it loads threads, and is rarely needed

        logging.getLogger("odyssey_proto.reading").debug("%s: %d more problems", name, faults.more)
    for path, problem in faults:
        where = name + _INDEX.sub("[]", path)
        if where not in _logged:
            import logging  # it loads threads, and is rarely needed

            _logged.add(where)
            logging.getLogger("odyssey_proto.reading").warning("%s: %s (logged once)", where, problem)


def _wrong(expected: str, value: object) -> UnreadableError:
    return UnreadableError(("", f"{expected} was expected, not {type(value).__name__}"))


# --- one reader for each type


@functools.cache
def _reader(hint: Any) -> _Reader:
    """Return the reader of a type, made once."""
    origin = get_origin(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if origin is Literal:
        return functools.partial(_read_constant, get_args(hint))
    if origin is list:
        return functools.partial(_read_list, _reader(get_args(hint)[0]))
    if origin is dict:
        return functools.partial(_read_dict, _reader(get_args(hint)[1]))
    if origin in (Union, types.UnionType):
        return _reader_of_union(hint)
    if attrs.has(hint):
        return _reader_of_class(hint)
    return functools.partial(_read_enum, hint)


def _read_any(value: Any, _: _Faults) -> Any:
    return value


def _read_text(value: Any, _: _Faults) -> str:
    if type(value) is str:
        return value if value.isascii() else _HALF.sub("\ufffd", value)
    if isinstance(value, DamagedText):
        raise UnreadableError(("", "the text is not UTF-8"))
    if type(value) is int:
        return str(value)  # even if no float is as large
    if not isinstance(value, float) or not math.isfinite(value):
        raise _wrong("str", value)
    return str(int(value) if abs(value) < _EXACT and value == int(value) else value)


def _read_flag(value: Any, _: _Faults) -> bool:
    if not isinstance(value, bool):
        raise _wrong("bool", value)
    return value


def _read_integer(value: Any, _: _Faults) -> int:
    number = value if type(value) is int else _number(value, "int")
    if not -_LARGEST_INTEGER <= number < _LARGEST_INTEGER:
        raise UnreadableError(("", "the number is too large"))
    return int(number)


def _read_number(value: Any, _: _Faults) -> float:
    try:
        return float(_number(value, "float"))
    except OverflowError:
        raise UnreadableError(("", "the number is too large")) from None


def _number(value: Any, expected: str) -> int | float:
    """Return ``value``, a number, a boolean or the text of a number, as a finite number."""
    number: int | float = value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            try:
                number = float(value)
            except ValueError:
                raise _wrong(expected, value) from None
    elif not isinstance(value, int | float):
        raise _wrong(expected, value)
    if isinstance(number, float) and not math.isfinite(number):
        raise UnreadableError(("", "the number is not finite"))
    return number


_SCALARS: Final[dict[Any, _Reader]] = {
    Any: _read_any,
    str: _read_text,
    bool: _read_flag,
    int: _read_integer,
    float: _read_number,
}


def _read_constant(constants: tuple[Any, ...], value: Any, _: _Faults) -> Any:
    if value not in constants:
        raise UnreadableError(("", "another constant was expected"))
    return value


def _read_enum(cls: type[Enum], value: Any, _: _Faults) -> Enum:
    if type(value) is not str:
        raise _wrong("str", value)
    return cls(_HALF.sub("\ufffd", value))


def _read_list(read_row: _Reader, value: Any, faults: _Faults) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong("a list", value)
    rows = []
    for index, row in enumerate(value[:ROWS_MOST]):
        if faults.check is not None and index % _CHECK_EVERY == 0:
            faults.check()
        known = len(faults)
        try:
            rows.append(read_row(row, faults))
        except UnreadableError as exc:
            del faults[known:]
            faults.note((path, f"{problem}; the row is left out") for path, problem in exc.faults)
        if len(faults) > known:
            _set_in(f"[{index}]", faults, known)
    if len(rows) == len(value):
        return rows
    short = ShortList(rows)
    short.left_out = len(value) - len(rows)
    return short


def _read_dict(read_value: _Reader, value: Any, faults: _Faults) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    found = {}
    for key, one in value.items():
        known = len(faults)
        try:
            found[key] = read_value(one, faults)
        except UnreadableError as exc:
            faults.note(exc.faults)
        if len(faults) > known:
            _set_in(".*", faults, known)  # the key is data
    return found


def _set_in(place: str, faults: _Faults, since: int) -> None:
    """Complete the paths of the faults that were found at ``place``."""
    faults[since:] = [(place + path, problem) for path, problem in faults[since:]]


_KINDS: Final[dict[Any, tuple[type, ...]]] = {bool: (bool,), int: (int,), float: (int, float), list: (list,)}


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return the types of the JSON values that a type is meant for."""
    known = _KINDS.get(get_origin(hint) or hint)
    return known or ((dict,) if get_origin(hint) is dict or attrs.has(hint) else (str,))


def _reader_of_union(hint: Any) -> _Reader:
    """Return a reader that takes the first member that fits, preferring those of the value's own type."""
    members = [(_reader(member), _kinds(member)) for member in get_args(hint) if member is not _NONE]
    nullable = len(members) < len(get_args(hint))

    def read_union(value: Any, faults: _Faults) -> Any:
        if value is None and nullable:
            return None
        if len(members) == 1:
            return members[0][0](value, faults)
        known = len(faults)
        for read_member, _ in sorted(members, key=lambda member: type(value) not in member[1]):
            try:
                return read_member(value, faults)
            except UnreadableError:
                del faults[known:]
        raise UnreadableError(("", f"no alternative fits {type(value).__name__}"))

    return read_union


@attrs.frozen
class _Field:
    name: str
    wire: str
    read: _Reader
    essential: bool
    bounded: bool
    """Whether an empty text counts as unreadable."""
    stand_in: Any
    """The value for an absent or unreadable field; `_ABSENT` leaves it to the class."""
    null_is_default: bool

    def value_of(self, given: Any, faults: _Faults, doubled: bool) -> Any:
        if given is _ABSENT:
            raise UnreadableError(("", f"required field {self.wire!r} is missing"))
        if doubled:
            raise UnreadableError(("", "the key appears twice"))
        value = self.read(given, faults)
        if self.bounded and value == "":
            raise UnreadableError(("", "it is empty"))
        return value


def _fields(cls: Any) -> list[_Field]:
    attrs.resolve_types(cls)
    found = []
    for field in attrs.fields(cls):
        read_it = _reader(field.type)
        stand_in = _ABSENT
        required = field.default is attrs.NOTHING
        if "stand_in" in field.metadata:
            stand_in = read_it(field.metadata["stand_in"], _Faults())
        found.append(
            _Field(
                name=field.name,
                wire=field.metadata.get("wire", field.name),
                read=read_it,
                # Requests have no marks: every required field is essential.
                essential=(required and stand_in is _ABSENT) or get_origin(field.type) is Literal,
                bounded=field.validator is not None,
                stand_in=stand_in,
                null_is_default=not required,
            )
        )
    return found


def _reader_of_class(cls: Any) -> _Reader:
    fields = _fields(cls)

    def read_object(value: Any, faults: _Faults) -> Any:
        if not isinstance(value, dict):
            raise _wrong("an object", value)
        doubled = value.doubled if isinstance(value, Doubled) else ()
        found: dict[str, Any] = {}
        fatal = _Faults()
        for field in fields:
            given = value.get(field.wire, _ABSENT)
            if field.null_is_default and (given is None or given is _ABSENT):
                continue
            known = len(faults)
            try:
                found[field.name] = field.value_of(given, faults, field.wire in doubled)
            except UnreadableError as exc:
                del faults[known:]
                (fatal if field.essential else faults).note(
                    (f".{field.wire}{path}", problem) for path, problem in exc.faults
                )
                if field.stand_in is not _ABSENT:
                    found[field.name] = copy.copy(field.stand_in)
            else:
                if len(faults) > known:
                    _set_in(f".{field.wire}", faults, known)
        if fatal:
            raise UnreadableError(*fatal)
        try:
            return cls(**found)
        except ValueError:  # a bound, or a rule between fields; its text quotes the value
            raise UnreadableError(("", f"it is not a valid {cls.__name__}")) from None

    return read_object
