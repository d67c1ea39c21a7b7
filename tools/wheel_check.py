"""Installs each built wheel alone in a new environment, and uses it there.

    python -m tools.wheel_check dist

It checks that the wheel of `odyssey-proto` is complete (both packages, their type markers, the dependencies), that
importing it is cheap, and that the error for a missing extra names it. The wheel of `odyssey-models` must need
only attrs, and convert with its extra; its files must equal those in the other wheel. Before that, it checks the
contents of the wheels and the sdists, that a package index would accept their metadata, and that no link of their
descriptions needs the repository.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[1]
_SDIST: Final = frozenset({"pyproject.toml", "PKG-INFO", "LICENSE", ".gitignore"})
_IN_WHEEL: Final = {
    "odyssey_proto": frozenset({"odyssey_proto", "odyssey_models"}),
    "odyssey_models": frozenset({"odyssey_models"}),
}
_IN_SDIST: Final = {
    "odyssey_proto": _SDIST | {"odyssey_proto", "generated", "spec", "tools", "tests", "Makefile"},
    "odyssey_models": _SDIST | {"odyssey_models"},
}
_RELATIVE: Final = re.compile(r"\]\((?!https?:|#)[^)]*\)")
_CODE: Final = frozenset({".py", ".typed"})
_DOCUMENTS: Final = {  # the folders of the wheel, and the folders of the project that they copy
    "odyssey_proto/_spec": "spec",
    "odyssey_proto/_bundles/schema": "generated/schema",
    "odyssey_proto/_bundles/openapi": "generated/openapi",
    "odyssey_proto/_bundles/asyncapi": "generated/asyncapi",
}

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
    from odyssey_proto.emulator import Emulator
except odyssey_proto.MissingExtraError as missing:
    assert "odyssey-proto[emulator]" in str(missing), missing
else:
    raise AssertionError("the emulator loads without its extra")
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


_MODELS_ALONE: Final = """
import sys
from importlib import metadata, resources

names = {one.metadata["Name"] for one in metadata.distributions()} - {"pip", "setuptools"}
assert names == {"odyssey-models", "attrs"}, f"installed beside it: {names}"
import odyssey_models
assert resources.files(odyssey_models).joinpath("py.typed").is_file(), "odyssey_models has no py.typed"
for name in odyssey_models.__all__:
    getattr(odyssey_models, name)
assert odyssey_models.IceCandidate(candidate="").to_dict()["sdpMid"] is None
try:
    odyssey_models.converter()
except ImportError as missing:
    assert "odyssey-models[cattrs]" in str(missing), missing
else:
    raise AssertionError("there is a converter without cattrs")
print("odyssey-models", metadata.version("odyssey-models"), "works from its wheel, with attrs only")
"""

_CONVERTER: Final = """
import odyssey_models

one = odyssey_models.converter()
data = {"type": "ice_candidate", "candidate": "", "sdpMid": "0", "sdpMLineIndex": None}
candidate = one.structure(data, odyssey_models.SIGNALING_FROM_SERVER["ice_candidate"])
assert one.unstructure(candidate) == data
print("its converter works with the extra")
"""


def main(dist: Path) -> None:
    """Check the wheels and sdists of both projects in ``dist``; raise if something is wrong."""
    proto, models = (_built(dist, name) for name in _IN_WHEEL)
    with zipfile.ZipFile(proto) as larger, zipfile.ZipFile(models) as smaller:
        odd = [
            name
            for name in {*larger.namelist(), *smaller.namelist()}
            if name.startswith("odyssey_models/")
            and (
                name not in larger.namelist()
                or name not in smaller.namelist()
                or larger.read(name) != smaller.read(name)
            )
        ]
    assert not odd, f"not the same in both wheels: {', '.join(sorted(odd))}"
    with tempfile.TemporaryDirectory() as folder:
        python = _environment(folder, proto)
        _run(python, _CHECKS)
        subprocess.run([python.with_name("odyssey-proto"), "--version"], check=True, cwd=folder)
        _install(python, f"{proto}[cli]")
        subprocess.run([python.with_name("odyssey-proto"), "spec", "--out", "protocol"], check=True, cwd=folder)
    with tempfile.TemporaryDirectory() as folder:
        python = _environment(folder, models)
        _run(python, _MODELS_ALONE)
        _install(python, f"{models}[cattrs]")
        _run(python, _CONVERTER)


def _built(dist: Path, name: str) -> Path:
    """Check the wheel and the sdist of one project, and return the wheel."""
    (wheel,) = dist.glob(f"{name}-*.whl")
    (sdist,) = dist.glob(f"{name}-*.tar.gz")
    _check_contents(name, wheel, sdist)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], check=True)
    return wheel.resolve()


def _environment(folder: str, wheel: Path) -> Path:
    """Install a wheel into a new environment, and return the Python there."""
    venv.create(folder)
    python = Path(folder, "Scripts" if os.name == "nt" else "bin") / "python"
    _install(python, str(wheel))
    return python


def _install(python: Path, what: str) -> None:
    # uv takes a tenth of pip's time; pip does it if there is no uv, or if uv fails: it may not find the index.
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), what]
    if importlib.util.find_spec("uv") is None or subprocess.run(uv, check=False).returncode:
        subprocess.run([python, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([python, "-m", "pip", "install", "--quiet", what], check=True)


def _run(python: Path, code: str) -> None:
    # -I and another folder, so that Python imports the wheel and never the sources.
    subprocess.run([python, "-I", "-c", code], check=True, cwd=python.parent)


def _check_contents(name: str, wheel: Path, sdist: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = [PurePosixPath(file) for file in archive.namelist()]
        text = archive.read(next(str(file) for file in files if file.match("*.dist-info/METADATA"))).decode()
    odd = [
        str(file)
        for file in files
        if not (file.parts[0] in _IN_WHEEL[name] and file.suffix in _CODE)
        and not any(file.is_relative_to(folder) for folder in _DOCUMENTS)
        and not file.parts[0].endswith(".dist-info")
    ]
    assert not odd, f"{wheel.name} has {', '.join(odd)}"
    lost = _RELATIVE.findall(text)
    assert not lost, f"the description of {wheel.name} has links that lead nowhere on a package index: {lost}"
    if name == "odyssey_proto":
        _check_documents(wheel, files)
    assert any(file.match("*.dist-info/licenses/LICENSE") for file in files), f"{wheel.name} has no licence"
    with tarfile.open(sdist) as archive:
        tops = {PurePosixPath(file).parts[1] for file in archive.getnames() if "/" in file}
    odd = sorted(top for top in tops - _IN_SDIST[name] if not top.endswith(".md"))
    assert not odd, f"{sdist.name} has {', '.join(odd)}"


def _check_documents(wheel: Path, files: list[PurePosixPath]) -> None:
    for folder, source in _DOCUMENTS.items():
        shipped = {file.relative_to(folder) for file in files if file.is_relative_to(folder)}
        paths = [path for path in (_ROOT / source).rglob("*") if path.is_file()]
        wanted = {PurePosixPath(path.relative_to(_ROOT / source)) for path in paths}
        odd = sorted(map(str, shipped ^ wanted))
        assert shipped == wanted, f"{wheel.name} has other documents than {source}/: {odd}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
