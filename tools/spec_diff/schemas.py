"""Compares schemas: definitions, fields, types, null, bounds, values of enums, members of unions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.spec_diff.changes import BOTH, NOBODY, READERS, WRITERS, Breaks, Change

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Definitions", "between_definitions", "between_schemas"]

Schema = dict[str, Any]
Definitions = dict[str, Schema]
"""All definitions by name, whatever their file."""

_LOWER: Final = ("minimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "maxLength", "maxItems")
_CHOICES: Final = {"oneOf": "exactly one of", "anyOf": "at least one of"}
_NOTES: Final = {
    "format": "a note; readers and writers treat it as text",
    "x-assumed": "a note on where the fact comes from",
    "x-essential": "what is valid stays the same",
    "x-large": "a note on how it is printed",
    "x-secret": "a note on how it is logged",
    "x-stand-in": "what is valid stays the same",
    "x-write-null": "null and an absent field mean the same",
}


def between_definitions(old: Definitions, new: Definitions) -> Iterator[Change]:
    """Yield every change from `old` to `new`."""
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Change(name, "removed", "nobody may send it, and nobody will receive it", BOTH)
        elif name not in old:
            yield Change(name, "added", "nothing that was there depends on it")
        else:
            yield from between_schemas(name, old[name], new[name], old, new)


def between_schemas(
    place: str,
    old: Schema,
    new: Schema,
    before: Definitions,
    after: Definitions,
    seen: frozenset[Any] = frozenset(),
) -> Iterator[Change]:
    """Yield the changes between two schemas, following references that now lead to another name."""
    names = (_referred(old), _referred(new))
    if names in seen or (names[0] and names[0] == names[1]):
        yield from _notes(place, old, new)
        return  # a definition is compared once, under its own name
    if any(names):
        seen |= {names}
        yield from _notes(place, old, new)
        old, new = before.get(names[0], old), after.get(names[1], new)
    if "null" in _types(old) ^ _types(new):
        yield _null(place, new)
    if _values(old) and _values(new):
        yield from _enums(place, _values(old), _values(new))
    elif _values(old) or _values(new):
        now = "any text" if _values(old) else "an enum"
        yield Change(place, f"is now {now}", "enums are open: any text was and is valid")
    if _members(old) or _members(new):
        yield from _unions(place, _members(old), _members(new))
    yield from _kinds(place, old, new, before, after, seen)
    if old.get("const") != new.get("const"):
        was, now = (f"`{schema['const']}`" if "const" in schema else "any text" for schema in (old, new))
        yield Change(place, f"{was} is now {now}", "it tells messages apart", BOTH)
    yield from _bounds(place, old, new)
    yield from _default(place, old, new)
    if not any(names):
        yield from _notes(place, old, new)
    for word, words in _CHOICES.items():
        yield from _choices(place, words, _choice(old, word), _choice(new, word))
    yield from _fields(place, old, new, before, after, seen)
    for word, step in (("items", "[]"), ("additionalProperties", "{}")):
        was, now = (schema[word] if isinstance(schema.get(word), dict) else {} for schema in (old, new))
        if word in old and word in new:  # if it is not an object of keywords, it is `true`: anything
            yield from between_schemas(place + step, was, now, before, after, seen)


# --- fields


def _fields(
    place: str, old: Schema, new: Schema, before: Definitions, after: Definitions, seen: frozenset[Any]
) -> Iterator[Change]:
    fields = (old.get("properties", {}), new.get("properties", {}))
    required = (set(old.get("required", ())), set(new.get("required", ())))
    for name in [*fields[0], *(name for name in fields[1] if name not in fields[0])]:
        here = f"{place}.{name}"
        if name not in fields[0]:
            if name in required[1]:
                yield Change(here, "added, required", "writers do not send it", WRITERS)
            else:
                yield Change(here, "added, optional", "readers ignore it, writers may omit it")
        elif name not in fields[1]:
            if name in required[0]:
                yield Change(here, "removed, was required", "readers rely on it", READERS)
            else:
                yield Change(here, "removed, was optional", "readers did without it, and ignore it if it comes")
        else:
            if name in required[1] - required[0]:
                yield Change(here, "now required", "writers may omit it", WRITERS)
            if name in required[0] - required[1]:
                yield Change(here, "now optional", "readers rely on it", READERS)
            yield from between_schemas(here, fields[0][name], fields[1][name], before, after, seen)


def _choice(schema: Schema, word: str) -> set[str]:
    branches = schema.get(word, ())
    return {name for branch in branches if list(branch) == ["required"] for name in branch["required"]}


def _choices(place: str, words: str, old: set[str], new: set[str]) -> Iterator[Change]:
    if old == new:
        return
    was, now = (", ".join(sorted(names)) or "no choice" for names in (old, new))
    shown = f"{words}: {was}; now: {now}"
    breaks = NOBODY
    if not old or (new and old - new):
        breaks |= WRITERS
    if not new or (old and new - old):
        breaks |= READERS
    yield Change(place, shown, "who gives or expects another choice does not fit", breaks)


# --- types


def _referred(schema: Schema) -> str:
    """Return the name that a schema refers to, directly or as the only alternative to null; empty if none."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == 1:
        schema = branches[0]
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _types(schema: Schema) -> set[str]:
    """Return the possible types of a value: types of JSON, and names of definitions."""
    found: set[str] = set()
    branches = schema.get("anyOf", ())
    for branch in (schema,) if all(list(branch) == ["required"] for branch in branches) else branches:
        kind = branch.get("type", [])
        found |= {kind} if isinstance(kind, str) else set(kind)
        if "$ref" in branch:
            found.add(_referred(branch))
        if "const" in branch:
            found.add("string")
    return found


def _null(place: str, new: Schema) -> Change:
    if "null" in _types(new):
        return Change(place, "may now be null", "readers expect a value", READERS)
    return Change(place, "is no longer null", "writers may send null", WRITERS)


def _kinds(
    place: str, old: Schema, new: Schema, before: Definitions, after: Definitions, seen: frozenset[Any]
) -> Iterator[Change]:
    was, now = _types(old) - {"null"}, _types(new) - {"null"}
    if _members(old) or _members(new) or was == now:
        if was == now:
            yield from _branches(place, old, new, before, after, seen)
        return
    shown = f"{' or '.join(sorted(was)) or 'anything'} is now {' or '.join(sorted(now)) or 'anything'}"
    wider = _covers(now, was)
    narrower = _covers(was, now)
    if wider:
        yield Change(place, shown, "readers do not expect the other type", READERS)
    elif narrower:
        yield Change(place, shown, "writers may send what is not valid any more", WRITERS)
    else:
        yield Change(place, shown, "it is another type", BOTH)


def _covers(wide: set[str], narrow: set[str]) -> bool:
    """Return whether `wide` has every type of `narrow`, or is empty: any type. An integer is also a number."""
    return not wide or (
        bool(narrow) and all(kind in wide or (kind == "integer" and "number" in wide) for kind in narrow)
    )


def _branches(
    place: str, old: Schema, new: Schema, before: Definitions, after: Definitions, seen: frozenset[Any]
) -> Iterator[Change]:
    """Yield the changes within the lists and objects that are alternatives of a field."""
    for kind in ("array", "object"):
        pair = [
            [branch for branch in schema.get("anyOf", ()) if branch.get("type") == kind] for schema in (old, new)
        ]
        if len(pair[0]) == len(pair[1]) == 1:
            yield from between_schemas(place, pair[0][0], pair[1][0], before, after, seen)


# --- values


def _values(schema: Schema) -> set[str]:
    return {branch["const"] for branch in schema.get("anyOf", ()) if "const" in branch}


def _enums(place: str, old: set[str], new: set[str]) -> Iterator[Change]:
    for value in sorted(old ^ new):
        if value in new:
            yield Change(
                f"{place}.{value}", "value added", "enums are open: readers keep values that they do not know"
            )
        else:
            yield Change(f"{place}.{value}", "value removed", "writers may send what means nothing now", WRITERS)


def _members(schema: Schema) -> set[str]:
    return {_referred(branch) for branch in schema.get("oneOf", ()) if "$ref" in branch}


def _unions(place: str, old: set[str], new: set[str]) -> Iterator[Change]:
    for name in sorted(old ^ new):
        if name in new:
            yield Change(place, f"`{name}` added", "readers ignore messages that they do not know")
        else:
            yield Change(place, f"`{name}` removed", "writers may send it, and readers may wait for it", BOTH)


def _bounds(place: str, old: Schema, new: Schema) -> Iterator[Change]:
    for words, sign in ((_LOWER, 1), (_UPPER, -1)):
        for word in words:
            was, now = old.get(word), new.get(word)
            if was == now:
                continue
            shown = f"`{word}` is now {'gone' if now is None else now}"
            if now is not None and (was is None or (now - was) * sign > 0):
                yield Change(place, shown, "writers may send what is out of bounds now", WRITERS)
            else:
                yield Change(place, shown, "readers may not expect what was out of bounds", READERS)
    was, now = old.get("pattern"), new.get("pattern")
    if was != now:
        breaks: Breaks = (READERS if was else NOBODY) | (WRITERS if now else NOBODY)
        yield Change(place, f"`pattern` is now {now or 'gone'}", "other texts fit than before", breaks)


def _default(place: str, old: Schema, new: Schema) -> Iterator[Change]:
    nothing = object()
    was, now = old.get("default", nothing), new.get("default", nothing)
    if was is not nothing and was != now:
        shown = "gone" if now is nothing else repr(now)
        yield Change(place, f"the default is now {shown}", "an absent field means something else", BOTH)
    elif was != now:
        yield Change(
            place, f"the default is now {now!r}", "readers may take an absent field for something else", READERS
        )


def _notes(place: str, old: Schema, new: Schema) -> Iterator[Change]:
    for word, why in _NOTES.items():
        if old.get(word) != new.get(word):
            yield Change(place, f"`{word}` is now {new.get(word, 'gone')}", why)
