"""One key for all spellings of a file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from odyssey_proto._live.file_keys import file_key


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_where_names_ignore_case_two_spellings_are_one_file(platform: str) -> None:
    assert file_key(Path("Films/Cat.MP4"), platform) == file_key(Path("films/cat.mp4"), platform)


def test_on_linux_they_are_two_files() -> None:
    assert file_key(Path("Cat.mp4"), "linux") != file_key(Path("cat.mp4"), "linux")
