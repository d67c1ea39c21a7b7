"""YAML whose every value knows its line, and the faults that are reported with it.

YAML itself takes much in silence that no generator can use: of two entries with one key the last, `no` as a
boolean, a day as a date. Here, each is a fault. What a schema may say is in `tools.codegen.rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

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


@attrs.frozen(order=True)
class Fault:
    """What is wrong, and where."""

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
    """Its value; None if the file cannot be read."""
    lines: dict[Path, int] = attrs.field(repr=False)
    faults: tuple[Fault, ...] = ()
    """What YAML would have taken in silence."""

    def fault(self, path: Path, text: str) -> Fault:
        """Return a fault of the value at `path`, or of what is around it if nothing is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return Fault(self.name, self.lines.get(path, 1), text)


class Document(dict[str, Any]):
    """The data of a file of the spec for those who make something of it; it remembers its lines."""

    def __init__(self, marked: Marked) -> None:
        super().__init__(marked.data)
        self.marked = marked


def fault_at(document: Schema, path: Path, text: str) -> Fault:
    """Return a fault of the value at `path` in a `Document`."""
    assert isinstance(document, Document), "it has lost its lines"
    return document.marked.fault(path, text)


def fault_in(files: dict[str, Schema], name: str, path: Path, text: str) -> Fault:
    """Return a fault of the schema at `path` in the definition `name` of `files`, which are each a `Document`."""
    (document,) = (files[file] for file, defined, _ in definitions(files) if defined == name)
    return fault_at(document, ("$defs", name, *path), text)


def load(path: FilePath, name: str) -> Marked:
    """Read a YAML file; its data is None if it is missing, or no YAML with keys."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Marked(name, None, {}, (Fault(name, 1, "the file is missing"),))
    return parse(text, name)


def parse(text: str, name: str) -> Marked:
    """Read the text of a YAML file; its data is None if it is no YAML with keys."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        return Marked(name, None, {}, (Fault(name, line, f"not YAML: {exc.problem}"),))
    if not isinstance(node, yaml.MappingNode):
        return Marked(name, None, {}, (Fault(name, 1, "not an object"),))
    lines: dict[Path, int] = {(): 1}
    faults: list[Fault] = []
    data = _value(node, (), name, lines, faults)
    return Marked(name, data, lines, tuple(faults))


def _value(node: yaml.Node, path: Path, name: str, lines: dict[Path, int], faults: list[Fault]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, index), name, lines, faults) for index, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node, name, faults)
    data: dict[str, Any] = {}
    for key_node, child in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value
        if key_node.tag != "tag:yaml.org,2002:str":
            faults.append(Fault(name, line, f"the key `{key}` is not text to YAML: put it in quotes"))
        if key in data:
            faults.append(Fault(name, line, f"`{key}` is there twice; the first is in line {lines[(*path, key)]}"))
        lines[(*path, key)] = line  # of the key: what a fault is about begins there
        data[key] = _value(child, (*path, key), name, lines, faults)
    return data


def _scalar(node: yaml.Node, name: str, faults: list[Fault]) -> Any:
    value = yaml.SafeLoader("").construct_object(node)
    if value is None or isinstance(value, str | int | float):
        return value
    faults.append(Fault(name, node.start_mark.line + 1, f"`{node.value}` is no JSON value: put it in quotes"))
    return node.value


def definitions(files: dict[str, Schema]) -> Iterator[tuple[str, str, Schema]]:
    """Yield `(file, name, schema)` for every definition."""
    for file, document in files.items():
        for name, schema in document["$defs"].items():
            yield file, name, schema


def split_reference(reference: str, file: str) -> tuple[str, str]:
    """Split a `$ref` in `file` into a file and the name of a definition there."""
    target, _, pointer = reference.partition("#/$defs/")
    return target or file, pointer
