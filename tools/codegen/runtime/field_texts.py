"""The texts of a class's fields, for `help`: Python itself keeps only those of classes and functions."""

from __future__ import annotations

import itertools
import sys
from typing import Any

__all__ = ["FieldTexts"]


class FieldTexts(dict[str, str | None]):
    """The text below each field of a class, read from its source when it is first asked for.

    It replaces the ``__slots__`` of a finished class, where `inspect.getdoc` looks for texts.
    """

    def __init__(self, cls: type[Any]) -> None:
        super().__init__(dict.fromkeys(cls.__slots__))
        self._module: str | None = cls.__module__
        self._path: list[str] = cls.__qualname__.split(".")

    def __getitem__(self, name: str) -> str | None:
        if self._module is not None:
            self.update((field, text) for field, text in self._found(self._module).items() if field in self)
            self._module = None
        return super().__getitem__(name)

    def _found(self, module: str) -> dict[str, str]:
        import ast
        import inspect

        try:
            body = ast.parse(inspect.getsource(sys.modules[module])).body
        except (OSError, TypeError, SyntaxError):  # there is no source where it was installed
            return {}
        for name in self._path:
            found = [node.body for node in body if isinstance(node, ast.ClassDef) and node.name == name]
            body = found[0] if found else []
        texts: dict[str, str] = {}
        for field, below in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match below:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        texts[field.target.id] = inspect.cleandoc(text)
                    case _:
                        pass
        return texts
