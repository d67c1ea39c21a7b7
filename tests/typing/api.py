"""The public API as text: names, signatures, defaults, fields, bases. `api.txt` holds the promised API.

A change to it is a decision: update the file with ``python -m tests.typing.api``, and describe it in CHANGELOG.md.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, is_typeddict

import attrs

import odyssey_proto
from odyssey_proto import conformance, core, emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SNAPSHOT", "described"]

_MADE_FOR_USERS = (
    "LiveCapture",
    "LiveRecording",
    "RawCalls",
    "Session",
    "SpectatorConnection",
)  # only the library creates them
SNAPSHOT = Path(__file__).with_name("api.txt")


def described() -> str:
    """Return the public API of all packages, one line for each name."""
    packages = (odyssey_proto, core, emulator, conformance)
    text = "".join(f"{line}\n" for package in packages for line in _package(package))
    return text.replace("pathlib._local.", "pathlib.")  # Python 3.13 shows the private module of its classes


def _package(package: types.ModuleType) -> Iterator[str]:
    for name in sorted(package.__all__):
        thing, path = getattr(package, name), f"{package.__name__}.{name}"
        if package is not odyssey_proto and getattr(odyssey_proto, name, None) is thing:
            yield f"{path} is odyssey_proto.{name}"
        elif inspect.isclass(thing) and thing.__module__.startswith("odyssey_models"):
            yield f"{path} is {thing.__module__}.{name}"
        elif inspect.isclass(thing):
            yield from _class(path, thing)
        elif inspect.isfunction(thing):
            yield f"{path}{_signature(thing)}"
        elif name != "__version__":
            yield f"{path} = {_shown(thing)}"


def _class(path: str, cls: type[Any]) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    yield f"class {path}({bases})"
    if issubclass(cls, enum.Enum):
        yield from (f"{path}.{member.name} = {member.value!r}" for member in cls)
        return
    if is_typeddict(cls):
        yield from (f"{path}[{name!r}]: {_shown(hint)}" for name, hint in cls.__annotations__.items())
        return
    fields = attrs.fields_dict(cls) if attrs.has(cls) else {}
    for name, value in sorted(inspect.getmembers_static(cls)):
        if name in fields:
            yield f"{path}.{name}: {_shown(fields[name].type)}"
        elif name == "__init__" and cls.__name__ not in _MADE_FOR_USERS and isinstance(value, types.FunctionType):
            yield f"{path}{_signature(value)}"
        elif name.startswith("_") or issubclass(cls, str):
            continue
        elif isinstance(value, property):
            yield f"{path}.{name} -> {_shown(inspect.signature(value.fget).return_annotation)}"  # type: ignore[arg-type]
        elif isinstance(value, staticmethod | classmethod | types.FunctionType):
            kind = "" if isinstance(value, types.FunctionType) else f"{type(value).__name__} "
            yield f"{kind}{path}.{name}{_signature(getattr(value, '__func__', value))}"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=_Text(_shown(parameter.annotation)))
        if parameter.annotation is not inspect.Parameter.empty
        else parameter
        for parameter in signature.parameters.values()
    ]
    returned = signature.return_annotation
    return str(
        signature.replace(
            parameters=parameters,
            return_annotation=returned if returned is inspect.Signature.empty else _Text(_shown(returned)),
        )
    )


class _Text(str):
    """A text whose `repr` has no quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(annotation: Any) -> str:
    """Return an annotation in source form, under the public paths."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    # Versions of Python write the same annotation differently.
    text = re.sub(r"typing\.Optional\[(.*)\]$", r"\1 | None", text.replace("NoneType", "None"))
    packages = r"\b(odyssey_proto|typing|collections\.abc|odyssey_models\.\w+|types)\."
    return re.sub(rf"{packages}(?!core|emulator|conformance)", "", text)


if __name__ == "__main__":
    SNAPSHOT.write_text(described(), encoding="utf-8", newline="\n")
