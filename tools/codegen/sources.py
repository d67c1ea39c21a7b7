"""Reads `spec/` and checks it against the project's rules, which are narrower than JSON Schema.

All faults are reported at once, each with its file and line: content that the generators could not honour is an
error, and never silently dropped. The rules are in `tools.codegen.rules`, `envelopes` and `keywords`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.codegen.marked import Document, Schema, SpecError, definitions, load, split_reference

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Schema", "SpecError", "definitions", "read", "split_reference"]


def read(folder: Path) -> dict[str, Schema]:
    """Return the schema files of `folder` by name, in a fixed order; check them and the documents around them.

    Each is a `Document`, so that later faults have their lines, too.

    Raises `SpecError` with all faults found: keywords that the generators do not support, names that code cannot
    have, dangling references, examples that do not fit, messages without a channel.
    """
    from tools.codegen import envelopes, rules, shapes  # here: `envelopes` needs `directions`, which imports this

    spec = folder.parent
    schemas = {
        path.name: load(path, f"{spec.name}/{folder.name}/{path.name}") for path in sorted(folder.glob("*.yaml"))
    }
    around = {name: load(spec / name, f"{spec.name}/{name}") for name in shapes.SHAPES}
    every = [*schemas.values(), *around.values()]
    found = [fault for marked in every for fault in marked.faults]
    shapeless = [one for one in schemas.values() if one.data and not isinstance(one.data.get("$defs"), dict)]
    found += [one.fault((), "no definitions under `$defs`") for one in shapeless]
    if shapeless or any(one.data is None for one in every):
        raise SpecError(found)  # unreadable documents cannot be checked further
    found += rules.faults(schemas)
    bent = [fault for name, marked in around.items() for fault in shapes.misshapen(name, marked)]
    found += bent or envelopes.faults(around, schemas)
    if found:
        raise SpecError(found)
    return {file: Document(marked) for file, marked in schemas.items()}
