"""Ids from arguments and from stdin, and a call for each of them."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import click
import pytest

from odyssey_proto import (
    NotCancellableError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyNotFoundError,
)
from odyssey_proto.cli._access import Access
from odyssey_proto.cli._ids import each, errors_in_json, ids_from, ids_in, raise_last

ACCESS = Access(api_url=None, api_key_file=None, emulator=True, timeout=3, debug=False)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        ("job-1\njob-2\n", ["job-1", "job-2"]),
        ("\ufeff job-1 \r\n\r\n", ["job-1"]),
        ("id\tstatus\njob-1\tfailed\n", ["job-1"]),
        ("id\tstatus\n", []),
        ("job-1\tmine\njob-2\tmine\n", ["job-1", "job-2"]),
        ("job-1: cancelled\njob-2: cancelled\n", ["job-1", "job-2"]),
        ("job-1: completed\n  created   2026\nid\tscript\tstate\ns-1\t1\tdone\n", ["job-1"]),
        ('{"jobs": [{"job_id": "job-1"}, {"job_id": "job-2"}], "errors": []}', ["job-1", "job-2"]),
        ('{\n"job": {"job_id": "job-1"}}', ["job-1"]),
        ('{"job_id": "job-1"}\n{"job_id": "job-2"}\n', ["job-1", "job-2"]),
        ('["job-1"]', ["job-1"]),
        ('{"jobs": []}', []),
        ("[]", []),
    ],
)
def test_ids_are_read_as_commands_print_them(text: str, ids: list[str]) -> None:
    assert list(ids_in(text, "job_id")) == ids


@pytest.mark.parametrize(
    "text",
    [
        "job-1: completed\n  created   2026\nid\tscript\tstate\ns-1\t1\tdone\ns-2\t2\tdone\n",
        "id\tstarted\tlength\ns-1\t2026\t0:01\ns-2\t2026\t0:01\n",
        "s-1: 0:00.3, 6 frames\n  video     https://x/v.mp4\ns-2: 0:00.3\n  video     https://x/v.mp4\n",
    ],
    ids=["jobs show", "recordings list", "recordings show"],
)
def test_recordings_are_found_in_what_commands_print(text: str) -> None:
    assert list(ids_in(text, "stream_id")) == ["s-1", "s-2"]


@pytest.mark.parametrize(
    "text", [":\njob-1: done\n", ': [{"job_id": "job-1"}]}\njob-1\n', "id\tstatus\n \tdone\njob-1\tdone\n"]
)
def test_no_id_is_empty(text: str) -> None:
    assert list(ids_in(text, "job_id")) == ["job-1"]


def test_the_streams_of_jobs_are_recordings() -> None:
    job = {"job_id": "job-1", "streams": [{"stream_id": "s-1"}, {"stream_id": "s-2"}]}
    for data in ({"job": job}, {"jobs": [job]}, {"recordings": job["streams"]}):
        assert list(ids_in(json.dumps(data), "stream_id")) == ["s-1", "s-2"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{x", "neither ids nor JSON"),
        ('{"job": ' * 900 + "0" + "}" * 900, "has no job_id"),
        ('{"recordings": [{"stream_id": "s"}]}', "The JSON on stdin has no job_id"),
        ("id\tstarted\tlength\ns-1\t2026\t0:01\n", "The table on stdin has no job_id"),
    ],
)
def test_something_else_is_refused(text: str, problem: str) -> None:
    with pytest.raises(click.UsageError, match=problem):
        list(ids_in(text, "job_id"))


def test_arguments_and_stdin_go_together_and_each_id_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("b\na\nc\n"))
    assert ids_from(["a", "-", "d"], "job_id", ACCESS) == ["a", "b", "c", "d"]


def test_nothing_on_stdin_is_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert ids_from(["-"], "job_id", ACCESS) == []
    assert capsys.readouterr().err == "no ids on stdin; nothing to do\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        ([], None, "Say which: one or more ids, or -"),
        (["-"], None, "There is no stdin"),
        (["-"], io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8"), "stdin is not text"),
    ],
)
def test_no_ids_are_refused(
    arguments: list[str], stdin: Any, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(click.UsageError, match=problem):
        ids_from(arguments, "job_id", ACCESS)


def test_a_key_on_stdin_leaves_no_room_for_ids() -> None:
    access = Access(api_url=None, api_key_file="-", emulator=False, timeout=3, debug=False)  # type: ignore[arg-type]
    with pytest.raises(click.UsageError, match="stdin cannot have both the key and the ids"):
        ids_from(["-"], "job_id", access)


def test_an_error_about_one_id_does_not_keep_the_others_from_being_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    errors: dict[str, OdysseyError] = {
        "one": OdysseyNotFoundError("unknown"),
        "three": NotCancellableError("it has begun"),
        "four": OdysseyConnectionError("down"),
    }

    def call(name: str) -> str:
        if name in errors:
            raise errors[name]
        return name.upper()

    results, failures = each(["one", "two", "three", "four", "five"], call)
    assert (results, list(failures)) == (["TWO"], ["one", "three", "four"])
    assert capsys.readouterr().err == "one: unknown\nthree: it has begun\nfour: down\n"
    assert [error["stream_id"] for error in errors_in_json(failures, "stream_id")] == ["one", "three", "four"]
    with pytest.raises(OdysseyConnectionError, match="down"):
        raise_last(failures)


def test_an_error_that_names_its_id_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def call(name: str) -> str:
        raise OdysseyNotFoundError(f"there is no {name}")

    assert list(each(["a"], call)[1]) == ["a"]
    assert capsys.readouterr().err == ""
    raise_last({})
