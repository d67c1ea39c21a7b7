"""The beginning and the end of a demo; `tests/measured` checks the whole film."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from odyssey_proto.cli import main
from tests.support.films import difference, watch
from tests.support.processes import eventually, loaded_command

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def test_another_seed_is_another_world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def first_picture(*options: str) -> NDArray[np.uint8]:
        assert main(["demo", "--json", "--seconds", "1", "--out", str(tmp_path), *options]) == 0
        return watch(tmp_path / "demo.mp4", json.loads(capsys.readouterr().out)).pictures[0]

    assert difference(first_picture(), first_picture("--seed", "7")) > 5


@pytest.mark.parametrize(
    ("options", "number"), [((), signal.SIGINT), (("--json",), signal.SIGTERM), ((), signal.SIGHUP)]
)
def test_an_interrupt_leaves_what_was_recorded_so_far(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals
) -> None:
    video = tmp_path / "demo.mp4"
    with loaded_command("demo", "--seconds", "600", "--out", str(tmp_path), *options) as process:
        eventually(lambda: video.exists() and video.stat().st_size > 100_000)
        process.signal(number)
        assert process.ended() == 130
        assert process.stderr == "odyssey-proto: interrupted\n"
        assert process.rest() == []
    film = watch(video, {})
    assert len(film.pictures) > 10
    assert None not in film.stamps
