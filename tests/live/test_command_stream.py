"""``odyssey-proto stream`` and ``watch`` against an emulator: what they write, print and return."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

import attrs
import av
import numpy as np
import pytest
from PIL import Image

from odyssey_proto import Odyssey
from odyssey_proto.cli import main
from odyssey_proto.emulator import Emulator, Fault
from tests.support.processes import PATIENCE_S, PATIENT, eventually, sessions_are_free

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("command")  # one emulator for all

SIZE: Final = (512, 64)
KEY: Final = "ody_command"
COMMAND: Final = [sys.executable, "-m", "odyssey_proto"]
FRAME_S: Final = 0.05
GAPS: Final = {"gap"}
"""The types of further JSON lines, which appear if a busy machine makes no picture for a second."""


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator(record=False, size=SIZE) as running:
        yield running


@pytest.fixture(autouse=True)
def _at_the_service(service: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ODYSSEY_API_URL", service.api_url)
    monkeypatch.setenv("ODYSSEY_API_KEY", KEY)
    monkeypatch.delenv("ODYSSEY_SPECTATOR_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    service.faults.clear()


def film(path: str | Path) -> tuple[int, tuple[int, int], float]:
    """Return the number of pictures of a video, their size, and its length in s."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert container.duration is not None
        return len(frames), (frames[0].width, frames[0].height), container.duration / 1e6


def strike_in_the_video(service: Emulator, fault: Fault) -> None:
    """Add a fault that strikes some time after the stream's first picture is in its file.

    Before that, an empty file exists for a moment: a recording first tries whether it can write it. The delay is
    for a busy machine, which may write the picture before it reads that the stream has started.
    """

    def has_a_picture() -> bool:
        with contextlib.suppress(FileNotFoundError):
            return Path("a-cat.mp4").stat().st_size > 0
        return False

    eventually(has_a_picture)
    service.faults.add(attrs.evolve(fault, after=40))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# --- files


def test_a_prompt_becomes_a_video(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "A cat on a hill", "--at", "0.2s", "It rains", "--seconds", "1"]) == 0
    printed = capsys.readouterr()
    count, size, seconds = film("a-cat-on-a-hill.mp4")
    assert size == SIZE
    assert seconds > 0.5  # and more on a busy machine, which paints pictures late
    assert printed.out.startswith(f"a-cat-on-a-hill.mp4: {count} frames of 512x64 in ")
    began, *others = printed.err.splitlines()
    assert began.startswith("stream id: stream-")
    (steered,) = [line for line in others if not line.startswith("the video resumes")]  # only on a busy machine
    assert re.match(r"at \d+\.\d s: It rains", steered)
    assert [path.name for path in Path().iterdir()] == ["a-cat-on-a-hill.mp4"]


def test_json_says_what_happens_and_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--json", "--portrait", "--at", "0", "Night", "--broadcast", "--out", "cat.mp4", "--seconds", "1"]
    assert main(["stream", "A cat", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    said = {line["type"]: line for line in lines(printed.out)}
    first, *between, last = said
    assert (first, sorted({*between} - GAPS), last) == ("started", ["broadcast", "prompt"], "result")
    assert {"webrtc_url", "spectator_token", "hls_url"} <= said["broadcast"].keys()
    assert said["prompt"]["prompt"] == "Night"
    result = said["result"]
    assert (result["width"], result["height"]) == (64, 512)
    assert (result["why"], result["error"], result["file"]) == ("length", None, "cat.mp4")
    assert result["stream_id"] == said["started"]["stream_id"]
    assert result["prompts"] == [{key: value for key, value in said["prompt"].items() if key != "type"}]
    assert result["frames"] == film("cat.mp4")[0]


def test_a_stream_begins_with_an_image_and_its_pictures_are_saved(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((64, 512, 3), (200, 30, 30), np.uint8)).save("red.png")
    arguments = ["--landscape", "--no-typing", "--frames", "f", "--every", "5", "--seconds", "1"]
    assert main(["stream", "--image", "red.png", *arguments]) == 0
    count, of_what = capsys.readouterr().out.split(maxsplit=1)
    first, *others = sorted(Path("f").iterdir())
    assert len(others) == (int(count) - 1) // 5
    with Image.open(first) as picture:
        assert (picture.format, picture.size) == ("PNG", SIZE)
        red, green, _ = np.asarray(picture)[40:].mean(axis=(0, 1))
        assert red > green + 30
    assert sorted(path.name for path in Path().iterdir()) == ["f", "red.png"]
    assert of_what.startswith("frames of 512x64 in ")


# --- pipes and terminals


def test_raw_pictures_go_to_stdout_and_nothing_else_does(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["stream", "A cat", "--raw", "-", "--seconds", "0.5"]) == 0
    printed = capsysbinary.readouterr()
    count, rest = divmod(len(printed.out), 512 * 64 * 3)
    assert (count > 0, rest) == (True, 0)
    assert f"{count} frames of 512x64 in ".encode() in printed.err


def test_a_pipe_whose_reader_leaves_ends_the_stream_and_keeps_the_file(
    service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", "ody_leaving")
    arguments = ["stream", "A cat", "--raw", "-", "--out", "cat.mp4", "--seconds", "600", "--debug"]
    command = [sys.executable, "-c", f"{PATIENT}import sys\nfrom odyssey_proto.cli import main\nsys.exit(main())"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(10 * 512 * 64 * 3)) == 10 * 512 * 64 * 3
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(PATIENCE_S) == 1
    assert "Traceback" not in said
    assert "POST /auth/token: 200" in said  # the log
    assert film("cat.mp4")[0] >= 10
    assert sessions_are_free(service.api_url, "ody_leaving")


def test_lines_that_are_typed_steer_and_a_signal_ends_it_with_a_complete_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())  # pytest's captures lose text while they are read
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())

    def said() -> list[dict[str, Any]]:
        return [line for line in lines(out.getvalue()) if line["type"] not in GAPS]

    def type_and_end() -> None:
        try:
            eventually(lambda: len(said()) == 1)
            os.write(write, b"It rains\nsomething forbidden\n")
            eventually(lambda: len(said()) == 3)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    typing = threading.Thread(target=type_and_end)
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        typing.start()
        assert main(["stream", "A cat", "--typing", "--json", "--out", "cat.mp4", "--seconds", "600"]) == 130
        typing.join()
        os.close(write)
        eventually(lambda: "odyssey-typing" not in {thread.name for thread in threading.enumerate()})
    assert err.getvalue() == "odyssey-proto: interrupted\n"
    started, rains, forbidden, result = said()
    assert started["type"] == "started"
    assert (rains["prompt"], rains["error"], rains["is_typed"]) == ("It rains", None, True)
    assert forbidden["error"]["code"] == "moderation"
    assert (result["type"], result["why"], len(result["prompts"])) == ("result", "interrupted", 2)
    assert film("cat.mp4")[0] == result["frames"]


def test_somebody_at_a_terminal_steers_and_ends_it_by_ctrl_c() -> None:
    child, terminal = pty.fork()
    if not child:
        arguments = ["stream", "A cat", "--show", "--no-browser", "--out", "cat.mp4"]
        os.execve(sys.executable, [*COMMAND, *arguments], os.environ | {"TERM": "xterm", "COLUMNS": "100"})
    shown = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(terminal, 65536):
                shown.extend(chunk)
        except OSError:  # Linux reports the end of a terminal in this way
            pass

    reader = threading.Thread(target=read)
    reader.start()
    eventually(lambda: b"press Enter to steer" in shown)
    os.write(terminal, b"It rains\n")
    eventually(lambda: b"s: It rains" in shown)
    os.write(terminal, b"\x03")
    reader.join(PATIENCE_S)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # nothing but Ctrl-C could end it
    assert b"cat.mp4: " in shown
    assert b"interrupted" not in shown
    assert film("cat.mp4")[0] > 0


# --- the page


def test_the_page_shows_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())

    def look_and_end() -> None:
        try:
            eventually(lambda: re.search(r"live picture: .*\n", err.getvalue()))
            url = err.getvalue().split("live picture: ")[1].split()[0]
            with urlopen(f"{url}video", timeout=PATIENCE_S) as pictures:
                seen.append(pictures.read(200).count(b"image/jpeg"))
                with urlopen(f"{url}state", timeout=PATIENCE_S) as state:
                    seen.append(json.load(state))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    looking = threading.Thread(target=look_and_end)
    looking.start()
    assert main(["stream", "A cat", "--show", "--no-browser", "--seconds", "600"]) == 130
    looking.join(PATIENCE_S)
    count, state = seen
    assert count >= 1
    assert state["text"].startswith("A cat")
    assert not state["over"]
    assert list(Path().iterdir()) == []


# --- what fails


def test_a_prompt_that_is_refused_is_an_error_and_leaves_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "something forbidden"]) == 6
    assert "moderation" in capsys.readouterr().err.splitlines()[-1]
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", ["stream", "capture"])
def test_an_image_that_cannot_be_used_is_refused_before_anything_is_sent(
    command: str, service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cat.png").write_text("no picture")
    before = len(service.requests)
    assert main([command, "--image", "cat.png"]) == 2
    assert "The image file 'cat.png' has an unknown format" in capsys.readouterr().err
    assert len(service.requests) == before
    assert [path.name for path in Path().iterdir()] == ["cat.png"]


def test_a_later_prompt_that_is_refused_is_an_error_after_the_whole_stream(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["stream", "A cat", "--at", "0", "forbidden", "--seconds", "0.5"]) == 6
    printed = capsys.readouterr()
    assert "a-cat.mp4: " in printed.out
    assert "not applied: moderation" in printed.err
    assert film("a-cat.mp4")[2] > 0.1


def test_a_connection_that_is_lost_at_the_end_is_no_matter(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    service.faults.add(Fault(step="stream end", action="drop"))
    assert main(["stream", "A cat", "--json", "--seconds", "0.5"]) == 0
    result = lines(capsys.readouterr().out)[-1]
    assert film("a-cat.mp4")[0] == result["frames"]
    assert not service.faults.pending


@pytest.mark.usefixtures("signaling_comes_first")
def test_a_stream_that_the_service_ends_is_an_error_and_its_file_is_complete(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = Fault(step="media", action="error", reason="duration_limit_reached")
    striking = threading.Thread(target=strike_in_the_video, args=(service, fault))
    striking.start()
    assert main(["stream", "A cat", "--json"]) == 4
    striking.join(PATIENCE_S)
    result = lines(capsys.readouterr().out)[-1]
    assert (result["why"], result["error"]["code"]) == ("error", "duration_limit_reached")
    assert film("a-cat.mp4")[0] == result["frames"]


def test_a_connection_that_is_lost_is_reported_and_the_stream_goes_on(
    service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())

    def end_after_the_loss() -> None:
        lost = "the connection was lost; reconnecting\n"
        try:
            strike_in_the_video(service, Fault(step="media", action="drop"))
            eventually(lambda: "the video resumes after " in err.getvalue().partition(lost)[2])
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end_after_the_loss)
    ending.start()
    assert main(["stream", "A cat", "--seconds", "600"]) == 130
    ending.join(PATIENCE_S)
    assert "the video resumes after " in err.getvalue()
    count, _, seconds = film("a-cat.mp4")
    assert count >= 2
    assert seconds > FRAME_S * count, "with the gap in it"


def test_a_key_that_is_refused_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("ody_invalid_1\n")
    assert main(["stream", "A cat", "--api-key-file", "key"]) == 3
    monkeypatch.delenv("ODYSSEY_API_KEY")
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["stream", "A cat"]) == 3
    assert "set ODYSSEY_API_KEY" in capsys.readouterr().err


def test_a_service_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "A cat", "--api-url", "http://127.0.0.1:9", "--timeout", "5"]) == 5
    assert capsys.readouterr().err.splitlines()[-1].startswith("odyssey-proto: ")


# --- broadcasts


@pytest.fixture
def broadcast(service: Emulator) -> Iterator[Any]:
    with Odyssey(KEY, api_url=service.api_url) as client, client.connect() as session:
        session.start_stream("A cat", portrait=False, broadcast=True)
        yield session.wait_for_broadcast()


def test_a_broadcast_is_watched(broadcast: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("token").write_text(broadcast.spectator_token)
    arguments = ["--token-file", "token", "--seconds", "0.5", "--frames", "f", "--frame-format", "jpeg"]
    arguments += ["--hls-url", broadcast.hls_url]
    assert main(["watch", broadcast.webrtc_url, *arguments, "--json"]) == 0
    assert lines(capsys.readouterr().out)[-1]["why"] == "length"
    assert {path.suffix for path in Path("f").iterdir()} == {".jpg"}


def test_a_broadcast_is_watched_with_a_token_of_the_environment(
    broadcast: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_SPECTATOR_TOKEN", broadcast.spectator_token)
    assert main(["watch", broadcast.webrtc_url, "--seconds", "0.5"]) == 0
    (path,) = Path().iterdir()
    assert capsys.readouterr().out.startswith(f"{path}: ")
    assert film(path)[1] == SIZE


@pytest.mark.parametrize(("place", "token", "status"), [("", "wrong", 3), ("-x", None, 7)])
def test_a_broadcast_that_cannot_be_watched_is_an_error(
    place: str, token: str | None, status: int, broadcast: Any
) -> None:
    assert main(["watch", broadcast.webrtc_url + place, token or broadcast.spectator_token]) == status
    assert list(Path().iterdir()) == []


# --- an emulator of its own


@pytest.mark.parametrize("arguments", [("stream", "A cat"), ("watch",)])
@pytest.mark.full_size
def test_with_an_emulator_of_its_own_nothing_else_is_needed(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_API_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("ODYSSEY_API_KEY")
    assert main([*arguments, "--emulator", "--seconds", "0.5", "--out", "out.mp4"]) == 0
    assert film("out.mp4")[1] == (1280, 704)
