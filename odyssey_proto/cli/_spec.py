"""``odyssey-proto spec``: its arguments, and the list. `_definitions` takes one definition out of the bundle."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["command"]

_BUNDLE = "odyssey.schema.json"
_LEFT_OUT = ("vectors",)  # more than 150 files, which only --out writes


@click.command
@click.argument("name", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="PATH",
    help="Write it to this file; without a NAME, write everything into this folder.",
)
@click.option("--alone", is_flag=True, help="The definition without those that it refers to.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@json_option
def command(name: str | None, out: Path | None, alone: bool, force: bool, as_json: bool) -> int:
    """Print or write the protocol: its schemas, its bundles, one definition.

    \b
      odyssey-proto spec                            lists what there is
      odyssey-proto spec SimulationJobDetail        a JSON Schema of it, with all that it refers to
      odyssey-proto spec openapi.yaml               a document, or a bundle: odyssey.openapi.json
      odyssey-proto spec --out protocol             writes all documents, bundles and vectors

    The bundles have all definitions in one file, for generators and validators.
    """
    from .._base.shipped import bundles, spec_folder
    from . import _files, _output
    from ._definitions import bundled, definition

    folder = spec_folder()
    if name is None:
        if alone:
            raise click.UsageError("--alone is for one definition: name it.")
        if out is None:
            return _list(folder, as_json=as_json)
        return _write_all(folder, bundles(), out, force=force, as_json=as_json)
    documents = _documents(folder) | bundles()
    definitions = bundled(bundles()[_BUNDLE])
    if name in documents:
        if alone:
            raise click.UsageError("--alone is for one definition, not for a document.")
        text = documents[name].read_text("utf-8")
        if as_json:
            text = json.dumps(json.loads(text) if name.endswith(".json") else {"name": name, "text": text}) + "\n"
        return _put(text, out, force=force)
    if name not in definitions:
        close = difflib.get_close_matches(name, [*definitions, *documents], n=3, cutoff=0.5)
        raise click.BadParameter(
            f"there is no {name!r}"
            + (f"; did you mean {' or '.join(close)}?" if close else "; see odyssey-proto spec"),
            param_hint="'NAME'",
        )
    schema = definition(definitions, name, alone=alone)
    # ASCII for a stdout that cannot show every letter. With --json, one line, for programs that read lines.
    is_ascii = (out is None or _files.is_stdout(out)) and not _output.takes_any_text()
    text = json.dumps(schema, ensure_ascii=is_ascii, indent=None if as_json else 2)
    return _put(text + "\n", out, force=force)


def _documents(folder: Path) -> dict[str, Path]:
    """Return the documents of ``spec/`` by their names there, without the vectors."""
    paths = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name.as_posix(): path for name, path in paths.items() if name.parts[0] not in _LEFT_OUT}


def _list(folder: Path, *, as_json: bool) -> int:
    from .._base.shipped import bundles
    from . import _output
    from ._definitions import bundled, summary

    version = (folder / "VERSION").read_text("utf-8").strip()
    definitions = {name: summary(schema) for name, schema in bundled(bundles()[_BUNDLE]).items()}
    if as_json:
        listed = {"documents": list(_documents(folder)), "bundles": list(bundles()), "definitions": definitions}
        _output.print_json({"version": version, **listed})
        return 0
    rows = [("document", name, "") for name in _documents(folder)]
    rows += [("bundle", name, "") for name in bundles()]
    rows += [("definition", name, text) for name, text in definitions.items()]
    _output.print_table(("kind", "name", "what it is"), rows)
    _output.note(f"protocol {version}; print one with: odyssey-proto spec NAME")
    return 0


def _put(text: str, out: Path | None, *, force: bool) -> int:
    from . import _files

    if out is None or _files.is_stdout(out):
        sys.stdout.write(text)
        return 0
    _files.expect_new(out, "--out", is_replacing=force)
    _files.expect_writable(out)
    _files.write(out, text)
    print(out)
    return 0


def _write_all(folder: Path, bundled: Mapping[str, Path], out: Path, *, force: bool, as_json: bool) -> int:
    from . import _files, _output

    if str(out) == "-":
        raise click.BadParameter("name a folder, or one document to print.", param_hint="'--out'")
    _files.expect_folder(out)
    if out.is_dir() and any(out.iterdir()) and not force:
        raise click.BadParameter(f"{out} is not empty; --force replaces files in it.", param_hint="'--out'")
    sources = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    sources |= {Path("bundles", name): path for name, path in bundled.items()}
    for name, path in sources.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with _files.naming(out / name):
            (out / name).write_bytes(path.read_bytes())
    count = sum(path.is_file() for path in out.rglob("*"))
    if as_json:
        _output.print_json({"folder": str(out), "files": count})
    else:
        print(f"{out}: {count} files")
    return 0
