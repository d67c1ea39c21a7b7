"""The options of the emulator's command, one for each setting of `EmulatorConfig`, derived from that class.

A new setting is an option at once: its annotation defines how a text is read, and the first sentence of its
docstring is the help. Both commands are made from this list: the one on Click (`odyssey_proto.cli`), and the one
on argparse (`_command`), which needs nothing else. Values are checked by the settings themselves.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from . import _config
from ._config import CODECS, SECOND_CONNECTIONS, EmulatorConfig

__all__ = ["SettingOption", "checked", "setting_options"]

_CHOICES: Final = {"codec": CODECS, "second_connection": SECOND_CONNECTIONS}
"""Settings whose annotation does not list their values."""
_SEEDS: Final = ("seed", "sloppy")
_NO_LIMIT: Final = re.compile(r";? None for no limit\.")


@attrs.frozen(kw_only=True)
class SettingOption:
    """One option: a text on the command line, a setting of an emulator."""

    setting: str
    """Name of the setting."""
    flag: str
    """Name of the option, such as ``--allow-host``."""
    help: str
    """Its meaning, in one sentence."""
    default: str
    """The default as a text; empty if that means nothing to a user."""
    is_switch: bool = False
    """Whether it is set by ``--name`` and ``--no-name``, without a value."""
    is_repeatable: bool = False
    """Whether it may be given several times, for several values."""
    metavar: str = "TEXT"
    """The placeholder of its value in the help."""
    choices: tuple[str, ...] = ()
    """All possible values, if there are few; else empty."""
    read: Callable[[str], Any] = str
    """Reads one value, or raises `ValueError` with the reason."""

    @property
    def opposite(self) -> str:
        """The name of the option that turns a switch off."""
        return f"--no-{self.flag.removeprefix('--')}"


def setting_options(settings: type[Any] = EmulatorConfig) -> list[SettingOption]:
    """Return all options, in the order of the settings; ``settings`` is their class."""
    hints = typing.get_type_hints(settings)
    helps = _docstrings(settings)
    return [
        _option(field, hints[field.name], helps.get(field.name, ""))
        for field in attrs.fields(settings)
        if field.init
    ]


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check each setting of ``given`` on its own, and return them all, by name.

    Raises:
        OdysseyConfigError: one of them is not valid; the message begins with its name.
    """
    fields = attrs.fields_dict(EmulatorConfig)
    for setting, value in given.items():
        field = fields[setting]
        converted = field.converter(value) if callable(field.converter) else value
        if field.validator is not None:
            field.validator(None, field, converted)
    return dict(given)


def _option(field: attrs.Attribute[Any], hint: Any, text: str) -> SettingOption:
    kinds = _parts(hint)
    choices = _CHOICES.get(field.name, _literals(kinds))
    name = field.name.removesuffix("_s")
    sequence = next((kind for kind in kinds if typing.get_origin(kind) is tuple), None)
    option = SettingOption(setting=field.name, flag=_flag(name), help=text, default=_shown(field.default))
    if bool in kinds:
        return attrs.evolve(option, is_switch=True, default="on" if field.default is True else "")
    if sequence is not None and typing.get_args(sequence)[-1] is Ellipsis:
        metavar, read = _item(typing.get_args(sequence)[0])
        flag = _flag(name.removesuffix("s"))
        return attrs.evolve(
            option, flag=flag, help=f"{text} Repeatable.", is_repeatable=True, metavar=metavar, read=read
        )
    if sequence is not None:
        return attrs.evolve(option, metavar="WIDTHxHEIGHT", read=_size)
    metavar, read = _item(next((kind for kind in (float, int) if kind in kinds and str not in kinds), str))
    if field.name.endswith("_s"):
        metavar = "SECONDS"
    elif field.name in _SEEDS:
        metavar = "SEED"
    elif field.name == "world":
        metavar = "WORLD"
    elif Path in kinds:
        metavar = "PATH"
    return attrs.evolve(option, metavar=metavar, choices=choices, read=read)


def _parts(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, without None, or the single type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(part for part in typing.get_args(hint) if part is not types.NoneType)
    return (hint,)


def _literals(kinds: tuple[Any, ...]) -> tuple[str, ...]:
    listed = [typing.get_args(kind) for kind in kinds if typing.get_origin(kind) is typing.Literal]
    return tuple(value for values in listed for value in values if isinstance(value, str))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _shown(value: Any) -> str:
    match value:
        case int(width), int(height):
            return f"{width}x{height}"
        case tuple():
            return ", ".join(str(item[0]) if isinstance(item, tuple) else str(item) for item in value)
        case float():
            return f"{value:g}"
        case bool() | None:
            return ""
    return str(value) if isinstance(value, str | int) else ""


# How a value is read from a text


def _item(hint: Any) -> tuple[str, Callable[[str], Any]]:
    """Return the placeholder of one value in the help, and its reader."""
    if hint is int:
        return "N", _whole
    if hint is float:
        return "NUMBER", _number
    if typing.get_origin(hint) is tuple:
        return "NAME=SECONDS", _pair
    if typing.get_origin(hint) is dict:
        return "JSON", _object
    return "TEXT", str


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, not {text!r}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"must be a number, not {text!r}") from None


def _size(text: str) -> tuple[int, int]:
    if not (found := re.fullmatch(r"(\d{1,9})[x×,](\d{1,9})", text)):
        raise ValueError(f"must be a width and a height in px, such as 1280x704, not {text!r}")
    return int(found[1]), int(found[2])


def _pair(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    return name, _number(seconds or "0")


def _object(text: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        data = json.loads(text)
        if isinstance(data, dict):
            return data
    raise ValueError(f"must be an object in JSON, not {text!r}")


# The help


def _docstrings(settings: type[Any]) -> dict[str, str]:
    """Return the first sentence of the docstring of each setting.

    A frozen program may have no source; the result is then empty.
    """
    try:
        tree = ast.parse(inspect.getsource(_config))
    except (OSError, SyntaxError):
        return {}
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == settings.__name__)
    found = {}
    for cls in classes:
        for node, text in itertools.pairwise(cls.body):
            match node, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=setting)),
                    ast.Expr(value=ast.Constant(value=str(doc))),
                ):
                    found[setting] = _sentence(doc)
    return found


def _sentence(text: str) -> str:
    plain = " ".join(text.replace("``", "").replace("`", "").replace("×", "x").replace("math.inf", "inf").split())
    plain = _NO_LIMIT.sub("; no limit unless it is given.", plain)  # what None means in Python
    return re.split(r"(?<=[\w)]\.) (?=[A-Z])", plain)[0]
