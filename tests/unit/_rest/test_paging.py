"""Pages of a list as one sequence."""

from __future__ import annotations

import math

from odyssey_proto._rest.paging import pages


def test_pages_are_one_sequence_without_what_was_pushed_onto_the_next() -> None:
    answers = {0: ("abc", 6), 3: ("cde", 7), 6: ("ef", 8)}
    assert "".join(pages(lambda offset: answers[offset], str)) == "abcdef"


def test_an_empty_page_is_the_last() -> None:
    asked: list[int] = []

    def ask(offset: int) -> tuple[str, float]:
        asked.append(offset)
        return ("ab" if offset == 0 else ""), math.inf

    assert list(pages(ask, str)) == ["a", "b"]  # type: ignore[arg-type]  # a total that lies
    assert asked == [0, 2]
