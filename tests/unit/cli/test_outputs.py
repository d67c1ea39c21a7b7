"""Outputs for pictures: those that are refused before anything is sent, and what the others write."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pytest
from PIL import Image

from odyssey_proto import OdysseyConfigError, VideoFrame
from odyssey_proto.cli import main
from odyssey_proto.cli._outputs import Outputs
from tests.support.forked import in_child
from tests.support.systems import NEEDS_FORK

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    return


def outputs(**options: Any) -> Outputs:
    usual: dict[str, Any] = {
        "out": None,
        "is_replacing": False,
        "frames": None,
        "every": 1,
        "frame_format": "png",
        "raw": None,
        "show": False,
        "opens_browser": False,
        "seconds": 1,
        "as_json": False,
    }
    return Outputs(**(usual | options))


def pictures(count: int, size: tuple[int, int] = (64, 32)) -> list[VideoFrame]:
    width, height = size
    return [VideoFrame.from_ndarray(np.full((height, width, 3), 10 * n, np.uint8)) for n in range(count)]


def test_a_new_file_is_named_if_there_is_no_other_output() -> None:
    Path("cat.mp4").write_text("kept")
    for wanted, out in (
        ({}, Path("cat-2.mp4")),
        ({"is_replacing": True}, Path("cat.mp4")),
        ({"show": True}, None),
        ({"frames": Path("f")}, None),
        ({"raw": Path("r")}, None),
        ({"raw": Path("r"), "out": Path("o.mp4")}, Path("o.mp4")),
    ):
        asked = outputs(**wanted)  # type: ignore[arg-type]
        asked.prepare("cat")
        assert asked.out == out


@pytest.mark.parametrize("option", ["out", "raw"])
def test_no_file_is_replaced_unless_that_is_wanted(option: str) -> None:
    Path("cat.mp4").write_text("kept")
    with pytest.raises(click.BadParameter, match=r"cat\.mp4 exists; --force replaces it"):
        outputs(**{option: Path("cat.mp4")}).prepare("x")
    outputs(**{option: Path("cat.mp4")}, is_replacing=True).prepare("x")
    with pytest.raises(OdysseyConfigError, match="its folder does not exist"):
        outputs(**{option: Path("nowhere/cat.mp4")}).prepare("x")


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder to which only root may write, with a file that is read-only, too, and one that is writable."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, mode in (("closed.mp4", 0o444), ("open.mp4", 0o666)):
            (folder / file).touch()
            (folder / file).chmod(mode)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


@NEEDS_FORK
def test_what_this_user_may_not_write_is_refused_before_anything_is_sent(closed: Path) -> None:
    def checked(**wanted: Path) -> str:
        def check() -> None:
            if not os.geteuid():
                os.setresuid(65534, 65534, 65534)
            outputs(**wanted, is_replacing=True).prepare("x")

        return in_child(check)

    assert checked(out=closed / "open.mp4") == "None"
    for name in ("new.mp4", "closed.mp4"):
        assert f"{name} cannot be written: no permission" in checked(out=closed / name)
    assert "new cannot be written to: no permission" in checked(frames=closed / "new")


def test_pictures_are_not_mixed_with_earlier_ones() -> None:
    folder = Path("pictures")
    folder.mkdir()
    for name in ("frame-000007.jpg", "mine.png", "frame-7.png"):
        (folder / name).write_text("")
    with pytest.raises(click.BadParameter, match="pictures has pictures already; --force replaces them"):
        outputs(frames=folder).prepare("x")
    asked = outputs(frames=folder, is_replacing=True)
    asked.prepare("x")
    with asked.opened() as (sinks, _):
        sinks[0].put(pictures(1)[0])
    assert {path.name for path in folder.iterdir()} == {"frame-000001.png", "mine.png", "frame-7.png"}


@pytest.mark.parametrize(("wanted", "suffix", "kind"), [("png", "png", "PNG"), ("jpeg", "jpg", "JPEG")])
def test_every_nth_picture_is_saved(wanted: str, suffix: str, kind: str) -> None:
    with outputs(frames=Path("a/b"), every=3, frame_format=wanted).opened() as (sinks, page):
        for picture in pictures(7):
            sinks[0].put(picture)
    assert page is None
    saved = sorted(Path("a/b").iterdir())
    assert [path.name for path in saved] == [f"frame-00000{number}.{suffix}" for number in (1, 2, 3)]
    for path, level in zip(saved, (0, 30, 60), strict=True):
        with Image.open(path) as image:
            assert (image.format, image.size) == (kind, (64, 32))
            assert np.asarray(image).mean() == pytest.approx(level, abs=3)


def test_raw_pictures_have_the_size_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    with outputs(raw=Path("raw.rgb")).opened() as (sinks, _):
        for picture in (*pictures(2), *pictures(1, (32, 32))):
            sinks[0].put(picture)
    content = np.frombuffer(Path("raw.rgb").read_bytes(), np.uint8).reshape(3, 32, 64, 3)
    assert content.mean(axis=(1, 2, 3)) == pytest.approx([0, 10, 0], abs=3)
    assert "-pix_fmt rgb24 -video_size 64x32" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--raw", "-", "--json"], "--raw - needs stdout for the pictures; leave out --json."),
        (["--out", "-"], "An MP4 file cannot be written to a pipe; --raw - sends pictures to stdout."),
        (["--out", "cat.gif"], "cat.gif must be an MP4 file: use a name that ends in .mp4."),
        (["--every", "2"], "--every applies only with --frames DIR."),
        (["--frame-format", "png"], "--frame-format applies only with --frames DIR."),
        (["--every", "0", "--frames", "x"], "Invalid value for '--every'"),
        (["--frame-format", "gif", "--frames", "x"], "Invalid value for '--frame-format'"),
        (["--seconds", "soon"], "from 0.1 to 86400, not 'soon'"),
        (["--at", "3s"], "Option '--at' requires 2 arguments"),
        (["--at", "soon", "It rains"], "from 0 to 86400, not 'soon'"),
        (["--at", "10", "It rains"], "10 s is not within the 10 s of the stream; see --seconds."),
        (["--image", "nowhere.png"], "'nowhere.png' does not exist"),
        (["--emulator", "--api-url", "http://x"], "leave out --api-url"),
        (["--timeout", "0"], "a number of seconds from 0.1 to 86400, not '0'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stream", "A cat", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert why in printed.err
    assert list(Path().iterdir()) == []


def test_raw_pictures_are_not_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(click.UsageError, match="pipe it into a program"):
        outputs(raw=Path("-")).prepare("x")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "Say which broadcast: odyssey-proto watch URL, or --emulator."),
        (["http://x"], "The token is missing: set ODYSSEY_SPECTATOR_TOKEN, or use --token-file."),
        (["http://x", "token", "--token-file", "x"], "Give the token once"),
        (["http://x", "--token-file", "nowhere"], "--token-file: nowhere cannot be read"),
        (["--emulator", "http://x"], "--emulator makes a broadcast of its own"),
        (["--emulator", "--hls-url", "http://x"], "--emulator makes a broadcast of its own"),
    ],
)
def test_a_broadcast_needs_an_address_and_a_token(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODYSSEY_SPECTATOR_TOKEN", raising=False)
    assert main(["watch", *arguments]) == 2
    assert why in capsys.readouterr().err


def test_a_stream_needs_a_prompt_or_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    for prompt in ([], [" "]):
        assert main(["stream", *prompt]) == 2
        assert "Say what to stream" in capsys.readouterr().err
