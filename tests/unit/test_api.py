"""The public API is the one in `tests/typing/api.txt`."""

from __future__ import annotations

import difflib

from tests.typing.api import SNAPSHOT, described


def test_the_public_api_is_the_one_that_is_promised() -> None:
    promised, found = SNAPSHOT.read_text(encoding="utf-8").splitlines(), described().splitlines()
    difference = list(difflib.unified_diff(promised, found, "promised", "found", lineterm="", n=0))
    assert not difference, "\n".join(
        ["The public API differs. If that is meant: python -m tests.typing.api, and CHANGELOG.md.", *difference]
    )
