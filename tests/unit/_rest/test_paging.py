"""Pages of a list as one sequence."""

from __future__ import annotations

import math

import odyssey_models as wire
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._base.limits import PAGES_WITHOUT_NEWS_MOST
from odyssey_proto._model import codec
from odyssey_proto._rest import paging
from odyssey_proto._rest.paging import pages


def test_pages_are_one_sequence_without_what_was_pushed_onto_the_next() -> None:
    answers = {0: ("abc", 6), 3: ("cde", 7), 6: ("ef", 8)}
    assert "".join(pages(lambda offset: answers[offset], str)) == "abcdef"


def test_pages_go_on_while_there_is_something_new_if_the_total_is_not_known() -> None:
    answers = {0: ("abc", 0), 3: ("cde", 0), 6: ("de", 0)}
    assert "".join(pages(lambda offset: answers[offset], str)) == "abcde"


def test_rows_that_were_left_out_count_for_the_next_page() -> None:
    rows = [{"id": "a", "ping_url": ""}, {"ping_url": ""}, {"id": 7}, 8, None, {"id": "b"}]
    asked: list[int] = []

    def ask(offset: int) -> tuple[list[wire.Region], int]:
        asked.append(offset)
        page = codec.from_dict(wire.RegionsResponse, {"regions": rows[offset : offset + 2]})
        return page.regions, len(rows)

    assert [region.id for region in pages(ask, lambda region: region.id)] == ["a", "7", "b"]
    assert asked == [0, 2, 4]


def test_a_page_of_nothing_but_unreadable_rows_is_not_the_last() -> None:
    rows: list[object] = [None, 7, {"id": "a"}]

    def ask(offset: int) -> tuple[list[wire.Region], int]:
        return codec.from_dict(wire.RegionsResponse, {"regions": rows[offset : offset + 2]}).regions, 3

    assert [region.id for region in pages(ask, lambda region: region.id)] == ["a"]


def test_an_empty_page_is_the_last() -> None:
    asked: list[int] = []

    def ask(offset: int) -> tuple[str, float]:
        asked.append(offset)
        return ("ab" if offset == 0 else ""), math.inf

    assert list(pages(ask, str)) == ["a", "b"]  # type: ignore[arg-type]  # a total that lies
    assert asked == [0, 2]


@pytest.mark.parametrize("total", [0, -1, 2, 10**9])
def test_a_page_without_news_is_the_last_whatever_the_total_is(total: int) -> None:
    asked: list[int] = []

    def ask(offset: int) -> tuple[str, int]:
        asked.append(offset)
        return "ab", total

    assert "".join(pages(ask, str)) == "ab"
    assert len(asked) <= 2


@pytest.mark.parametrize("total", [0, -1])
def test_a_total_that_says_nothing_does_not_end_a_list_early(total: int) -> None:
    answers = {0: "ab", 2: "cd", 4: "e", 5: ""}
    assert "".join(pages(lambda offset: (answers[offset], total), str)) == "abcde"


def test_a_page_without_news_is_not_the_last_if_items_were_added_meanwhile() -> None:
    answers = {0: ("a", 3), 1: ("a", 4), 2: ("b", 4), 3: ("c", 4)}
    assert "".join(pages(lambda offset: answers[offset], str)) == "abc"


def test_a_list_that_only_grows_ends() -> None:
    asked: list[int] = []

    def ask(offset: int) -> tuple[str, int]:
        asked.append(offset)
        return "a", offset + 10

    assert list(pages(ask, str)) == ["a"]
    assert len(asked) == 1 + PAGES_WITHOUT_NEWS_MOST


def test_a_list_of_unreadable_rows_ends() -> None:
    page = codec.from_dict(wire.RegionsResponse, {"regions": [None]})
    asked: list[int] = []

    def ask(offset: int) -> tuple[list[wire.Region], int]:
        asked.append(offset)
        return page.regions, 10**9

    assert list(pages(ask, lambda region: region.id)) == []
    assert len(asked) == PAGES_WITHOUT_NEWS_MOST


def test_a_list_that_has_no_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "LIST_MOST_ITEMS", 50)
    with pytest.raises(MalformedMessageError, match="has no end"):
        list(pages(lambda offset: ([str(offset)], 10**9), str))


def test_the_iterator_continues_after_a_failure() -> None:
    answers: list[tuple[list[str], int] | Exception] = [
        (["a"], 3),
        TimeoutError(),
        (["b"], 3),
        ConnectionResetError(),
        (["c"], 3),
    ]
    asked = []

    def ask(offset: int) -> tuple[list[str], int]:
        asked.append(offset)
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    items = pages(ask, str)
    assert next(items) == "a"
    with pytest.raises(TimeoutError):
        next(items)
    assert next(items) == "b"
    with pytest.raises(ConnectionResetError):
        next(items)
    assert [*items] == ["c"]
    assert asked == [0, 1, 1, 2, 2]
