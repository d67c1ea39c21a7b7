"""Settings: their defaults, and the values that are refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from odyssey_models import IceServer

from odyssey_proto._base.errors import OdysseyAuthError, OdysseyConfigError
from odyssey_proto._base.secrets import Secret
from odyssey_proto._model.config import DEFAULT_API_URL, AdvancedConfig, ClientConfig


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    monkeypatch.delenv("ODYSSEY_API_URL", raising=False)


def test_the_defaults_are_the_documented_ones() -> None:
    config = ClientConfig()
    assert (config.api_key, config.api_url, config.debug) == (None, DEFAULT_API_URL, False)
    assert config.advanced == AdvancedConfig(
        max_retries=5,
        initial_retry_delay_ms=1000,
        max_retry_delay_ms=2000,
        retry_backoff_multiplier=2.0,
        queue_timeout_s=30,
    )


def test_the_environment_is_used_where_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", "ody_env")
    monkeypatch.setenv("ODYSSEY_API_URL", "http://env.example/")
    assert (ClientConfig().api_key, ClientConfig().api_url) == ("ody_env", "http://env.example")
    given = ClientConfig(api_key="ody_arg", api_url="http://arg.example")
    assert (given.api_key, given.api_url) == ("ody_arg", "http://arg.example")


def test_an_empty_environment_variable_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", "")
    monkeypatch.setenv("ODYSSEY_API_URL", "")
    assert (ClientConfig().api_key, ClientConfig().api_url) == (None, DEFAULT_API_URL)


@pytest.mark.parametrize("around", ["{}\n", " {}\r\n", "\ufeff{}", "\u00ef\u00bb\u00bf{}"])
def test_what_files_leave_around_a_variable_is_removed(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", around.format("ody_env"))
    monkeypatch.setenv("ODYSSEY_API_URL", around.format("http://env.example"))
    config = ClientConfig()
    assert (config.require_api_key(), config.api_url) == ("ody_env", "http://env.example")
    monkeypatch.setenv("ODYSSEY_API_KEY", around.format(""))
    monkeypatch.setenv("ODYSSEY_API_URL", around.format(""))
    assert (ClientConfig().api_key, ClientConfig().api_url) == (None, DEFAULT_API_URL)


def test_the_key_does_not_print() -> None:
    assert "SECRET" not in repr(ClientConfig(api_key="ody_SECRET"))
    assert Secret("ody_SECRET") == "ody_SECRET"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"api_key": 3}, "api_key"),
        ({"api_key": b"ody_x"}, "api_key"),
        ({"api_url": 3}, "api_url"),
        ({"debug": 1}, "debug"),
        ({"reconnect": None}, "reconnect"),
        ({"advanced": {}}, "advanced"),
    ],
)
def test_a_wrong_type_is_a_type_error_that_names_the_setting(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(TypeError, match=name):
        ClientConfig(**settings)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "api.odyssey.ml",
        "ftp://h",
        "https://",
        "http://h:99999",
        "http://h:x",
        "http://h:0",
        "http://[::1",
    ],
)
def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(OdysseyConfigError, match="api_url must be like https://api"):
        ClientConfig(api_url=url)


@pytest.mark.parametrize("url", ["http://u:SECRET@h", "http://h?token=SECRET", "http://h#SECRET"])
def test_an_address_with_a_secret_in_it_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(OdysseyConfigError) as refusal:
        ClientConfig(api_url=url)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_retries", -1),
        ("initial_retry_delay_ms", -1),
        ("max_retry_delay_ms", float("nan")),
        ("retry_backoff_multiplier", 0.5),
        ("queue_timeout_s", float("inf")),
    ],
)
def test_an_advanced_setting_out_of_range_is_refused(setting: str, value: float) -> None:
    with pytest.raises(OdysseyConfigError, match=setting):
        AdvancedConfig(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [("max_retries", 1.5), ("max_retries", True), ("queue_timeout_s", "30"), ("queue_timeout_s", True)],
)
def test_an_advanced_setting_of_the_wrong_type_is_a_type_error(setting: str, value: Any) -> None:
    with pytest.raises(TypeError, match=setting):
        AdvancedConfig(**{setting: value})


def test_retries_wait_longer_each_time_up_to_the_longest() -> None:
    advanced = AdvancedConfig(initial_retry_delay_ms=100, retry_backoff_multiplier=3, max_retry_delay_ms=500)
    assert [advanced.retry_delay(attempt) for attempt in (0, 1, 2, 10_000)] == pytest.approx([0.1, 0.3, 0.5, 0.5])


def test_a_key_is_handed_out_when_it_is_needed() -> None:
    assert ClientConfig(api_key="ody_x").require_api_key() == "ody_x"


@pytest.mark.parametrize(
    ("key", "code", "text"),
    [
        (None, "missing_api_key", "No API key"),
        ("", "missing_api_key", "The API key is empty"),
        ("   ", "missing_api_key", "The API key is empty"),
        ("ody_a b", "malformed_api_key", "Invalid API key format"),
        ("ody_a\n", "malformed_api_key", "Invalid API key format"),
        ("ody_ä", "malformed_api_key", "Invalid API key format"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused_when_it_is_needed(key: str | None, code: str, text: str) -> None:
    with pytest.raises(OdysseyAuthError, match=text) as refusal:
        ClientConfig(api_key=key).require_api_key()
    assert refusal.value.code == code


TURN = {"urls": "turn:a.example", "username": "user", "credential": "SECRET"}


@pytest.mark.parametrize(
    "server",
    [
        TURN,
        {**TURN, "urls": ["turn:a.example", "turns:a.example?transport=tcp"], "credentialType": "password"},
        {"url": "stun:a.example"},
        {"urls": ("stun:a.example", "stun:b.example")},
        IceServer(urls="turn:a.example", username="user", credential="SECRET"),
    ],
    ids=str,
)
def test_ice_servers_are_taken_as_browsers_take_them(server: Any) -> None:
    (taken,) = ClientConfig(ice_servers=[server]).ice_servers or ()
    given = (
        IceServer(**{k: v for k, v in server.items() if k != "credentialType"}) if type(server) is dict else server
    )
    urls = given.urls or given.url
    assert taken.urls == (list(urls) if isinstance(urls, tuple) else urls)
    assert (taken.username, taken.credential) == (given.username, given.credential)


def test_no_ice_servers_are_not_the_same_as_those_of_the_service() -> None:
    assert (ClientConfig().ice_servers, ClientConfig(ice_servers=[]).ice_servers) == (None, ())


def test_the_credentials_of_ice_servers_do_not_print() -> None:
    config = ClientConfig(ice_servers=[TURN])
    assert "SECRET" not in repr(config)
    assert "SECRET" not in repr(config.ice_servers)
    assert "turn:a.example" in repr(config)


@pytest.mark.parametrize(
    ("servers", "kind", "words"),
    [
        ("stun:a.example", TypeError, "ice_servers must be a list like"),
        (TURN, TypeError, "ice_servers must be a list like"),
        (IceServer(urls="stun:a.example"), TypeError, "ice_servers must be a list like"),
        (3, TypeError, "ice_servers must be a list like"),
        (
            ["stun:a.example"],
            TypeError,
            r"ice_servers\[0\] must be a mapping with 'urls', or an IceServer, not str",
        ),
        ([TURN, {"urls": 3}], TypeError, r"ice_servers\[1\]: urls must be a string or a list of strings"),
        ([{"urls": [3]}], TypeError, "urls must be a string or a list of strings"),
        ([{}], TypeError, "urls must be a string or a list of strings"),
        ([{**TURN, "username": 3}], TypeError, "username must be a string"),
        ([{**TURN, "credential": 3}], TypeError, "credential must be a string"),
        (
            [{**TURN, "password": "SECRET"}],
            OdysseyConfigError,
            r"ice_servers\[0\] has unknown key 'password'; known are",
        ),
        ([{"urls": []}], OdysseyConfigError, "an ICE server has no address"),
        (
            [{"urls": "turn:SECRET@a"}],
            OdysseyConfigError,
            r"ice_servers\[0\]: the address of an ICE server is malf",
        ),
        (
            [{"urls": "turn:a.example"}],
            OdysseyConfigError,
            "turn:a.example:3478 has no user name or no password",
        ),
        ([{"urls": "stuns:a.example"}], OdysseyConfigError, "is not supported"),
        (
            [{"urls": f"stun:{n}.example"} for n in range(9)],
            OdysseyConfigError,
            "only the first 8 STUN servers are tried",
        ),
    ],
)
def test_ice_servers_that_cannot_work_are_refused(servers: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as refusal:
        ClientConfig(ice_servers=servers)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize("policy", ["direct", "", None, 1, ["relay"]])
def test_a_policy_that_is_none_is_refused(policy: Any) -> None:
    with pytest.raises(OdysseyConfigError, match="ice_policy must be 'all' or 'relay'"):
        ClientConfig(ice_policy=policy)


def test_h264_is_preferred_and_only_known_codecs_are_taken() -> None:
    assert ClientConfig().codec == "auto"
    assert ClientConfig(codec="vp8").codec == "vp8"
    with pytest.raises(OdysseyConfigError, match="codec must be one of auto, h264, vp8, not 'av1'"):
        ClientConfig(codec="av1")  # type: ignore[arg-type]  # the refused value


def test_every_network_path_may_be_used_unless_told_otherwise() -> None:
    assert ClientConfig().ice_policy == ClientConfig(ice_policy="all").ice_policy == "all"
    assert ClientConfig(ice_policy="relay").ice_policy == "relay"
