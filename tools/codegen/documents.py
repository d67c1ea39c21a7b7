"""Reads the envelopes of `spec/` and writes documents as YAML and JSON, the same bytes everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tools.codegen.marked import Document, load

if TYPE_CHECKING:
    from pathlib import Path

    from tools.codegen.sources import Schema

__all__ = ["as_json", "as_yaml", "inward", "read_envelope", "write_text"]

HEADER = "# Made from spec/ by `python -m tools.codegen`. Do not edit.\n"
_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Writes every value in full, without anchors, and text of several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, indentless=False)


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value and "\r" not in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def read_envelope(path: Path) -> Document:
    """Return the document at `path`, which `sources.read` has checked, with its line numbers."""
    return Document(load(path, f"{path.parent.name}/{path.name}"))


def as_yaml(document: Schema) -> str:
    """Return the document as YAML that readers of YAML 1.1 and 1.2 understand alike."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return HEADER + text


def as_json(document: Schema) -> str:
    """Return the document as JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text file, the same bytes on every system, and its folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8", newline="\n")


def inward(node: Any, prefix: str) -> Any:
    """Return `node` with its references to `schemas/` leading to components below `prefix` instead."""
    if isinstance(node, list):
        return [inward(value, prefix) for value in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"{prefix}{value.rpartition('/')[2]}"
        if key == "$ref" and isinstance(value, str) and value.startswith("schemas/")
        else inward(value, prefix)
        for key, value in node.items()
    }
