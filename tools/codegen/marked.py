"""YAML documents with the line of each of their values, and faults, which are reported with their lines.

YAML silently accepts much that no generator can use: it keeps the last of two entries with the same key, and reads
`no` as a boolean, `1:30` as a number, and a day as a date. Here, each of these is a fault. The rules for schemas
are in `tools.codegen.rules`.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path as FilePath

__all__ = ["Document", "Fault", "Marked", "Path", "Schema", "SpecError", "definitions"]
__all__ += ["fault_at", "fault_in", "load", "parse", "split_reference"]

Schema: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to a value of a document."""

_COLLECTIONS: Final = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TEXT: Final = "tag:yaml.org,2002:str"
_PLAIN: Final = {
    "tag:yaml.org,2002:null": re.compile("null|"),
    "tag:yaml.org,2002:bool": re.compile("true|false"),
    "tag:yaml.org,2002:int": re.compile(r"-?(0|[1-9]\d*)"),
    "tag:yaml.org,2002:float": re.compile(r"-?(0|[1-9]\d*)\.\d+([eE][-+]?\d+)?"),
}
"""The spelling of JSON values other than text. YAML has others, some of which look like text: `no`, `1:30`."""


@attrs.frozen(order=True)
class Fault:
    """A fault and its place."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class SpecError(Exception):
    """The spec breaks the rules; `faults` has one line for each fault, in the order of files and lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = [str(fault) for fault in sorted(set(faults))]
        super().__init__("\n".join(self.faults))


@attrs.frozen
class Marked:
    """A YAML document and the lines of its values."""

    name: str
    """The file as faults name it: `spec/schemas/channel.yaml`."""
    data: Any
    """Its content; None if the file cannot be read."""
    lines: dict[Path, int] = attrs.field(repr=False)
    faults: tuple[Fault, ...] = ()
    """The faults found while reading it, most of which YAML would have accepted silently."""

    def fault(self, path: Path, text: str) -> Fault:
        """Return a fault of the value at `path`, or of the nearest value around it if there is none."""
        while path and path not in self.lines:
            path = path[:-1]
        return Fault(self.name, self.lines.get(path, 1), text)


class Document(dict[str, Any]):
    """The data of a file of the spec, with its line numbers."""

    def __init__(self, marked: Marked) -> None:
        super().__init__(marked.data)
        self.marked = marked


def fault_at(document: Schema, path: Path, text: str) -> Fault:
    """Return a fault of the value at `path` in a `Document`."""
    assert isinstance(document, Document), "it has lost its lines"
    return document.marked.fault(path, text)


def fault_in(files: dict[str, Schema], name: str, path: Path, text: str) -> Fault:
    """Return a fault of the schema at `path` in the definition `name` of `files`, each a `Document`."""
    (document,) = (files[file] for file, defined, _ in definitions(files) if defined == name)
    return fault_at(document, ("$defs", name, *path), text)


def load(path: FilePath, name: str) -> Marked:
    """Read a YAML file; its data is None if it is missing, or not a YAML mapping."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Marked(name, None, {}, (Fault(name, 1, "the file is missing"),))
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        return Marked(name, None, {}, (Fault(name, line, "not UTF-8"),))
    return parse(text, name)


def parse(text: str, name: str) -> Marked:
    """Read the text of a YAML file; its data is None if it is not a YAML mapping."""
    try:
        node = _node(text)
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        return Marked(name, None, {}, (Fault(name, line, f"not YAML: {exc.reason}"),))
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        return Marked(name, None, {}, (Fault(name, line, f"not YAML: {exc.problem}"),))
    if not isinstance(node, yaml.MappingNode):
        return Marked(name, None, {}, (Fault(name, 1, "not an object"),))
    reader = _Reader(name)
    data = reader.value(node, (), ())
    return Marked(name, data, reader.lines, tuple(reader.faults))


def _node(text: str) -> yaml.Node | None:
    """Read YAML. If PyYAML's fast reader, in C, finds a fault, the slow one reports it more clearly."""
    with contextlib.suppress(AttributeError, yaml.YAMLError, UnicodeError):
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    return yaml.compose(text, Loader=yaml.SafeLoader)


class _Reader:
    """Makes the values of one document, and notes their lines and faults."""

    def __init__(self, name: str) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self.faults: list[Fault] = []
        self._name = name

    def value(self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...]) -> Any:
        """Return the value of a node; `around` has the nodes that contain it."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if any(node is one for one in around):
            self._fault(self.lines[path], "an alias for a value that contains it")
            return None
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            self._fault(node.start_mark.line + 1, f"`{node.tag}` is not a JSON value")
        around = (*around, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index), around) for index, child in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return self._scalar(node)
        data: dict[str, Any] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if key_node.tag != _TEXT:
                self._fault(line, f"the key `{key}` is not text to YAML: put it in quotes")
            if key in data:
                self._fault(line, f"`{key}` is there twice; the first is on line {self.lines[(*path, key)]}")
            self.lines[(*path, key)] = line  # that of the key, where the faulty entry begins
            data[key] = self.value(child, (*path, key), around)
        return data

    def _scalar(self, node: yaml.Node) -> Any:
        text: str = node.value
        if node.tag == _TEXT:
            return text
        if node.tag not in _PLAIN or not _PLAIN[node.tag].fullmatch(text):
            self._fault(
                node.start_mark.line + 1, f"`{text}` is not a JSON value: put it in quotes, or write it as in JSON"
            )
            return text
        return json.loads(text or "null")

    def _fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(self._name, line, text))


def definitions(files: dict[str, Schema]) -> Iterator[tuple[str, str, Schema]]:
    """Yield `(file, name, schema)` for every definition."""
    for file, document in files.items():
        for name, schema in document["$defs"].items():
            yield file, name, schema


def split_reference(reference: str, file: str) -> tuple[str, str]:
    """Split a `$ref` in `file` into a file and the name of a definition there."""
    target, _, pointer = reference.partition("#/$defs/")
    return target or file, pointer
