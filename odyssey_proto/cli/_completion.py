"""``odyssey-proto completion``: the script with which a shell completes commands and options."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

_HOW: Final = {
    "bash": 'eval "$(odyssey-proto completion bash)"          # in ~/.bashrc',
    "zsh": 'eval "$(odyssey-proto completion zsh)"           # in ~/.zshrc, after compinit',
    "fish": "odyssey-proto completion fish | source          # in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\nTo have it in every shell, add one line:\n" + "\n".join(_HOW.values()))
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root()
    print(kind(root.command, {}, str(root.info_name), "_ODYSSEY_PROTO_COMPLETE").source())
