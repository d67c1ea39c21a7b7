"""Texts that can be shown anywhere."""

from __future__ import annotations

import errno
import os

import pytest

from odyssey_proto import OdysseyConnectionError
from odyssey_proto._base.errors import again
from odyssey_proto._base.limits import ERROR_TEXT_MOST_CHARS
from odyssey_proto._base.texts import presentable, system_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("as it is", "as it is"),
        ("", ""),
        ("two\r\n lines\tand\x0bmore", "two lines and more"),
        ("\x1b]0;owned\x07 \x1b[2J", "]0;owned [2J"),
        ("user\u202egnp.exe\u2066\u200f", "usergnp.exe"),
        ("half \ud83d of a pair", "half of a pair"),
        ("a" + "\u0301" * 50 + "b", "a\u0301\u0301b"),
        ("नमस्ते, שלום, héllo, 😀", "नमस्ते, שלום, héllo, 😀"),
        ("nothing\x00\u200b\ufeff", "nothing"),
    ],
)
def test_a_text_is_one_line_that_can_be_printed(text: str, shown: str) -> None:
    found = presentable(text).replace("  ", " ")
    assert found == shown
    found.encode()


@pytest.mark.parametrize("letter", ["x", "é", "\x1b", "\n", "\u0301", "😀"])
def test_a_long_text_is_cut(letter: str) -> None:
    assert len(presentable("it says " + letter * 1_000_000)) <= ERROR_TEXT_MOST_CHARS


def test_no_error_of_ours_has_another_text() -> None:
    error = OdysseyConnectionError("it says\x1b[31m " + "x" * 100_000)
    longer = again(error, "and\nmore" * 1000)
    for each in (error, longer):
        assert str(each) == each.message == each.args[0]
        assert str(each).isprintable()
        assert len(str(each)) == ERROR_TEXT_MOST_CHARS


def test_the_errors_of_sockets_on_windows_have_the_words_of_windows() -> None:
    assert system_text(10048, format_error=lambda number: f"Number {number}. \r\n") == "Number 10048"
    assert system_text(errno.ENOENT) == os.strerror(errno.ENOENT)
    assert system_text(10048)  # on other systems, any text will do
