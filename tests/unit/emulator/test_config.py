"""The settings of an emulator: invalid ones are refused before anything is opened."""

from __future__ import annotations

from typing import Any

import pytest

from odyssey_proto._base.errors import OdysseyConfigError
from odyssey_proto.emulator._config import EmulatorConfig
from odyssey_proto.emulator._server import Emulator


def test_the_defaults_are_those_of_the_service() -> None:
    config = EmulatorConfig()
    assert (config.host, config.port, config.fps, config.codec) == ("127.0.0.1", 0, 20, "both")
    assert (config.concurrent_sessions, config.stale_after_s) == (1, 40)
    assert (config.token_ttl_s, config.session_token_ttl_s) == (3600, 600)


@pytest.mark.parametrize(
    "setting",
    [
        {"host": ""},
        {"host": None},
        {"port": -1},
        {"port": 65536},
        {"port": "80"},
        {"port": True},
        {"seed": -1},
        {"seed": 0.5},
        {"sloppy": -1},
        {"sloppy": True},
        {"sloppy": "1"},
        {"codec": "av1"},
        {"codec": ["h264"]},
        {"stamp": 1},
        {"world": 7},
        {"world": ""},
        {"world_fps": 0},
        {"size": (510, 32)},
        {"size": (512, 30)},
        {"size": (640, 361)},
        {"size": (640, 4098)},
        {"size": (640.0, 360.0)},
        {"size": (640,)},
        {"size": "640x360"},
        {"size": None},
        {"fps": 0},
        {"bitrate": 999_999},
        {"bitrate": 16_000_001},
        {"bitrate": 4e6},
        {"bitrate": True},
        {"congestion_control": 1, "bitrate": 4_000_000},
        {"congestion_control": True},
        {"grain": -1},
        {"grain": 17},
        {"grain": 1.5},
        {"fps": 61},
        {"pace": 0},
        {"pace": "1"},
        {"pace": float("nan")},
        {"pace": 10**400},
        {"streamers": -1},
        {"image_to_video": "yes"},
        {"blocked_words": "forbidden"},
        {"blocked_words": [""]},
        {"regions": "us-west"},
        {"regions": ["us-west"]},
        {"regions": {"no spaces": 0}},
        {"regions": {"us-west": -1}},
        {"regions": {"us-west": float("inf")}},
        {"regions": {"us-west": 10**400}},
        {"ice_servers": "stun:127.0.0.1"},
        {"ice_servers": [{"url": "stun:127.0.0.1"}]},
        {"allow_hosts": "emulator.test"},
        {"allow_hosts": ["emulator.test:80"]},
        {"allow_hosts": [7]},
        {"allow_origins": "https://app.example.org"},
        {"allow_origins": ["app.example.org"]},
        {"allow_origins": ["*"]},
        {"concurrent_sessions": -1},
        {"monthly_hours": 0},
        {"rate_limit": 0},
        {"token_ttl_s": 0},
        {"token_ttl_s": 10**400},
        {"second_connection": "ends"},
        {"session_token_ttl_s": float("nan")},
        {"stale_after_s": None},
        {"max_stream_s": -1},
        {"max_session_s": False},
    ],
    ids=lambda setting: str(setting)[:80],
)
def test_what_cannot_work_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(OdysseyConfigError, match=next(iter(setting))):
        EmulatorConfig(**setting)


def test_a_rate_may_be_fixed_or_the_maximum() -> None:
    assert EmulatorConfig().bitrate is None
    config = EmulatorConfig(bitrate=6_000_000, congestion_control=True, grain=10)
    assert (config.bitrate, config.congestion_control, config.grain) == (6_000_000, True, 10)


def test_an_emulator_refuses_it_too() -> None:
    with pytest.raises(OdysseyConfigError, match="codec"):
        Emulator(codec="av1")


def test_a_cassette_and_a_world_exclude_each_other() -> None:
    with pytest.raises(OdysseyConfigError, match=r"^replay and world exclude each other"):
        EmulatorConfig(replay="cat.cast", world="gradient:Gradient")


def test_a_configuration_and_single_settings_exclude_each_other() -> None:
    with pytest.raises(OdysseyConfigError, match="not both"):
        Emulator(EmulatorConfig(), seed=1)


def test_regions_may_be_a_mapping() -> None:
    assert EmulatorConfig(regions={"here": 0, "there": 0.2}).regions == (("here", 0), ("there", 0.2))


def test_ice_servers_may_hold_credentials_that_do_not_print() -> None:
    config = EmulatorConfig(ice_servers=[{"urls": "turn:127.0.0.1", "username": "u", "credential": "secret"}])
    assert config.ice_servers == ({"urls": "turn:127.0.0.1", "username": "u", "credential": "secret"},)
    assert "secret" not in repr(config)


def test_no_ice_servers_is_not_the_default_ones() -> None:
    assert EmulatorConfig(ice_servers=[]).ice_servers == ()
    assert EmulatorConfig().ice_servers is None


@pytest.mark.parametrize(
    ("settings", "stamped"),
    [
        ({}, True),
        ({"stamp": False}, False),
        ({"world": "clip.mp4"}, False),
        ({"world": "clip.mp4", "stamp": True}, True),
    ],
)
def test_only_the_emulators_own_worlds_are_stamped_unless_the_setting_says_so(
    settings: dict[str, Any], stamped: bool
) -> None:
    assert EmulatorConfig(**settings).stamps_pictures is stamped
