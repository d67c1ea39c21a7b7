"""The preparation of a link: whether it is complete, and still of use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from odyssey_proto._live import preparation
from odyssey_proto._live.preparation import Preparation
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from tests.conftest import Background


def test_what_was_never_prepared_is_not_ready() -> None:
    assert not Preparation().end()


def test_what_is_complete_is_ready() -> None:
    prepared = Preparation()
    with prepared.under_way():
        assert not prepared.abort.aborted
    assert prepared.end()


def test_what_has_failed_is_not_ready() -> None:
    prepared = Preparation()
    with pytest.raises(ZeroDivisionError), prepared.under_way():
        raise ZeroDivisionError
    assert not prepared.end()


def test_what_was_prepared_at_other_addresses_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = Preparation()
    with prepared.under_way():
        monkeypatch.setattr(preparation, "own_addresses", lambda: frozenset({"192.0.2.7"}))
    assert not prepared.end(), "the machine has moved meanwhile"


def test_the_end_waits_until_nothing_is_under_way(in_background: Background) -> None:
    prepared, begun, done = Preparation(), threading.Event(), threading.Event()

    def prepare() -> None:
        with prepared.under_way():
            begun.set()
            assert done.wait(PATIENCE_S)

    preparing = in_background(prepare)
    assert begun.wait(PATIENCE_S)
    ending = in_background(prepared.end)
    eventually(lambda: prepared.abort.aborted)
    assert not ending.done()
    done.set()
    assert ending.result(PATIENCE_S), "it was complete"
    preparing.result(PATIENCE_S)
