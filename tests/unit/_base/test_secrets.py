"""Texts that must not show secrets."""

from __future__ import annotations

import pytest

from odyssey_proto._base import secrets


@pytest.mark.parametrize(
    "text",
    [
        "key ody_live_SECRET refused",
        "Authorization: Bearer SECRET",
        "GET https://h.example/p?token=SECRET&x=1 failed",
        "token eyJSECRET.eyJSECRET.SECRET is bad",
        "proxy http://user:SECRET@h.example",
        '{"session_token": "SECRET"}',
        "credential=SECRET",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "SECRET" not in secrets.redact(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://x.example/a?SECRET", "https://x.example/a?…"),
        ("https://x.example/a?b[]=1&c=SECRET", "https://x.example/a?…"),
        ("https://x.example/a?b=it's&c=SECRET", "https://x.example/a?…"),
        ("(see https://x.example/a?b=SECRET), please", "(see https://x.example/a?…), please"),
        ("['https://x.example/a?b=SECRET', 'c']", "['https://x.example/a?…', 'c']"),
        ('{"url":"https://x.example/a?b=SECRET","next":1}', '{"url":"https://x.example/a?…","next":1}'),
        ("At https://x.example/a?b=SECRET.", "At https://x.example/a?…."),
    ],
)
def test_a_query_ends_where_the_address_ends(text: str, shown: str) -> None:
    assert secrets.redact(text) == shown


@pytest.mark.parametrize(
    "text", ["POST /auth/token answered 403: access denied?", "required field 'access_token' is missing"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert secrets.redact(text) == text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Too many\n\tsessions", "Too many sessions"),
        ("No key like ody_SECRET", "No key like ody_…"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("x" * 300, "x" * 300),
        ("x" * 10_000_000, "x" * 299 + "…"),
    ],
    ids=["lines", "a secret", "control characters", "long", "too long"],
)
def test_what_a_service_says_is_shown_as_one_line(said: str, shown: str) -> None:
    assert secrets.one_line(said) == shown


def test_a_secret_is_a_string_that_does_not_print() -> None:
    secret = secrets.Secret("ody_SECRET")
    assert secret == "ody_SECRET"
    assert "SECRET" not in repr(secret)
    assert "SECRET" not in f"{secret!r} {[secret]}"


@pytest.mark.parametrize("password", ["p/ss", "p@ss", "p@s/s#x", "12/34", "a?b"])
def test_a_password_in_an_address_is_left_out_whatever_it_contains(password: str) -> None:
    text = f"Failed to parse: http://user:{password}@proxy.example:3128/"
    assert secrets.redact(text) == "Failed to parse: http://…@proxy.example:3128/"


def test_a_token_in_a_query_leaves_nothing_of_the_query() -> None:
    assert secrets.redact("see https://x.example/a?token=eyJh.eyJi.c&b=1 now") == "see https://x.example/a?… now"


def test_the_forms_of_a_secret_are_those_in_which_it_may_be_repeated() -> None:
    assert secrets.forms("a+b/c") == ("a+b/c", "a%2Bb%2Fc", "YStiL2M")
    assert secrets.forms("plain") == ("plain", "cGxhaW4")


def test_every_text_in_data_is_redacted() -> None:
    data = {"page ody_SECRET": ["https://x.example/p?key=SECRET", 1, None], "deep": {"token": "Bearer SECRET"}}
    shown = {"page ody_…": ["https://x.example/p?…", 1, None], "deep": {"token": "Bearer <token>"}}
    assert secrets.redacted(data) == shown


@pytest.mark.parametrize(
    "beginning",
    [
        "://",
        "?",
        "?)",
        "://a?",
        "://a?b)",
        "eyJ-",
        "-eyJa",
        "eyJa.",
        "ody_",
        "bearer ",
        "password ",
        "'?=",
        "ice-pwd:",
    ],
)
def test_the_beginnings_of_a_million_secrets_are_looked_through_once(beginning: str) -> None:
    # Matching from each beginning to the end of the text would take hours.
    text = beginning * (1_000_000 // len(beginning))
    assert "SECRET" not in secrets.redact(f"{text}\nody_SECRET")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a://b://c@d@e", "a://…@e"),
        ("://a?))", "://a?))"),
        ("x?a=b)), y", "x?…)), y"),
        ("x?a)=))", "x?…))"),
        ("?what?a=b", "?…"),
        ("eyJa and eyJa.b-", "eyJa and <token>"),
        ("eyJ.a eyJa..b", "eyJ.a eyJa..b"),
    ],
)
def test_what_only_looks_like_a_secret_at_first_stays(text: str, shown: str) -> None:
    assert secrets.redact(text) == shown
