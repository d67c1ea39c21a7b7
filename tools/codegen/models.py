"""Writes the Python package `odyssey_models` from the schemas.

datamodel-code-generator orders the classes and finds their types; the templates beside this module lay them out.
This module adds the rest: docstrings and `__all__` of the modules, the tables of the channels, the package's
`__init__`, and the hand-written modules of `runtime/`. `project` writes the files that make it a wheel.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from ruff import find_ruff_bin

from tools.codegen.lowering import Lowered, lower

if TYPE_CHECKING:
    from tools.codegen.sources import Schema
    from tools.codegen.tables import Table

__all__ = ["write_package"]

_HERE = Path(__file__).parent
_HEADER = "# Made from spec/schemas by `python -m tools.codegen`. Do not edit.\n# pyright: strict\n"
_FUTURE = "from __future__ import annotations\n"
_WIDTH = 110

_DOC = '''"""The Odyssey wire protocol as frozen attrs classes, generated from the schemas of the project.

Every class is one JSON object and takes only keyword arguments. The name of an attribute is the snake_case form
of its wire name; if the two differ, the attrs metadata has the wire name under `wire`. None stands for an absent
or null field. With `write_null` in the metadata, the service writes None as null instead of omitting the field.
A tolerant reader refuses an object only if it cannot read a field that has `essential` in the metadata; `stand_in`
is what it takes for another required field.

This package imports only attrs, and loads each of its modules on first use of one of its names. `converter` reads
and writes JSON-ready data, and needs cattrs (`odyssey-models[cattrs]`); `JsonObject.to_dict` writes without it.
For each channel and direction, a table has the model of each tag:
{tables}.
"""
'''

_TABLES_DOC = '''"""The tables of the channels: which messages each side sends on them, by their tags.

A reader ignores a message whose tag is not in the table: it comes from a newer service.
"""
'''

_SENDERS = {"send": "clients send", "receive": "the service sends to clients"}

_BY_HAND = {
    "_converter": ["converter"],
    "_json_object": ["JsonObject"],
    "_open_enum": ["OpenStrEnum"],
    "_tags": ["UnknownTagError"],
}

_ON_DEMAND = """
if not TYPE_CHECKING:  # type checkers know only the names above

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
"""

_IMPORTS = [
    "re",
    "attrs",
    "typing.ClassVar",
    "_json_object.JsonObject",
    "_open_enum.OpenStrEnum",
    "_open_enum.listed",
]

_OPTIONS = [
    *("--input-file-type", "jsonschema", "--schema-version", "2020-12"),
    *("--strict-refs", "--no-allow-remote-refs"),
    *("--output-model-type", "dataclasses.dataclass", "--target-python-version", "3.11", "--keyword-only"),
    *("--custom-template-dir", str(_HERE / "templates"), "--custom-file-header", "#"),
    *("--additional-imports", ",".join(_IMPORTS)),
    *("--disable-timestamp", "--disable-warnings", "--no-formatters", "--skip-root-model"),
    *("--strict-nullable", "--field-constraints", "--use-exact-imports", "--use-double-quotes"),
    *("--use-one-literal-as-default", "--collapse-root-models"),
    *("--use-subclass-enum", "--capitalise-enum-members"),
]


def write_package(files: dict[str, Schema], tables: list[Table], folder: Path) -> None:
    """Create `folder` and write the package for the schemas `files` and the channels' `tables` into it."""
    folder.mkdir(parents=True)
    _generate(lower(files), folder)
    exports = {Path(file).stem: sorted(document["$defs"]) for file, document in files.items()}
    for module, names in exports.items():
        path = folder / f"{module}.py"
        description = files[f"{module}.yaml"]["description"]
        _write(path, _finished(path.read_text("utf-8"), description, names))
    for path in sorted((_HERE / "runtime").glob("*.py")):
        code = path.read_text("utf-8").replace("from .", "from ._")  # the modules beside it get an underscore, too
        _write(folder / f"_{path.name}", f"{_HEADER}\n{_formatted(code)}")
    _write(folder / "_tables.py", _tables(tables, exports))
    names = [table.name for table in tables]
    doc = _DOC.replace("{tables}", textwrap.fill(", ".join(f"`{name}`" for name in names), _WIDTH))
    _write(folder / "__init__.py", _init(doc, {**_BY_HAND, "_tables": names, **exports}))
    _write(folder / "py.typed", "")


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")  # so that every system writes the same bytes


def _generate(lowered: Lowered, folder: Path) -> None:
    """Run datamodel-code-generator, which writes one unfinished module per schema file."""
    with tempfile.TemporaryDirectory() as scratch:
        schemas = Path(scratch, "schemas")
        schemas.mkdir()
        for file, document in lowered.files.items():
            _write(schemas / file, json.dumps(document))  # JSON is YAML
        notes = Path(scratch, "notes.json")
        _write(notes, json.dumps(lowered.notes))
        command = [
            *(sys.executable, "-m", "datamodel_code_generator", *_OPTIONS),
            *("--extra-template-data", str(notes)),
            *("--input", str(schemas), "--output", str(folder)),
        ]
        done = subprocess.run(command, cwd=scratch, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"datamodel-codegen failed:\n{done.stdout}{done.stderr}")


def _finished(code: str, description: str, names: list[str]) -> str:
    """Add the docstring and `__all__` to a generated module, and format it."""
    if missing := set(names) - set(_bound_names(code)):
        raise RuntimeError(f"datamodel-codegen left out {', '.join(sorted(missing))}")
    doc = textwrap.fill(f'"""{description}', _WIDTH)
    # The generator accepts no relative imports as additional ones.
    code = code.partition(_FUTURE)[2].replace("from _open_enum import", "from ._open_enum import")
    code = code.replace("from _json_object import", "from ._json_object import")
    imports, body = _formatted(code).split("\n\n\n", 1)
    return _HEADER + "\n" + _formatted(f'{doc}\n"""\n\n{_FUTURE}\n{imports}\n\n{_all(names)}\n\n{body}')


def _bound_names(code: str) -> list[str]:
    names = []
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.ClassDef):
            names.append(statement.name)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.append(statement.target.id)
    return names


def _tables(tables: list[Table], exports: dict[str, list[str]]) -> str:
    imports = "".join(f"from .{module} import {', '.join(names)}\n" for module, names in exports.items())
    constants = ""
    for table in tables:
        rows = ", ".join(f"{json.dumps(tag)}: {name}" for tag, name in table.messages.items())
        constants += f"""
{table.name}: Final[Mapping[str, type[{" | ".join(table.messages.values())}]]] = MappingProxyType({{{rows},}})
\"\"\"What {_SENDERS[table.action]} on `{table.channel}`.\"\"\"
"""
    return (
        _HEADER
        + "\n"
        + _formatted(
            f"{_TABLES_DOC}\n{_FUTURE}\nfrom collections.abc import Mapping\nfrom types import MappingProxyType\n"
            f"from typing import Final\n\n{imports}\n{_all([table.name for table in tables])}\n{constants}"
        )
    )


def _init(doc: str, exports: dict[str, list[str]]) -> str:
    imports = "".join(f"    from .{module} import {', '.join(names)}\n" for module, names in exports.items())
    modules = {name: module for module, names in exports.items() for name in names}
    return (
        _HEADER
        + "\n"
        + _formatted(
            f"{doc}\nimport importlib\nfrom typing import TYPE_CHECKING, Any\n\nif TYPE_CHECKING:\n{imports}\n"
            f"{_all(list(modules))}\n_MODULES = {json.dumps(modules, sort_keys=True)}\n{_ON_DEMAND}"
        )
    )


def _all(names: list[str]) -> str:
    return f"__all__ = [{', '.join(json.dumps(name) for name in sorted(names))}]\n"


def _formatted(code: str) -> str:
    """Drop unused imports, sort the others, and format the code, without the settings of the project."""
    settings = ["--isolated", "--config", f"line-length={_WIDTH}", "--config", "target-version='py311'"]
    for step in (["check", "--quiet", "--fix", "--select", "F401,I"], ["format", "--quiet"]):
        command = [find_ruff_bin(), *step, *settings, "--stdin-filename", "module.py", "-"]
        code = subprocess.run(command, input=code, capture_output=True, encoding="utf-8", check=True).stdout
    return code
