"""Files with scripts of simulations: their formats, and the checks before anything is sent.

The library decides what is valid. Here, its errors get the name of the file and the line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from .._base.errors import OdysseyConfigError
from . import _prompt_rows
from ._script_lines import Lines, invalid, line_of, read_json, read_yaml

__all__ = ["ScriptFile", "format_of", "read_script_file"]

_BY_SUFFIX: Final = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_PLACE: Final = re.compile(r"scripts?((?:\[\d+\])*)((?:\.\w+)*)")


@attrs.define(eq=False, kw_only=True)
class ScriptFile:
    """The content of a file."""

    name: str
    """Its path, or ``stdin``."""
    scripts: Any
    """Its scripts, not checked yet, if `are_many`; else its one script."""
    are_many: bool
    portrait: bool | None = None
    """Whether the pictures are in portrait; None if the file does not say."""
    lines: Lines
    """The line of each value, by the index of its script, that of its entry, and the keys in it."""
    folder: Path
    """The folder to which paths of images in it are relative."""

    def checked(self, *, portrait: bool) -> list[list[dict[str, Any]]]:
        """Return all scripts as they are sent, with their images.

        Args:
            portrait: whether the pictures are in portrait.

        Raises:
            OdysseyConfigError: a script is not valid; the text has the name of the file and the line.
            MissingExtraError: an image needs a package that is not installed.
        """
        from .._rest.simulation_request import simulation_request  # not needed for the help

        given = _with_paths(self.scripts, self.folder)
        try:
            body = simulation_request(**{"scripts" if self.are_many else "script": given}, portrait=portrait)
        except OdysseyConfigError as exc:
            raise invalid(self.name, self._line(exc.message), exc.message) from exc.__cause__
        except TypeError as exc:
            raise invalid(self.name, self._line(str(exc)), str(exc)) from None
        scripts: list[list[dict[str, Any]]] = body["scripts"] if self.are_many else [body["script"]]
        return scripts

    def _line(self, problem: str) -> int | None:
        found = _PLACE.match(problem)
        if found is None:
            return None
        indices = [int(number) for number in re.findall(r"\d+", found[1])]
        keys = found[2].split(".")[1:]
        return line_of((*([] if self.are_many else [0]), *indices, *keys), self.lines)


def format_of(path: Path) -> str | None:
    """Return the format of a file by its name; None if the name does not show it. stdin is JSON."""
    return "json" if str(path) == "-" else _BY_SUFFIX.get(path.suffix.lower())


def read_script_file(path: Path, file_format: str, hold_s: float | None, default_hold_s: float) -> ScriptFile:
    """Read a file; ``-`` is stdin.

    Args:
        path: the file.
        file_format: ``json``, ``yaml``, ``jsonl`` or ``csv``.
        hold_s: how long, in s, some prompts of a list stay, see `scripts_of`; None if it was not given.
        default_hold_s: the value to use then.

    Raises:
        OdysseyConfigError: it cannot be read, is not of that format, or has no scripts.
        MissingExtraError: PyYAML is not installed.
    """
    name = "stdin" if str(path) == "-" else str(path)
    folder = Path() if str(path) == "-" else path.parent
    text = _text(path, name)
    if not text.strip():
        raise invalid(name, None, "it is empty")
    data: Any
    lines: Lines
    match file_format:
        case "json":
            data, lines = read_json(text, name)
        case "yaml":
            data, lines = read_yaml(text, name)
            _fill_ends(data)
        case "jsonl":
            data, lines = _read_json_lines(text, name)
        case _:
            rows = _prompt_rows.csv_rows(text, name)
            data = [row for _, row in rows]
            lines = {(index,): line for index, (line, _) in enumerate(rows) if line is not None}
            if not rows:
                raise invalid(name, None, "it has no prompts")
    portrait, data, lines = _unwrapped(data, lines, name)
    if _prompt_rows.are_prompts(data):
        rows = [(lines.get((index,)), row) for index, row in enumerate(data)]
        scripts, lines = _prompt_rows.scripts_of(rows, name, default_hold_s if hold_s is None else hold_s)
        are_many = len(scripts) > 1
        data = scripts if are_many else scripts[0]
    else:
        if hold_s is not None:
            raise OdysseyConfigError("--hold applies to lists of prompts; the entries of a script have times")
        if not isinstance(data, list):
            raise invalid(name, lines.get(()), f"a script is a list of entries, not {_kind(data)}")
        are_many = bool(data) and isinstance(data[0], list)
        if not are_many:
            lines = {(0, *place): line for place, line in lines.items()}
    return ScriptFile(name=name, scripts=data, are_many=are_many, portrait=portrait, lines=lines, folder=folder)


def _text(path: Path, name: str) -> str:
    try:
        if name == "stdin":
            if sys.stdin is None or sys.stdin.closed:
                raise invalid(name, None, "it is closed")
            content = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
        else:
            content = path.read_bytes()
        return content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as exc:
        raise invalid(name, exc.object.count(b"\n", 0, exc.start) + 1, "not UTF-8 text") from None
    except OSError as exc:
        raise invalid(name, None, f"it cannot be read: {exc.strerror or exc}") from exc


def _read_json_lines(text: str, name: str) -> tuple[list[Any], Lines]:
    items: list[Any] = []
    lines: Lines = {(): 1}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            item, places = read_json(line, name, number)
            lines |= {(len(items), *place): at for place, at in places.items()}
            items.append(item)
            if type(item) is not type(items[0]):
                raise invalid(name, number, f"{_kind(item)}, but the first line is {_kind(items[0])}")
    return items, lines


def _unwrapped(data: Any, lines: Lines, name: str) -> tuple[bool | None, Any, Lines]:
    """Return the orientation and the scripts of ``{"scripts": […], "portrait": …}``; anything else unchanged."""
    if not isinstance(data, Mapping):
        return None, data, lines
    kinds = [key for key in ("script", "scripts") if key in data]
    if len(kinds) != 1:
        raise invalid(name, lines.get(()), 'it must be a list, or an object with one of "script" and "scripts"')
    for key in data:
        if key not in (*kinds, "portrait"):
            raise invalid(name, lines.get((key,)), f"{key!r} is unknown beside {kinds[0]!r} and 'portrait'")
    portrait = data.get("portrait")
    if portrait is not None and not isinstance(portrait, bool):
        raise invalid(name, lines.get(("portrait",)), "portrait must be true or false")
    inner = {place[1:]: line for place, line in lines.items() if place[:1] == (kinds[0],)}
    scripts = data[kinds[0]]
    if kinds[0] == "scripts" and isinstance(scripts, list) and scripts and not isinstance(scripts[0], list):
        raise invalid(name, line_of((0,), inner), f"scripts[0] must be a list of entries, not {_kind(scripts[0])}")
    return portrait, scripts, inner


def _fill_ends(data: Any) -> None:
    """Let ``end:`` without a value end a stream, as its writer means it."""
    if isinstance(data, Mapping):
        for key in ("script", "scripts"):
            _fill_ends(data.get(key))
    elif isinstance(data, list):
        for item in data:
            for entry in item if isinstance(item, list) else [item]:
                _fill_end(entry)


def _fill_end(entry: Any) -> None:
    if isinstance(entry, dict) and "end" in entry and entry["end"] is None:
        entry["end"] = {}


def _with_paths(scripts: Any, folder: Path) -> Any:
    """Return scripts with paths of images relative to the current folder, not to ``folder``, that of the file."""
    if not isinstance(scripts, list):
        return scripts
    return [
        [_with_path(entry, folder) for entry in item] if isinstance(item, list) else _with_path(item, folder)
        for item in scripts
    ]


def _with_path(entry: Any, folder: Path) -> Any:
    start = entry.get("start") if isinstance(entry, Mapping) else None
    if not isinstance(start, Mapping):
        return entry
    image = start.get("image")
    if not isinstance(image, str) or image.lstrip()[:5].lower() == "data:":
        return entry
    return {**entry, "start": {**start, "image": str(folder / image)}}


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "nothing"}.get(type(value), "a value")
