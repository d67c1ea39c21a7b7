"""The sessions that this process holds: by account, for as long as somebody has them."""

from __future__ import annotations

from typing import Any

import pytest

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.weak_set import ConcurrentWeakSet
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net import held_sessions
from odyssey_proto._net.service_api import ServiceApi
from tests.support.forked import in_child
from tests.support.systems import NEEDS_FORK

KEY = "ody_secret"


def api(api_key: str | None = KEY, api_url: str = "http://127.0.0.1:9") -> ServiceApi:
    return ServiceApi(ClientConfig(api_key=api_key, api_url=api_url), MonotonicClock())


@pytest.fixture(autouse=True)
def _no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_sessions, "_held", ConcurrentWeakSet())


def test_nothing_is_held_at_first() -> None:
    assert held_sessions.reminder(api()) is None


def test_a_session_of_another_client_of_the_account_is_named() -> None:
    held = held_sessions.hold(api(), "s-1")
    assert held_sessions.reminder(api(api_url="http://127.0.0.1:9/")) == (
        f"this process still holds session {held.session_id} of another Odyssey object: close() it"
    )


def test_several_sessions_are_all_named() -> None:
    held = [held_sessions.hold(api(), f"s-{number}") for number in (3, 1, 2)]
    assert held_sessions.reminder(api()) == (
        f"this process still holds sessions {', '.join(sorted(one.session_id for one in held))} "
        "of other Odyssey objects: close() them"
    )


@pytest.mark.parametrize(("others", "end"), [(1, "close() it, or wait"), (2, "close() them, or wait")])
def test_other_ways_out_are_named_too(others: int, end: str) -> None:
    held = [held_sessions.hold(api(), f"s-{number}") for number in range(others)]
    assert str(held_sessions.reminder(api(), "wait")).endswith(end)
    assert len(held) == others


def test_a_session_of_the_client_itself_is_named_first() -> None:
    own = api()
    held = held_sessions.hold(api(), "s-1"), held_sessions.hold(own, "s-2")
    assert held_sessions.reminder(own) == (
        f"this Odyssey object still holds session {held[1].session_id}: disconnect() first"
    )


@pytest.mark.parametrize("other", [{"api_key": "ody_other"}, {"api_url": "http://127.0.0.1:8"}])
def test_a_session_of_another_key_or_service_does_not_count(other: Any) -> None:
    held = held_sessions.hold(api(**other), "s-1")
    assert held_sessions.reminder(api()) is None
    del held


def test_a_session_counts_only_while_somebody_has_it() -> None:
    held = held_sessions.hold(api(), "s-1")
    del held
    assert held_sessions.reminder(api()) is None


def test_no_key_is_kept() -> None:
    held = held_sessions.hold(api(), "s-1")
    assert KEY not in repr(held)
    assert isinstance(held.account, int)


@NEEDS_FORK
def test_a_forked_child_holds_nothing_and_knows_what_its_parent_held() -> None:
    held = held_sessions.hold(api(), "s-1")
    parents = "the process that forked this one held session s-1: connect after the fork, not before it"
    assert in_child(lambda: held_sessions.reminder(held.api)) == repr(parents)
    assert in_child(lambda: held_sessions.reminder(api("ody_other"))) == "None"
    assert "this Odyssey object still holds session s-1" in str(held_sessions.reminder(held.api))
