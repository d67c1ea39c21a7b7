"""Kinds of values: times, and names of files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest

from odyssey_proto.cli._file_names import free_name, slug, time_name
from odyssey_proto.cli._options import Seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3),
        ("3s", 3),
        (" 3 S ".replace(" S", "S"), 3),
        ("1.5", 1.5),
        ("250ms", 0.25),
        ("2m", 120),
        ("1m30s", 90),
        ("1h", 3600),
        ("1h1m1s", 3661),
        ("1:30", 90),
        ("0:03.5", 3.5),
        ("1:00:01", 3601),
        ("1e1", 10),
        (2.5, 2.5),
    ],
)
def test_a_time_is_read(text: Any, seconds: float) -> None:
    assert Seconds(0, 86_400).convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-1", "3x", "s", "1:2:3:4", "100h", "3 4"])
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match=re.escape(f"from 0 to 86400, not {text!r}")):
        Seconds(0, 86_400).convert(text, None, None)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A cat on a hill, at sunset!", "a-cat-on-a-hill-at-sunset"),
        ("Füße_im Cafe\u0301", "füße-im-café"),
        ("../../etc/passwd", "etc-passwd"),
        ("猫", "猫"),
        ("/ \\ : \0 …", "stream"),
        ("", "stream"),
        ("x" * 100, "x" * 48),
        ("one " + "two " * 30, "one-" + "-".join(["two"] * 11)),
    ],
)
def test_a_file_is_named_after_the_prompt(prompt: str, name: str) -> None:
    assert slug(prompt, "stream") == name


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert free_name("cat", ".mp4") == Path("cat.mp4")
    (tmp_path / "cat.mp4").write_text("")
    (tmp_path / "cat-2.mp4").symlink_to("nowhere")
    assert free_name("cat", ".mp4") == Path("cat-3.mp4")
    assert free_name("cat", ".mp4", is_replaced=True) == Path("cat.mp4")


def test_a_broadcast_is_named_after_its_time() -> None:
    assert re.fullmatch(r"broadcast-\d{8}-\d{6}", time_name("broadcast"))
