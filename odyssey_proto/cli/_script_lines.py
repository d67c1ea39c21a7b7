"""JSON and YAML, each value with the line where it begins, so that errors can name it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .._base.errors import MissingExtraError, OdysseyConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lines", "Path", "invalid", "line_of", "place", "read_json", "read_yaml"]

Path: TypeAlias = tuple[int | str, ...]
"""The keys and indices that lead to a value."""
Lines: TypeAlias = dict[Path, int]
"""The line of each value, from 1."""

_DEEPEST: Final = 6  # object, scripts, script, entry, action, field
_BLANK: Final = " \t\r\n"


def invalid(name: str, line: int | None, problem: str) -> OdysseyConfigError:
    """Return the error for a fault in a file."""
    return OdysseyConfigError(f"{place(name, line)}: {problem}", code="invalid_script")


def place(name: str, line: int | None) -> str:
    """Return the place in a file, as editors understand it."""
    return name if line is None else f"{name}:{line}"


def line_of(path: Path, lines: Lines) -> int | None:
    """Return the line of a value, or of the nearest one around it."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path)


def read_json(text: str, name: str, first_line: int = 1) -> tuple[Any, Lines]:
    """Return the data of a JSON text, and the lines of its values.

    Args:
        text: the text.
        name: of the file, for errors.
        first_line: the number of the first line.

    Raises:
        OdysseyConfigError: it is not JSON.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as exc:
        raise invalid(name, first_line + exc.lineno - 1, f"not JSON: {exc.msg} (column {exc.colno})") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or a thousand levels
        raise invalid(name, None, "not JSON that can be read") from None
    walk = _JsonWalk(text, first_line)
    walk.value(0, ())
    return data, walk.lines


class _JsonWalk:
    """Walks through valid JSON and notes where values begin."""

    def __init__(self, text: str, first_line: int) -> None:
        self.lines: Lines = {}
        self._text = text
        self._line, self._counted = first_line, 0
        self._decode = json.JSONDecoder().raw_decode

    def value(self, at: int, path: Path) -> int:
        """Note a value, and return the position after it."""
        at = self._skip(at)
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        self.lines[path] = self._line
        opening = self._text[at]
        if opening not in "[{" or len(path) >= _DEEPEST:
            return int(self._decode(self._text, at)[1])
        index = 0
        at = self._skip(at + 1)
        while self._text[at] not in "]}":
            key: int | str = index
            if opening == "{":
                key, at = self._decode(self._text, at)
                at = self._skip(at) + 1  # after the colon
            at = self._skip(self.value(at, (*path, key)))
            if self._text[at] == ",":
                at = self._skip(at + 1)
            index += 1
        return at + 1

    def _skip(self, at: int) -> int:
        while at < len(self._text) and self._text[at] in _BLANK:
            at += 1
        return at


def read_yaml(text: str, name: str) -> tuple[Any, Lines]:
    """Return the data of a YAML text, and the lines of its values.

    Raises:
        OdysseyConfigError: it is not YAML, or more than one document.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as exc:
        raise MissingExtraError('YAML needs one more package: pip install "odyssey-proto[cli]"') from exc
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        data = None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = None if mark is None else mark.line + 1
        raise invalid(name, line, f"not YAML: {exc.problem or exc.context}") from None
    except yaml.YAMLError:
        raise invalid(name, None, "not YAML: it has characters that are not allowed") from None
    except (ValueError, RecursionError):  # a date that does not exist, a thousand levels
        raise invalid(name, None, "not YAML that can be read") from None
    return data, {} if root is None else dict(_yaml_lines(root, (), set()))


def _yaml_lines(node: Any, path: Path, seen: set[int]) -> Iterator[tuple[Path, int]]:
    yield path, node.start_mark.line + 1
    if len(path) >= _DEEPEST or id(node) in seen:  # an alias is a node that was seen
        return
    seen.add(id(node))
    if node.id == "sequence":
        for index, item in enumerate(node.value):
            yield from _yaml_lines(item, (*path, index), seen)
    elif node.id == "mapping":
        for key, item in node.value:
            yield from _yaml_lines(item, (*path, str(key.value)), seen)
