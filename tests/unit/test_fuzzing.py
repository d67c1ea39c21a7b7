"""The rule of all fuzz targets: the violations that a target must notice."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from odyssey_proto import OdysseyConnectionError
from tests.support import fuzzing
from tests.support.fuzzing import mutated, mutated_text, target

if TYPE_CHECKING:
    from collections.abc import Callable


def of(parse: Callable[[object], object]) -> Callable[[], None]:
    return target(st.just(None), examples=1)(parse)


class RawError(OdysseyConnectionError):
    """An error whose text is not sanitised."""

    def __init__(self, text: str) -> None:
        super().__init__(text, code="x")
        self._text = text

    def __str__(self) -> str:
        return self._text


def test_an_error_that_is_not_typed_is_noticed() -> None:
    def parse(_: object) -> None:
        raise ValueError("raw")

    with pytest.raises(ValueError, match="raw") as caught:
        of(parse)()
    assert "the input was (None,)" in caught.value.__notes__


@pytest.mark.parametrize(
    "error",
    [
        OdysseyConnectionError("defect", code="internal"),
        RawError("two\nlines"),
        RawError("\x1b[2J"),
        RawError("long " * 1000),
    ],
    ids=lambda error: str(error)[:20],
)
def test_an_error_that_nobody_should_see_is_noticed(error: OdysseyConnectionError) -> None:
    def parse(_: object) -> None:
        raise error

    with pytest.raises(AssertionError):
        of(parse)()


def test_an_input_that_takes_long_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "_WITHIN_S", 0.0)
    with pytest.raises(AssertionError, match="it took"):
        of(lambda _: sum(range(100_000)))()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked up in /proc")
def test_an_input_that_takes_much_memory_is_noticed() -> None:
    with pytest.raises(AssertionError, match="MB"):
        of(lambda _: len(b"x" * (300 << 20)))()


def test_mutated_input_is_like_the_given_and_differs() -> None:
    texts, blobs = set[str](), set[bytes]()
    target(mutated_text(["HTTP/1.1 200 OK"]), examples=50)(texts.add)()
    target(mutated([b"\x00\x01\x02\x03"]), examples=50)(blobs.add)()
    assert len(texts) > 20
    assert len(blobs) > 20
    assert max(map(len, texts)) <= 200_000
