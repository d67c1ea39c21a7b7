"""``odyssey-proto emulator``: its arguments. The emulator's own command does the serving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..emulator._options import SettingOption

__all__ = ["command"]


class _Command(click.Command):
    """A command with an option for each setting of the emulator, created when needed."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self.params:
            self.params.extend(_parameters())
        return super().get_params(ctx)


def _parameters() -> list[click.Parameter]:
    from ..emulator._command import FAULTS_HELP, LOG_HELP
    from ..emulator._options import setting_options

    return [
        *(_parameter(option) for option in setting_options()),
        click.Option(["--faults"], type=click.Path(path_type=Path), metavar="FILE", help=FAULTS_HELP),
        click.Option(["--log"], is_flag=True, help=LOG_HELP),
        click.Option(["--json"], is_flag=True, expose_value=False, help="Print JSON, as it always does."),
    ]


def _parameter(option: SettingOption) -> click.Option:
    text = option.help + (f"  [default: {option.default}]" if option.default else "")
    if option.is_switch:
        return click.Option(
            [option.setting, f"{option.flag}/{option.opposite}"], default=None, help=text, callback=_check
        )
    return click.Option(
        [option.setting, option.flag],
        type=click.Choice(option.choices) if option.choices else _Text(option),
        multiple=option.is_repeatable,
        metavar=None if option.choices else option.metavar,
        help=text,
        callback=_check,
    )


class _Text(click.ParamType[Any]):
    """The text of one setting."""

    name = "text"

    def __init__(self, option: SettingOption) -> None:
        self._option = option

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._option.read(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


def _check(_: click.Context, param: click.Parameter, value: Any) -> Any:
    """Have the settings check a value, and return it; return None if none was given."""
    if value is None or value == ():
        return None
    from .._base.errors import OdysseyConfigError
    from ..emulator._options import checked

    try:
        return checked({str(param.name): value})[str(param.name)]
    except OdysseyConfigError as exc:
        raise click.BadParameter(f"{exc}.") from exc


@click.command(cls=_Command)
def command(faults: Path | None, log: bool, **given: Any) -> int:
    """Serve the whole service on this machine.

    It prints one line of JSON, with its address and a key, when it accepts requests, and serves until Ctrl-C or a
    signal ends it.
    """
    from ..emulator._command import serve

    settings = {setting: value for setting, value in given.items() if value is not None}
    return serve(settings, faults=faults, log=log)
