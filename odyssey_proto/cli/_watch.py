"""``odyssey-proto watch``: its arguments, and one broadcast from its first picture to its end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import _file_names
from ._access import hidden_prompt, keyless_options, secret_from
from ._outputs import Outputs, output_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .. import BroadcastInfo
    from ..client import Odyssey
    from ._access import Access

__all__ = ["command"]

_TOKEN_VARIABLE: Final = "ODYSSEY_SPECTATOR_TOKEN"  # noqa: S105  # not a token
_CONNECT_S: Final = 40.0
_SHOWN: Final = "A cat on a hill at sunset, warm light"


@click.command
@click.argument("url", required=False)
@click.argument("token", required=False)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help=f"Read the token from this file; - is stdin.  [env: {_TOKEN_VARIABLE}, the token itself]",
)
@click.option("--hls-url", metavar="URL", help="Its HLS address, for networks without WebRTC.")
@output_options(None)
@keyless_options
def command(
    url: str | None,
    token: str | None,
    token_file: Path | None,
    hls_url: str | None,
    outputs: Outputs,
    access: Access,
) -> int:
    """Watch a broadcast, with the same outputs.

    URL and TOKEN are what "odyssey-proto stream --broadcast" prints. Others on this machine can read arguments,
    so pass the token by its variable or by a file instead, or type it when asked.
    """
    if access.is_emulator and (url or token or token_file or hls_url):
        raise click.UsageError("--emulator makes a broadcast of its own; leave out the address and the token.")
    if not access.is_emulator and not url:
        raise click.UsageError("Say which broadcast: odyssey-proto watch URL, or --emulator.")
    if token and token_file:
        raise click.UsageError("Give the token once: as an argument, or by --token-file.")
    outputs.prepare(_file_names.time_name("broadcast"))
    if not access.is_emulator:
        token = token or _secret(token_file)
        if not token:
            raise click.UsageError(f"The token is missing: set {_TOKEN_VARIABLE}, or use --token-file.")
    from ._viewing import Viewing

    with Viewing(outputs) as viewing:
        viewing.step("connecting")
        with access.client(needs_key=False, record=False) as client, contextlib.ExitStack() as until_the_end:
            info = (
                until_the_end.enter_context(_private_broadcast(client))
                if access.is_emulator
                else _info(str(url), str(token), hls_url)
            )
            with client.watch(info, timeout=max(_CONNECT_S, access.timeout)) as spectator:
                ending = viewing.watch(spectator, _nothing, lambda: viewing.emit({"type": "watching"}, "watching"))
        viewing.report(ending, {})
    return 0


def _nothing() -> None:
    """Do nothing: a spectator starts no stream."""


def _secret(path: Path | None) -> str | None:
    if path is not None:
        return secret_from(path, "--token-file")
    return os.environ.get(_TOKEN_VARIABLE, "").strip() or hidden_prompt("Token")


def _info(url: str, token: str, hls_url: str | None) -> BroadcastInfo:
    from .. import BroadcastInfo

    return BroadcastInfo(url, token, hls_url)


@contextlib.contextmanager
def _private_broadcast(client: Odyssey) -> Iterator[Any]:
    """Broadcast a stream on the command's own emulator, and yield its `BroadcastInfo`."""
    with client.connect() as session:
        session.start_stream(_SHOWN, portrait=False, broadcast=True)
        yield session.wait_for_broadcast()
