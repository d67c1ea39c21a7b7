"""``simulate``, ``jobs``, ``recordings`` before anything is sent: checks, timelines, options that do not fit."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image

from odyssey_proto import SimulationJobStatus
from odyssey_proto.cli import _jobs, main

PROMPTS: Final = 'prompt,time,script,image\nA cat,0,a,cat.png\n"It rains, a lot",1.5,a,\nA dog,0,b,\n'


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODYSSEY_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ODYSSEY_API_KEY", "ody_nobody")
    Image.new("RGB", (16, 16)).save("cat.png")
    Path("a.csv").write_text(PROMPTS)
    Path("a.json").write_text(
        '[{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 500, "fly": {}}]'
    )


def test_the_timeline_is_shown_and_nothing_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "a.csv", "--check", "--hold", "2s"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "script\ttime\taction\tprompt\timage",
        "1\t0:00\tstart\tA cat\tcat.png",
        "1\t0:01.5\tinteract\tIt rains, a lot\t",
        "1\t0:03.5\tend\t\t",
        "2\t0:00\tstart\tA dog\t",
        "2\t0:02\tend\t\t",
    ]
    assert printed.err == "2 scripts, 0:05.5 of video; nothing was sent\n"


def test_the_timeline_is_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(PROMPTS))
    assert main(["simulate", "-", "--format", "csv", "--check", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    first, second = json.loads(printed.out)["scripts"]
    assert first[:2] == [
        {"line": 2, "timestamp_ms": 0, "action": "start", "prompt": "A cat", "image": "cat.png"},
        {"line": 3, "timestamp_ms": 1500, "action": "interact", "prompt": "It rains, a lot", "image": None},
    ]
    assert [entry["line"] for entry in second] == [4, 4]


def test_what_only_a_newer_service_knows_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "a.json", "--check"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1:] == ["1\t0:00\tstart\tA cat\t", "1\t0:00.5\tfly\t\t"]
    assert printed.err.splitlines() == [
        "a.json:1: 'fly' is not known here, and is sent as it is",
        "script 1: its stream has no end",
        "1 script, 0:00.5 of video; nothing was sent",
    ]


def test_a_slip_in_a_script_is_named_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("slips.yaml").write_text(
        "- {timestamp_ms: 0, strat: {prompt: A cat}}\n"
        "- timestamp_ms: 0\n"
        "  start: {prompt: A cat, imge: cat.png}\n"
        "- {timestamp_ms: 1, interact: {prompt: It rains, zoom: 2}}\n"
        "- {timestamp_ms: 2, end: {}}\n"
    )
    assert main(["simulate", "slips.yaml", "--check", "--json"]) == 0
    printed = capsys.readouterr()
    assert [step["action"] for step in json.loads(printed.out)["scripts"][0]] == [
        "strat",
        "start",
        "interact",
        "end",
    ]
    assert printed.err.splitlines() == [
        "slips.yaml:1: 'strat' is not known here, and is sent as it is; did you mean start?",
        "slips.yaml:3: 'imge' is not known here, and is sent as it is; did you mean image?",
        "slips.yaml:4: 'zoom' is not known here, and is sent as it is",
    ]


def test_json_that_cannot_be_shown_is_written_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('["A cät 猫"]'))
    content = io.BytesIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.TextIOWrapper(content, "ascii", write_through=True))
        assert main(["simulate", "-", "--check", "--json"]) == 0
        text = content.getvalue().decode("ascii")
    assert json.loads(text)["scripts"][0][0]["prompt"] == "A cät 猫"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("simulate",), "Missing argument 'FILE'"),
        (("simulate", "A cat"), "There is no file 'A cat': scripts or prompts are read from a file"),
        (("simulate", "cat.png"), "the name does not say what it is; use --format json|yaml|jsonl|csv"),
        (("simulate", "a.csv", "--names", "id"), "--names applies only with --download DIR"),
        (("simulate", "a.csv", "--artifact", "all"), "--artifact applies only with --download DIR"),
        (("simulate", "a.csv", "--poll", "1"), "--within, --poll and --cancel-on-timeout apply only with --wait"),
        (("simulate", "a.csv", "--wait", "--cancel-on-timeout"), "applies only with --within"),
        (("simulate", "a.csv", "--check", "--wait"), "--check sends nothing; leave out --wait"),
        (("simulate", "a.csv", "--check", "--download", "d"), "--check sends nothing; leave out --wait"),
        (("simulate", "https://x/a.json", "--check"), "--check, --format and --hold apply to files"),
        (("simulate", "-", "--api-key-file", "-"), "stdin cannot have both the key and the scripts"),
        (("simulate", "a.json", "--hold", "3"), "--hold applies to lists of prompts"),
        (("simulate", "no.json"), "odyssey-proto: no.json: it cannot be read: No such file"),
        (("jobs",), "Usage: odyssey-proto jobs"),
        (("jobs", "lst"), "Did you mean 'list'?"),
        (("jobs", "list", "--status", "compelted"), "'completed'"),
        (("jobs", "list", "--all", "--limit", "3"), "--all and --limit cannot be combined"),
        (("jobs", "list", "--ids", "--json"), "--ids prints no JSON"),
        (("jobs", "list", "--since", "soon"), "must be an age, such as 2h or 3d, or a date, not 'soon'"),
        (("jobs", "wait"), "Say which"),
        (("jobs", "show", "job-1", "--emulator"), "--emulator makes a job of its own; leave out the ids"),
        (("recordings", "download"), "Say which"),
        (("recordings", "download", "s-1", "--to", "cat.png"), "is a file"),
        (("recordings", "download", "s-1", "--to", "cat.png/d"), "cat.png is a file"),
        (("simulate", "a.csv", "--download", "cat.png/d/e"), "cat.png/d/e cannot be a folder: "),
        (("recordings", "download", "../s"), "stream_id cannot name a file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    arguments: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODYSSEY_API_URL" if "--emulator" in arguments else "NOTHING", raising=False)
    assert main([*arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert problem in printed.err


def test_the_filter_has_every_status() -> None:
    assert set(_jobs.STATUSES) == {str(status) for status in SimulationJobStatus}


def test_no_ids_need_no_service(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = [("jobs", "show"), ("jobs", "wait"), ("jobs", "cancel"), ("recordings", "show")]
    for words in [*calls, ("recordings", "download")]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        assert main([*words, "-", "--json"]) == 0
        ((_, empty), *_) = json.loads(capsys.readouterr().out).items()
        assert empty == []
