"""The rules for names of definitions and fields, so that all names in code made from them are unique.

A definition becomes a class, a type, or a file, in many languages. Some also become several: the known values of
an enum, each choice of an object. A name that another definition or the generated code itself uses is a fault.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any, Final

from tools.codegen.marked import definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.codegen.marked import Fault, Marked

__all__ = ["EVERY_OBJECT_HAS", "faults", "pascal"]

EVERY_OBJECT_HAS: Final = frozenset(
    {
        *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__"),
        *("constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString"),
        *("toString", "valueOf"),
    }
)
"""The properties of every JavaScript object: code could not tell whether such a field is absent."""

_CLASS_NAME: Final = re.compile("[A-Z][A-Za-z0-9]*")
_TAKEN: Final = frozenset(
    {
        *dir(builtins),
        # Python: what the modules of the models import, and the package's own names.
        *("Annotated", "Any", "ClassVar", "Dict", "Enum", "Final", "JsonObject", "List", "Literal", "Mapping"),
        *("MappingProxyType", "OpenStrEnum", "Optional", "StrEnum", "TypeAlias", "Union", "UnknownTagError"),
        # TypeScript: what the declarations and the guards have.
        *("Array", "ListOf", "LiveChannels", "MapOf", "NoFields", "Number", "Object", "Record", "RestCalls"),
        *("String", "Unlisted"),
        # The root of the bundled schema, and a body that is made of two.
        *("OdysseyProtocol", "UsageLimitBody"),
    }
)


def faults(documents: dict[str, Marked]) -> Iterator[Fault]:
    """Yield the faults of the names of definitions: each of the wrong form, and each in use elsewhere."""
    files = {file: marked.data for file, marked in documents.items()}
    seen: dict[str, tuple[str, str]] = {}
    for file, name, _ in definitions(files):
        marked = documents[file]
        if not _CLASS_NAME.fullmatch(name) or name in _TAKEN:
            yield marked.fault(
                ("$defs", name),
                f"{name}: not a name for a class; use CapWords that no generated code uses itself",
            )
        other, where = seen.setdefault(name.lower(), (name, marked.name))
        if other != name:
            yield marked.fault(("$defs", name), f"{name}: differs from `{other}` in capitals only; in {where}")
        elif where != marked.name:
            yield marked.fault(("$defs", name), f"{name}: also in {where}")
    for file, name, schema in definitions(files):
        for made in _made_from(name, schema):
            if made.lower() in seen:
                taken, _ = seen[made.lower()]
                yield documents[file].fault(("$defs", name), f"{name}: `{made}` is made from it; rename `{taken}`")


def pascal(wire: str) -> str:
    """Return a wire name as a part of a component's name: `script_url` becomes `ScriptUrl`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", wire))


def _made_from(name: str, schema: Any) -> Iterator[str]:
    """Yield the names of everything that generators make from a definition besides the definition itself."""
    if not isinstance(schema, dict):
        return
    if any(isinstance(branch, dict) and "const" in branch for branch in _list(schema.get("anyOf"))):
        yield f"Known{name}"
        yield f"Unknown{name}"
    for branch in _list(schema.get("oneOf")) + _list(schema.get("anyOf")):
        if isinstance(branch, dict):
            yield from (f"{name}With{pascal(str(field))}" for field in _list(branch.get("required")))
    fields = schema.get("properties")
    for wire, field in fields.items() if isinstance(fields, dict) else ():
        yield from _parts(f"{name}{pascal(str(wire))}", field)


def _parts(name: str, field: Any) -> Iterator[str]:
    """Yield the names that the anonymous objects in a field get as components of their own."""
    if not isinstance(field, dict):
        return
    if field.get("type") == "object":
        yield name
    yield from _parts(f"{name}Item", field.get("items"))
    yield from _parts(f"{name}Value", field.get("additionalProperties"))
    for branch in _list(field.get("anyOf")):
        yield from _parts(name, branch)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
