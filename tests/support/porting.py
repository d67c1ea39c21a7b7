"""Ports programs of the official SDK by the tables in `tools/docs/porting.md`, as a reader of that page would.

A row has code on both sides. In this code, ``…`` stands for any arguments, ``f`` for any function (``client.f``
for any call of the SDK), ``task`` for any name and ``x`` for any expression. Several pieces of code on the right
are consecutive statements; remarks come after a semicolon or colon. A row whose right side does not begin with
code is for people, except that of ``async`` and ``await``: both are deleted.
"""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path
from typing import Any, Final

import attrs

from odyssey_proto import Odyssey

__all__ = ["BLOCKING", "WITH_A_LOOP", "Row", "found", "port", "programs", "rows"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_PAGE: Final = (_ROOT / "tools/docs/porting.md").read_text("utf-8")
BLOCKING: Final = "official, in a program that becomes blocking"
"""The header of the table for programs without a loop."""
WITH_A_LOOP: Final = "official, in a program that keeps its loop"
"""The header of the table for programs that remain asynchronous."""
_REST: Final = "rest_of_the_arguments"
_INSTEAD: Final = re.compile(r"(?:`[^`]+`[^`;:]*)*")  # the beginning of a cell, up to its first remark
_KEYWORDS: Final = ("async", "await")
_CALLS: Final = frozenset(name for name in dir(Odyssey) if not name.startswith("_"))


@attrs.frozen
class Row:
    """The code of an official program, and its replacement."""

    official: tuple[str, ...]
    """Pieces of code, each of which is replaced."""
    here: tuple[str, ...]
    """The code that replaces it."""


def rows(table: str) -> list[Row]:
    """Return the rows below the header ``table``."""
    _, _, rest = _PAGE.partition(f"| {table} |")
    assert rest, f"the page has no table {table!r}"
    cells = [line.strip("| ").split(" | ") for line in rest.split("\n\n")[0].splitlines()[2:]]
    # `_INSTEAD` always matches, if only the empty string.
    return [Row(_code(official), _code(_INSTEAD.match(here)[0])) for official, here in cells]  # type: ignore[index]


def _code(cell: str) -> tuple[str, ...]:
    return tuple(re.findall("`([^`]+)`", cell))


def programs() -> dict[str, str]:
    """Return the programs in `tests/examples/programs.md`, by their headings."""
    text = (_ROOT / "tests/examples/programs.md").read_text("utf-8")
    return dict(re.findall(r"^## (.+?)\n.*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE))


def port(program: str, table: str) -> str:
    """Return the ``program``, in which all code on the left of the ``table`` is replaced."""
    tree: Any = ast.parse(program)
    blocks = False
    for row in rows(table):
        blocks = blocks or row.official == _KEYWORDS
        for official in row.official if row.here else ():
            tree = _Replacing(official, row.here).visit(tree)
    if blocks:
        tree = _Blocking().visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree))


def found(program: str, table: str) -> list[str]:
    """Return the pieces of code on the left of the ``table`` that the ``program`` contains."""
    pieces = [(official, row.here) for row in rows(table) if row.here for official in row.official]
    return [official for official, here in pieces if _Replacing(official, here).replaces(ast.parse(program))]


class _Blocking(ast.NodeTransformer):
    """Deletes ``async`` and ``await``."""

    def visit(self, node: ast.AST) -> Any:
        self.generic_visit(node)
        match node:
            case ast.AsyncFunctionDef():
                return ast.FunctionDef(**_fields(node))
            case ast.AsyncWith():
                return ast.With(**_fields(node))
            case ast.AsyncFor():
                return ast.For(**_fields(node))
            case ast.comprehension():
                node.is_async = 0
            case ast.Await(value=value):
                return value
        return node


class _Replacing(ast.NodeTransformer):
    """Replaces one piece of code by others."""

    def __init__(self, official: str, here: tuple[str, ...]) -> None:
        self._official = _parsed(official)
        self._here = [_parsed(piece) for piece in here]
        self._has_replaced = False

    def replaces(self, tree: ast.AST) -> bool:
        """Return whether there is something to replace in ``tree``, and replace it."""
        self.visit(tree)
        return self._has_replaced

    def visit(self, node: ast.AST) -> Any:
        self.generic_visit(node)
        found = node
        if isinstance(node, ast.Expr | ast.Assign) and len(self._here) > 1:
            found = node.value.value if isinstance(node.value, ast.Await) else node.value
        elif isinstance(node, ast.expr) and len(self._here) > 1:
            return node  # code that becomes several statements is replaced as a statement
        holes: dict[str, Any] = {}
        if not _fits(self._official, found, holes):
            return node
        self._has_replaced = True
        pieces = [_Filling(holes).visit(copy.deepcopy(piece)) for piece in self._here]
        if len(pieces) == 1:
            return pieces[0]
        if found is node:
            return pieces
        return [*(ast.Expr(piece) for piece in pieces[:-1]), node]


class _Filling(ast.NodeTransformer):
    """Replaces placeholders by the code that they matched."""

    def __init__(self, holes: dict[str, Any]) -> None:
        self._holes = holes

    def visit(self, node: ast.AST) -> Any:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr="f" as name) if name in self._holes:
                return self._holes[name]
            case ast.ImportFrom(names=[ast.alias(name="rest_of_the_arguments")]):
                node.names = self._holes[_REST]
            case ast.List(elts=[ast.Call(args=[ast.Name(id="f"), ast.Name(id="rest_of_the_arguments")])]):
                node.elts = [_as_tasks(argument) for argument in self._holes[_REST][0]]
            case ast.Call(args=[*first, ast.Name(id="rest_of_the_arguments")]):
                args, keywords = self._holes[_REST]
                node.func = self.visit(node.func)
                node.args = [*map(self.visit, first), *args]
                node.keywords = [*keywords, *map(self.visit, node.keywords)]
            case _:
                self.generic_visit(node)
        return node


def _fields(node: ast.AST) -> dict[str, Any]:
    return {name: getattr(node, name, None) for name in (*node._fields, *node._attributes)}


def _parsed(code: str) -> Any:
    statement = ast.parse(code.replace("…", _REST)).body[0]
    return statement.value if isinstance(statement, ast.Expr) else statement


def _fits(pattern: Any, node: Any, holes: dict[str, Any]) -> bool:
    """Return whether ``node`` matches the ``pattern``, and fill the ``holes``."""
    match pattern:
        case ast.Name(id="f" | "x" as name) if isinstance(node, ast.expr):
            holes[name] = node
            return True
        case ast.Name(id="task") if isinstance(node, ast.Name):
            holes["task"] = node
            return True
        case ast.Attribute(attr="f") if isinstance(node, ast.Attribute):
            holes["f"] = node
            return node.attr in _CALLS
        case ast.ImportFrom(module=module) if isinstance(node, ast.ImportFrom):
            holes[_REST] = node.names
            return node.module == module
        case ast.Call(func=func, args=[*first, ast.Name(id="rest_of_the_arguments")]) if isinstance(
            node, ast.Call
        ):
            holes[_REST] = (node.args[len(first) :], node.keywords)
            return _fits(func, node.func, holes) and _fits(first, node.args[: len(first)], holes)
        case list():
            same = isinstance(node, list) and len(pattern) == len(node)
            return same and all(_fits(one, other, holes) for one, other in zip(pattern, node, strict=True))
        case ast.AST():
            names = [name for name in pattern._fields if name != "ctx"]
            same = type(pattern) is type(node)
            return same and all(_fits(getattr(pattern, name), getattr(node, name), holes) for name in names)
    return bool(pattern == node)


def _as_tasks(argument: Any) -> Any:
    """Return a call, or a series of calls, as tasks; an existing task stays unchanged."""
    match argument:
        case ast.Call(func=func, args=args):
            return ast.Call(_parsed("pool.submit"), [func, *args], argument.keywords)
        case ast.Starred(value=ast.ListComp() | ast.GeneratorExp() as series):
            series.elt = _as_tasks(series.elt)
    return argument
