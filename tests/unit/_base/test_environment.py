"""Environment variables, with what files and shells leave around their values."""

from __future__ import annotations

import pytest

from odyssey_proto._base.environment import cleaned, variable


@pytest.mark.parametrize(
    "text",
    ["key", " key\n", "key\r\n", "\tkey ", "\ufeffkey", "\ufeff key\n", "\u00ef\u00bb\u00bfkey", "key\u00a0"],
)
def test_what_files_leave_around_a_value_is_removed(text: str) -> None:
    assert cleaned(text) == "key"


def test_blanks_within_a_value_stay() -> None:
    assert cleaned(" a key ") == "a key"


@pytest.mark.parametrize("text", ["", " ", "\r\n", "\ufeff\n"])
def test_a_variable_with_nothing_in_it_is_not_set(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_TEST", text)
    assert variable("ODYSSEY_TEST") is None
    monkeypatch.delenv("ODYSSEY_TEST")
    assert variable("ODYSSEY_TEST") is None
