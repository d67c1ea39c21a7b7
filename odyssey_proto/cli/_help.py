"""``odyssey-proto help``: what ``--help`` prints, for those who look for it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["command"]


def _names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return what the next word can be, for the completion."""
    around = _of(context.find_root(), context.params.get("words") or ())
    group = around.command
    names = group.list_commands(around) if isinstance(group, click.Group) else []
    return [name for name in names if name.startswith(incomplete)]


@click.command
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=_names)
@click.pass_context
def command(context: click.Context, words: Sequence[str]) -> None:
    """Show the help of a command, as --help does."""
    print(_of(context.find_root(), words).get_help())


def _of(context: click.Context, words: Iterable[str]) -> click.Context:
    """Return the context of the command that the words name.

    Raises:
        click.UsageError: there is no such command.
    """
    for word in words:
        group = context.command
        if not isinstance(group, click.Group):
            raise click.UsageError(
                f"{context.command_path} has no commands of its own, such as {word!r}.", context
            )
        name, found, _ = group.resolve_command(context, [word])
        assert found is not None
        context = click.Context(found, context, name, **found.context_settings)
    return context
