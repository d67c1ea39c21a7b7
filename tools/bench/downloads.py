"""The downloads that `rest` compares, as a script: each run has a fresh interpreter.

    python -m tools.bench.downloads {ours|plain} URL FOLDER

It fetches a small file, then the video of `tools.bench.service`, and prints one line of JSON: ``{"grown_mb",
"seconds"}``, the growth of the peak memory during the second download, in MB, and its duration, in s. The plain
client streams the answer with requests and writes it to a file in pieces.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 256 * 1024


def peak_mb() -> float:
    """Return the peak memory of this process, in MB."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())  # ru_maxrss would include the parent's
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def ours(url: str, folder: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the two downloads of this library."""
    from odyssey_proto import Odyssey

    client = Odyssey("ody_bench", api_url=url)
    return (
        lambda: client.download_recording("s-1", folder, ["events"]),
        lambda: client.download_recording("s-1", folder, ["video"]),
    )


def plain(url: str, folder: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the two downloads with requests."""
    import requests

    def download(name: str) -> None:
        with (
            requests.get(f"{url}/{name}", stream=True, timeout=30) as answer,
            (folder / name).open("wb") as file,
        ):
            for piece in answer.iter_content(_PIECE):
                file.write(piece)

    return lambda: download("events"), lambda: download("video")


if __name__ == "__main__":
    small, large = {"ours": ours, "plain": plain}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    small()
    before, began = peak_mb(), time.perf_counter()
    large()
    print(json.dumps({"grown_mb": peak_mb() - before, "seconds": time.perf_counter() - began}))
