"""How a demo begins and ends. `tests/measured` has its film."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.films import difference, watch
from tests.support.processes import command, eventually

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def test_another_seed_is_another_world(tmp_path: Path) -> None:
    one, other = (first_picture(tmp_path, *options) for options in ((), ("--seed", "7")))
    assert difference(one, other) > 5


def first_picture(folder: Path, *options: str) -> NDArray[np.uint8]:
    with command("demo", "--json", "--seconds", "1", "--out", str(folder), *options) as process:
        assert process.ended() == 0, process.stderr
        return watch(folder / "demo.mp4", json.loads(process.line())).pictures[0]


@pytest.mark.parametrize(
    ("options", "number"), [((), signal.SIGINT), (("--json",), signal.SIGTERM), ((), signal.SIGHUP)]
)
def test_an_interrupt_leaves_what_was_recorded_so_far(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals
) -> None:
    video = tmp_path / "demo.mp4"
    with command("demo", "--seconds", "600", "--out", str(tmp_path), *options) as process:
        eventually(lambda: video.exists() and video.stat().st_size > 100_000)
        process.signal(number)
        assert process.ended() == 130
        assert process.stderr == "odyssey-proto: interrupted\n"
        assert process.rest() == []
    film = watch(video, {})
    assert len(film.pictures) > 10
    assert None not in film.stamps
