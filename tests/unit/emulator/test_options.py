"""The options of the emulator's command: one for each setting, made from the class of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import attrs
import click
import pytest

from odyssey_proto import OdysseyConfigError
from odyssey_proto.cli import _emulator
from odyssey_proto.emulator import EmulatorConfig, _command
from odyssey_proto.emulator._options import setting_options

VALUES: dict[str, tuple[list[str], Any]] = {
    "host": (["::1"], "::1"),
    "port": (["8000"], 8000),
    "allow_hosts": (["a.test", "b.test"], ("a.test", "b.test")),
    "allow_origins": (["https://a.test"], ("https://a.test",)),
    "seed": (["7"], 7),
    "sloppy": (["3"], 3),
    "codec": (["vp8"], "vp8"),
    "size": (["640x360"], (640, 360)),
    "fps": (["4"], 4),
    "data_dir": (["data"], Path("data")),
    "bitrate": (["2000000"], 2_000_000),
    "streamers": (["2"], 2),
    "second_connection": (["beside"], "beside"),
    "world": (["a.module:World"], "a.module:World"),
    "blocked_words": (["war", "blood"], ("war", "blood")),
    "regions": (["near=0.1", "far"], (("near", 0.1), ("far", 0.0))),
    "ice_servers": (['{"urls": "stun:127.0.0.1:1"}'], ({"urls": "stun:127.0.0.1:1"},)),
}
"""The texts of a setting's option, and its value. Settings without a row are switches, or take 5."""


def given(setting: str) -> list[str]:
    """Return arguments that set a setting to something other than its default."""
    option = {option.setting: option for option in setting_options()}[setting]
    if option.is_switch:
        return [option.opposite if getattr(EmulatorConfig(), setting) else option.flag]
    texts = VALUES[setting][0] if setting in VALUES else ["5"]
    return [part for text in texts for part in (option.flag, text)]


def by_argparse(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    served: list[dict[str, Any]] = []
    monkeypatch.setattr(_command, "serve", lambda settings, **_: served.append(settings) or 0)
    assert _command.main(arguments, "emulator") == 0
    return served[0]


def by_click(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    served: list[dict[str, Any]] = []
    monkeypatch.setattr(_command, "serve", lambda settings, **_: served.append(settings) or 0)
    assert _emulator.command.main(list(arguments), standalone_mode=False) == 0
    return served[0]


@pytest.mark.parametrize("parse", [by_argparse, by_click])
@pytest.mark.parametrize("setting", attrs.fields_dict(EmulatorConfig))
def test_every_setting_is_an_option(setting: str, parse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse(*given(setting), monkeypatch=monkeypatch)  # settings that do not take 5 are in VALUES
    assert list(settings) == [setting]
    needed = {"bitrate": 2_000_000} if setting == "congestion_control" else {}
    value, default = getattr(EmulatorConfig(**needed | settings), setting), getattr(EmulatorConfig(), setting)
    assert value != default
    if setting in VALUES:
        assert value == VALUES[setting][1]


@pytest.mark.parametrize("parse", [by_argparse, by_click])
def test_what_is_not_given_is_left_to_the_settings(parse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(monkeypatch=monkeypatch) == {}
    assert parse("--json", monkeypatch=monkeypatch) == {}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--port", "x"), "must be a whole number, not 'x'"),
        (("--monthly-hours", "x"), "must be a number, not 'x'"),
        (("--size", "12"), "must be a width and a height in px, such as 1280x704, not '12'"),
        (("--region", "near=soon"), "must be a number, not 'soon'"),
        (("--ice-server", "[]"), "must be an object in JSON, not '[]'"),
        (("--codec", "av1"), "'av1'"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(
    arguments: tuple[str, str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        by_argparse(*arguments, monkeypatch=monkeypatch)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
    with pytest.raises(click.BadParameter) as refused:
        by_click(*arguments, monkeypatch=monkeypatch)
    assert why in refused.value.format_message()


def test_a_value_that_the_settings_refuse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OdysseyConfigError, match="port must be a whole number from 0 to 65535, not 99999"):
        by_argparse("--port", "99999", monkeypatch=monkeypatch)
    with pytest.raises(click.BadParameter, match="port must be a whole number from 0 to 65535, not 99999"):
        by_click("--port", "99999", monkeypatch=monkeypatch)


def test_the_help_is_the_first_sentence_of_the_docstring() -> None:
    options = {option.setting: option for option in setting_options()}
    assert [option.flag for option in options.values() if not option.help] == []
    assert options["port"].help == "TCP port to listen on; 0 takes a free one."
    assert (options["port"].default, options["port"].metavar) == ("0", "N")
    assert options["size"].default == "1280x704"
    assert options["max_stream_s"].flag == "--max-stream"
    assert (options["max_stream_s"].metavar, options["data_dir"].metavar) == ("SECONDS", "PATH")
    assert "None" not in "".join(option.help for option in options.values())


def test_a_setting_that_is_added_is_an_option_at_once() -> None:
    @attrs.frozen(kw_only=True)
    class Config:
        pace: float = 1.0
        mood: Literal["calm", "wild"] = "calm"
        replay: Path | str | None = None
        notes: tuple[int, ...] = ()
        loud: bool = False
        _secret: int = attrs.field(default=1, init=False)

    options = {option.setting: option for option in setting_options(Config)}
    assert list(options) == ["pace", "mood", "replay", "notes", "loud"]
    assert options["pace"].read("0.5") == 0.5
    assert options["mood"].choices == ("calm", "wild")
    assert options["replay"].read("cat.cast") == "cat.cast"
    assert (options["notes"].flag, options["notes"].read("3"), options["notes"].is_repeatable) == (
        "--note",
        3,
        True,
    )
    assert (options["loud"].flag, options["loud"].opposite) == ("--loud", "--no-loud")


def test_without_its_source_the_options_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [option.flag for option in setting_options()]

    def fail(_: object) -> str:
        raise OSError

    monkeypatch.setattr("inspect.getsource", fail)
    assert [option.flag for option in setting_options()] == usual
