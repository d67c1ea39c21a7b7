"""The metadata hook of hatchling, which gives the wheel its description. See `description`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface  # pyright: ignore[reportMissingImports]

__all__ = ["Description"]


class Description(MetadataHookInterface):  # type: ignore[misc]  # only builds have hatchling
    """The hook, which hatchling calls for each build, in the folder of ``pyproject.toml``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the field ``readme``."""
        here = Path(__file__).parent  # not a package there: hatchling loads this file by its path
        make = runpy.run_path(str(here / "description.py"))["description"]
        text = make((Path(self.root) / "README.md").read_text("utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
