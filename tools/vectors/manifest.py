"""The manifest of ``spec/vectors``: its files, the subject of each, and the levels at which it counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tools.vectors.mutations import UNKNOWN_FIELD, definition, served

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LEVELS", "VERSION", "manifest"]

VERSION: Final = "1.0.0"
"""The version of the vectors. The first number rises if a program that reads them must change, the second with
every case that may change a score, the third with all other changes."""

LEVELS: Final = {
    "schema": "A reader that validates: it accepts what fits the schema, and nothing else.",
    "tolerant": "A reader of what the service sends, with the values and the tolerance of spec/README.md.",
    "canonical": "What was read is written back as `written`, or as `data` if the case has no `written`.",
    "session": "The decisions of a session: which messages a client sends, and how its calls end.",
}
_RESERVED: Final = UNKNOWN_FIELD.rpartition("-")[0] + "-"
_SERVER_READS: Final = ("SignalingClientMessage", "DataChannelClientMessage")


def manifest(folder: Path) -> str:
    """Return the manifest of the vectors in ``folder``, as JSON text with one line for each file."""
    head = {"version": VERSION, "reserved_prefix": _RESERVED, "levels": LEVELS}
    entries = [
        json.dumps(_entry(path, path.relative_to(folder).as_posix()), ensure_ascii=False)
        for path in sorted(folder.glob("*/*.json"))
    ]
    text = json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}")
    return text + ',\n  "files": [\n    ' + ",\n    ".join(entries) + "\n  ]\n}\n"


def _entry(path: Path, name: str) -> dict[str, Any]:
    content = json.loads(path.read_text("utf-8"))
    kind = name.partition("/")[0]
    entry: dict[str, Any] = {"path": name, "cases": len(content["cases"])}
    if kind == "transcripts":
        return {**entry, "levels": ["session"]}
    by_service = _sent_by_service(content["schema"].rpartition("/")[2])
    levels = {
        "valid": ["schema", "tolerant", "canonical"],
        "invalid": ["schema", "tolerant", "canonical"] if by_service else ["schema"],
        "tolerant": ["tolerant", "canonical"],
        "requests": ["schema"],
    }[kind]
    return {
        **entry,
        "schema": content["schema"],
        "sender": "service" if by_service else "client",
        "levels": levels,
    }


def _sent_by_service(name: str) -> bool:
    """Return whether clients read the definition `name`, even if they also send it."""
    if "properties" in definition(name):
        return name in served()
    return name not in _SERVER_READS
