"""Installs the built wheel alone in a new environment, and uses it there.

    python -m tools.wheel_check dist

It checks that the wheel is complete (both packages, their type markers, the dependencies), that importing it is
cheap, and that the error for a missing extra names it. Before that, it checks the contents of the wheel and the
sdist, and that a package index would accept their metadata.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

_SPEC: Final = Path(__file__).resolve().parents[1] / "spec"
_IN_WHEEL: Final = frozenset({"odyssey_proto", "odyssey_models"})
_IN_SDIST: Final = frozenset(
    {
        *("odyssey_proto", "generated", "spec", "tools", "tests"),
        *("Makefile", "pyproject.toml", "PKG-INFO", "LICENSE", ".gitignore"),
    }
)
_CODE: Final = frozenset({".py", ".typed"})
_DOCUMENTS: Final = ("odyssey_proto", "_spec")  # the folder of the wheel that has ``spec/``

_CHECKS: Final = """
import sys
from importlib import resources

import odyssey_models
assert not {"cattrs", "requests", "aiortc"} & set(sys.modules), "odyssey_models loads more than attrs"
import odyssey_proto
assert not {"aiortc", "av", "numpy", "aiohttp", "PIL"} & set(sys.modules), "odyssey_proto loads the media stack"
for package in (odyssey_models, odyssey_proto):
    assert resources.files(package).joinpath("py.typed").is_file(), f"{package.__name__} has no py.typed"
try:
    import odyssey_proto.emulator
except odyssey_proto.MissingExtraError as missing:
    assert "odyssey-proto[emulator]" in str(missing), missing
else:
    raise AssertionError("the emulator imports without its extra")
try:
    import odyssey_proto.conformance
except odyssey_proto.MissingExtraError as missing:
    assert "odyssey-proto[conformance]" in str(missing), missing
else:
    raise AssertionError("the conformance kit imports without its extra")
with odyssey_proto.Odyssey("ody_x", api_url="http://127.0.0.1:9") as client:
    try:
        client.connect(timeout=20)
    except odyssey_proto.OdysseyConnectionError as refused:
        print("a client without a service says:", refused)
print("odyssey-proto", odyssey_proto.__version__, "works from its wheel")
"""


def main(dist: Path) -> None:
    """Check the only wheel in ``dist``; raise if something is wrong."""
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    _check_contents(wheel, sdist)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], check=True)
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        scripts = Path(folder, "Scripts" if os.name == "nt" else "bin")
        python = scripts / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
        # -I and another folder, so that Python imports the wheel and never the sources.
        subprocess.run([python, "-I", "-c", _CHECKS], check=True, cwd=folder)
        subprocess.run([scripts / "odyssey-proto", "--version"], check=True, cwd=folder)


def _check_contents(wheel: Path, sdist: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = [PurePosixPath(name) for name in archive.namelist()]
    odd = [
        str(file)
        for file in files
        if not (file.parts[0] in _IN_WHEEL and file.suffix in _CODE)
        and file.parts[:2] != _DOCUMENTS
        and not file.parts[0].endswith(".dist-info")
    ]
    assert not odd, f"{wheel.name} has {', '.join(odd)}"
    shipped = {PurePosixPath(*file.parts[2:]) for file in files if file.parts[:2] == _DOCUMENTS}
    wanted = {PurePosixPath(path.relative_to(_SPEC)) for path in _SPEC.rglob("*") if path.is_file()}
    assert shipped == wanted, f"{wheel.name} has other documents than spec/: {sorted(map(str, shipped ^ wanted))}"
    assert any(file.match("*.dist-info/licenses/LICENSE") for file in files), f"{wheel.name} has no licence"
    with tarfile.open(sdist) as archive:
        tops = {PurePosixPath(name).parts[1] for name in archive.getnames() if "/" in name}
    odd = sorted(top for top in tops - _IN_SDIST if not top.endswith(".md"))
    assert not odd, f"{sdist.name} has {', '.join(odd)}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
