"""``odyssey-proto capture`` against an emulator: what it writes, prints and returns."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import Odyssey
from odyssey_proto.cli import main
from odyssey_proto.emulator import Emulator, Fault
from tests.support.cassettes import messages_in, records_in
from tests.support.processes import PATIENCE_S, eventually
from tests.support.systems import NEEDS_DEV_FULL

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(record=False, size=(512, 64)) as running:
        monkeypatch.setenv("ODYSSEY_API_URL", running.api_url)
        monkeypatch.setenv("ODYSSEY_API_KEY", running.api_key)
        monkeypatch.chdir(tmp_path)
        yield running


def test_a_prompt_becomes_a_cassette(service: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capture", "A cat", "--at", "0.2s", "It rains", "--seconds", "0.6", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    path = Path(told["path"])
    assert path == Path("a-cat.cast")
    frames = [head for head, _ in records_in(path) if head["kind"] == "frame"]
    assert (told["frames"], told["dropped"], told["bytes"]) == (len(frames), 0, path.stat().st_size)
    assert [prompt["prompt"] for prompt in told["prompts"]] == ["It rains"]
    kinds = [message["type"] for message in messages_in(path, "client", "clientToStreamer")]
    assert kinds == ["interactive_stream_start", "update", "interactive_stream_end"]
    with (
        Emulator(replay=path, pace=math.inf) as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url) as client,
        client.connect(timeout=PATIENCE_S) as session,
    ):
        assert session.start_stream("A cat") == told["stream_id"]

    assert main(["capture", "A cat", "--seconds", "0.1", "--broadcast"]) == 0  # no file is replaced
    printed = capsys.readouterr()
    assert printed.out.startswith("a-cat-2.cast: ")
    assert re.match(
        rf"watch it: ODYSSEY_SPECTATOR_TOKEN=\S+ odyssey-proto watch {service.api_url}/live/", printed.err
    )


def test_ctrl_c_ends_it_and_the_file_is_complete(service: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        eventually(lambda: service.prompts == ("A cat", "It rains"))
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    assert main(["capture", "A cat", "--at", "0.2s", "It rains", "--seconds", "600"]) == 130
    interrupting.join()
    printed = capsys.readouterr()
    assert re.fullmatch(r"a-cat\.cast: [1-9]\d* pictures, 0\.\d MB\n", printed.out)
    assert printed.err == "odyssey-proto: interrupted\n"
    assert records_in(Path("a-cat.cast"))[-1][0]["kind"] == "end"


def test_the_end_of_a_stream_by_the_service_is_said(service: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("capture", "stream"):
        service.faults.add(Fault(step="stream update", action="send", text='{"type": "stream_ended"}'))
        # `stream_ended` may be the only answer to the update, which then fails.
        assert main([command, "A cat", "--at", "0", "It rains", "--seconds", "600"]) in (0, 6)
    printed = capsys.readouterr()
    assert printed.err.splitlines().count("the service has ended the stream") == 2
    assert re.fullmatch(r"a-cat\.cast: .*\na-cat\.mp4: .*\n", printed.out)


@pytest.mark.usefixtures("signaling_comes_first")
def test_what_ends_or_refuses_a_stream_is_an_error_and_the_file_is_named(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    service.faults.add(Fault(step="media", action="error", reason="duration_limit_reached", after=5))
    assert main(["capture", "A cat", "--seconds", "600"]) == 4
    arguments = ["--at", "0", "something forbidden", "--at", "0.1", "It rains", "--seconds", "0.3"]
    assert main(["capture", "A cat", "--json", *arguments]) == 6
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("a-cat.cast: ")
    forbidden, rains = json.loads(second)["prompts"]
    assert (forbidden["applied_prompt"], forbidden["error"]["code"]) == (None, "moderation")
    assert (rains["prompt"], rains["error"]) == ("It rains", None)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "Say what to stream"),
        (["A cat", "--at", "20s", "It rains"], "20 s is not within the 10 s"),
        (["A cat", "--out", "-"], "a cassette is a file"),
        (["A cat", "--out", "a.MP4"], "a.MP4 would be a cassette, which no player plays: let it end in .cast"),
        (["A cat", "--out", "none/a.cast"], "its folder does not exist"),
        (["A cat", "--out", "there.cast"], "--force replaces it"),
    ],
)
def test_what_cannot_be_written_is_not_begun(
    service: Emulator, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    Path("there.cast").write_text("mine")
    assert main(["capture", *arguments]) == 2
    assert why in " ".join(capsys.readouterr().err.split())
    assert service.requests == ()
    assert Path("there.cast").read_text() == "mine"


def test_a_refused_stream_leaves_a_cassette_of_its_refusal(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    service.faults.add(Fault(step="stream start", action="stream_error", reason="moderation"))
    assert main(["capture", "A cat", "--out", "no.cast"]) == 6
    assert "moderation" in capsys.readouterr().err
    assert messages_in(Path("no.cast"), "service", "streamerToClient")[0]["reason"] == "moderation"


@NEEDS_DEV_FULL
@pytest.mark.parametrize(("command", "option"), [("capture", "--out"), ("stream", "--raw")])
@pytest.mark.usefixtures("service")
def test_a_full_disk_is_named_and_is_no_wrong_argument(
    capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    assert main([command, "A cat", "--seconds", "1", option, "/dev/full"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "odyssey-proto: /dev/full: No space left on device"
