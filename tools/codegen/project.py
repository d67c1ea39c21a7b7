"""Writes the files that make the package `odyssey_models` a wheel: `pyproject.toml`, the README, the licence.

The templates are in `package/`. The version, the supported Pythons, and the lowest releases of dependencies are
those of the project itself, each decided in one place: `odyssey_proto/_version.py` and `pyproject.toml`.
"""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path

__all__ = ["copy_licence", "version", "write_project"]

_ROOT = Path(__file__).resolve().parents[2]
_TEMPLATES = Path(__file__).parent / "package"


def write_project(folder: Path) -> None:
    """Write the files into `folder`, which has the package as a subfolder."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    floors = {re.split(r"[^\w-]", one)[0]: one for one in project["project"]["dependencies"]}
    texts = {
        "build": ", ".join(f'"{one}"' for one in project["build-system"]["requires"]),
        "version": version(),
        "python": project["project"]["requires-python"],
        "classifiers": "\n".join(
            f'    "{one}",' for one in project["project"]["classifiers"] if "Video" not in one
        ),
        "attrs": floors["attrs"],
        "cattrs": floors["cattrs"],
    }
    template = string.Template((_TEMPLATES / "pyproject.toml.in").read_text("utf-8"))
    (folder / "pyproject.toml").write_text(template.substitute(texts), "utf-8", newline="\n")
    (folder / "README.md").write_text((_TEMPLATES / "README.md").read_text("utf-8"), "utf-8", newline="\n")
    copy_licence(folder)


def copy_licence(folder: Path) -> None:
    """Write the licence into a folder that becomes a package."""
    (folder / "LICENSE").write_text((_ROOT / "LICENSE").read_text("utf-8"), "utf-8", newline="\n")


def version() -> str:
    """Return the version of the project, which is also that of its packages of models."""
    text = (_ROOT / "odyssey_proto" / "_version.py").read_text("utf-8")
    found = re.search(r'^__version__\b.*= "(.+)"$', text, re.MULTILINE)
    assert found, "odyssey_proto/_version.py has no version"
    return found[1]
