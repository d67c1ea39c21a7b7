"""Accounts, sessions and limits of the emulator, with a manual clock."""

from __future__ import annotations

from typing import Any

import pytest

from odyssey_proto.emulator._accounts.service import Lease, RefusedError, Service
from odyssey_proto.emulator._config import EmulatorConfig
from tests.support.clocks import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def make(clock: HandClock, **settings: Any) -> Service:
    return Service(EmulatorConfig(**settings), clock)


def account(service: Service, key: str = "ody_one") -> str:
    return service.account_of(f"Bearer {service.access_token(key)}")


def refused(status: int) -> Any:
    return pytest.raises(RefusedError, check=lambda refusal: refusal.status == status)


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("", 422),
        ("live_123", 422),
        ("ody_", 422),
        ("ody_a b", 422),
        ("ody_é", 422),
        ("ody_invalid", 401),
        ("ody_invalid_7", 401),
        ("ody_suspended", 403),
    ],
)
def test_a_key_is_refused_by_its_beginning(clock: HandClock, key: str, status: int) -> None:
    with refused(status):
        make(clock).access_token(key)


def test_any_other_key_is_an_account(clock: HandClock) -> None:
    service = make(clock)
    assert account(service, "ody_one") == account(service, "ody_one")
    assert account(service, "ody_one") != account(service, "ody_two")


def test_a_token_does_not_reveal_its_key(clock: HandClock) -> None:
    service = make(clock)
    assert "one" not in account(service, "ody_one")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer abc", "Bearer a.b.c"])
def test_a_call_without_a_valid_token_is_refused(clock: HandClock, header: str | None) -> None:
    with refused(401):
        make(clock).account_of(header)


def test_the_scheme_may_be_written_in_any_case(clock: HandClock) -> None:
    service = make(clock)
    assert service.account_of(f"bearer {service.access_token('ody_one')}") == account(service)


def test_a_token_expires(clock: HandClock) -> None:
    service = make(clock, token_ttl_s=60)
    token = service.access_token("ody_one")
    clock.time += 59
    service.account_of(f"Bearer {token}")
    clock.time += 1
    with refused(401):
        service.account_of(f"Bearer {token}")


def test_a_session_token_is_no_access_token(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service), None)
    with refused(401):
        service.account_of(f"Bearer {service.session_token(session.account, session.id)}")


def test_an_access_token_is_no_session_token(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service), None)
    with refused(403):
        service.admit(session.id, service.access_token("ody_one"))


def test_a_second_session_at_once_is_refused_with_the_figures(clock: HandClock) -> None:
    service = make(clock)
    service.request_session(account(service), None)
    with pytest.raises(RefusedError) as caught:
        service.request_session(account(service), None)
    assert caught.value.status == 429
    assert caught.value.detail["error"] == "CONCURRENT_LIMIT_REACHED"
    assert caught.value.detail["details"] == {"active_count": 1, "limit": 1}
    assert {"message", "action", "action_url"} <= caught.value.detail.keys()


def test_another_account_has_its_own_limit(clock: HandClock) -> None:
    service = make(clock)
    service.request_session(account(service, "ody_one"), None)
    assert service.request_session(account(service, "ody_two"), None)


def test_no_streamer_free_is_503(clock: HandClock) -> None:
    service = make(clock, streamers=1, concurrent_sessions=5)
    first = service.request_session(account(service), None)
    with refused(503):
        service.request_session(account(service), None)
    service.end(first, "client_disconnecting")
    assert service.request_session(account(service), None)


def test_a_pool_of_none_never_has_one(clock: HandClock) -> None:
    service = make(clock, streamers=0)
    with refused(503):
        service.request_session(account(service), None)


def test_the_region_is_the_nearest(clock: HandClock) -> None:
    service = make(clock, regions={"near": 0, "far": 0}, concurrent_sessions=5)
    assert service.request_session(account(service), {"near": 80, "far": 20}).region == "far"
    assert service.request_session(account(service), {"near": 9999, "nowhere": 1}).region == "near"
    assert service.request_session(account(service), None).region == "near"


def test_without_regions_there_is_none(clock: HandClock) -> None:
    service = make(clock, regions={})
    assert service.request_session(account(service), {"x": 1}).region is None


def test_several_tokens_per_session_and_several_handshakes_per_token_are_valid(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service), None)
    tokens = [service.session_token(session.account, session.id) for _ in range(2)]
    assert tokens[0] != tokens[1]
    assert [service.admit(session.id, token) for token in tokens * 2] == [session] * 4


def test_a_token_for_an_unknown_session_is_refused(clock: HandClock) -> None:
    service = make(clock)
    with refused(404):
        service.session_token(account(service), "nothing")


def test_a_token_for_the_session_of_another_is_refused_the_same_way(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service, "ody_one"), None)
    with refused(404):
        service.session_token(account(service, "ody_two"), session.id)


def test_a_session_token_expires(clock: HandClock) -> None:
    service = make(clock, session_token_ttl_s=10)
    session = service.request_session(account(service), None)
    token = service.session_token(session.account, session.id)
    clock.time += 10
    with refused(403):
        service.admit(session.id, token)


def test_a_token_opens_no_other_session(clock: HandClock) -> None:
    service = make(clock, concurrent_sessions=2)
    one, two = (service.request_session(account(service), None) for _ in range(2))
    with refused(403):
        service.admit(two.id, service.session_token(one.account, one.id))


def test_a_session_that_has_ended_admits_nobody(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service), None)
    token = service.session_token(session.account, session.id)
    service.end(session, "client_disconnecting")
    with refused(403):
        service.admit(session.id, token)


def test_a_silent_session_is_cleared_after_forty_seconds(clock: HandClock) -> None:
    service = make(clock)
    service.request_session(account(service), None)
    clock.time += 39.9
    with refused(429):
        service.request_session(account(service), None)
    clock.time += 0.1
    assert service.request_session(account(service), None)


def test_keepalives_keep_a_session(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service), None)
    for _ in range(10):
        clock.time += 30
        service.heard_of(session)
    service.sweep()
    assert service.sessions == [session]


def test_a_handshake_keeps_a_session_too(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service), None)
    token = service.session_token(session.account, session.id)
    clock.time += 30
    service.admit(session.id, token)
    clock.time += 30
    service.sweep()
    assert service.sessions == [session]


def ending_of(service: Service, session: Lease) -> list[str]:
    reasons: list[str] = []
    session.on_end = reasons.append
    service.sweep()
    return reasons


def test_the_end_is_reported_once_with_its_reason(clock: HandClock) -> None:
    service = make(clock)
    session = service.request_session(account(service), None)
    clock.time += 40
    reasons = ending_of(service, session)
    service.sweep()
    service.end(session, "again")
    assert reasons == ["streamer_disconnected"]


def test_a_session_that_is_too_long_ends_although_it_is_alive(clock: HandClock) -> None:
    service = make(clock, max_session_s=100)
    session = service.request_session(account(service), None)
    for _ in range(5):
        clock.time += 20
        service.heard_of(session)
    assert ending_of(service, session) == ["duration_limit_reached"]


def test_used_hours_count_against_the_month(clock: HandClock) -> None:
    service = make(clock, monthly_hours=2)
    one = account(service)
    service.add_usage(one, 3600)
    assert service.seconds_left(one) == 3600
    service.add_usage(one, 3600)
    with pytest.raises(RefusedError) as caught:
        service.request_session(one, None)
    assert caught.value.status == 429
    assert caught.value.detail["error"] == "MONTHLY_LIMIT_REACHED"
    details = caught.value.detail["details"]
    assert (details["used_hours"], details["limit_hours"]) == (2, 2)
    assert details["reset_date"].endswith("-01")
    assert service.request_session(account(service, "ody_two"), None)


def test_a_new_month_begins_at_nothing(clock: HandClock) -> None:
    service = make(clock, monthly_hours=1)
    one = account(service)
    service.add_usage(one, 3600)
    clock.time += 32 * 24 * 3600
    assert service.request_session(one, None)


def test_too_many_calls_in_a_minute_are_refused_with_the_time_to_wait(clock: HandClock) -> None:
    service = make(clock, rate_limit=3)
    clock.time = 60.0 * 100 + 20
    token = service.access_token("ody_one")
    for _ in range(3):
        service.account_of(f"Bearer {token}")
    with pytest.raises(RefusedError) as caught:
        service.account_of(f"Bearer {token}")
    assert caught.value.status == 429
    assert caught.value.detail["error"] == "RATE_LIMITED"
    assert caught.value.detail["details"] == {"retry_after_seconds": 40}
    assert caught.value.headers == {"Retry-After": "40"}
    clock.time += 40
    service.account_of(f"Bearer {token}")
