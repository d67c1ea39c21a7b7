"""Install the built wheel alone, in a new environment, and use it there.

    python -m tools.wheel_check dist

It proves that the wheel has everything that it needs (both packages, their type markers, the dependencies), that
importing it stays cheap, and that an absent extra is named.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

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
with odyssey_proto.Odyssey("ody_x", api_url="http://127.0.0.1:9") as client:
    try:
        client.connect(timeout=20)
    except odyssey_proto.OdysseyConnectionError as refused:
        print("a client without a service says:", refused)
print("odyssey-proto", odyssey_proto.__version__, "works from its wheel")
"""


def main(dist: Path) -> None:
    """Check the one wheel in ``dist``; raises where something is missing."""
    (wheel,) = dist.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
        # -I and another folder: the wheel is imported, never the sources beside it.
        subprocess.run([python, "-I", "-c", _CHECKS], check=True, cwd=folder)
        subprocess.run([Path(folder, "bin", "odyssey-proto"), "--version"], check=True, cwd=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
