"""``odyssey-proto credentials``: its arguments and its output."""

from __future__ import annotations

import json
import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import _files
from ._access import service_options
from ._options import Seconds, json_option

if TYPE_CHECKING:
    from .. import ClientCredentials
    from ._access import Access

__all__ = ["command"]

_VARIABLES: Final = {
    "signaling_url": "ODYSSEY_SIGNALING_URL",
    "session_token": "ODYSSEY_SESSION_TOKEN",
    "session_id": "ODYSSEY_SESSION_ID",
    "expires_in": "ODYSSEY_EXPIRES_IN",
}
_OWNER_ONLY: Final = stat.S_IRUSR | stat.S_IWUSR


@click.command
@click.option(
    "--env", "as_lines", is_flag=True, help='Print lines for a shell: eval "$(odyssey-proto credentials --env)".'
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write them to this file, which nobody else may read.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option(
    "--queue",
    "queue_s",
    type=Seconds(0, 3600),
    default="30",
    show_default=True,
    metavar="TIME",
    help="How long to queue for a streamer.",
)
@json_option
@service_options
def command(as_lines: bool, out: Path | None, force: bool, queue_s: float, as_json: bool, access: Access) -> int:
    """Reserve a session for a client without a key, and print its credentials.

    They are JSON, for ClientCredentials.from_dict() and Odyssey.connect_with_credentials(). Whoever has them can
    use the session, and it counts for the account from now on: hand them only to the client that will connect.
    """
    from .. import AdvancedConfig
    from ..client import Odyssey
    from . import _output

    if as_lines and as_json:
        raise click.UsageError("Choose one: --env, or --json.")
    if _files.is_stdout(out):
        out = None
    _files.expect_new(out, "--out", is_replacing=force)
    _files.expect_writable(out)
    with (
        access.service(record=False) as (url, key),
        Odyssey(
            key,
            api_url=url,
            timeout=access.timeout,
            debug=access.debug,
            advanced=AdvancedConfig(queue_timeout_s=queue_s),
        ) as client,
    ):
        credentials = client.create_client_credentials(timeout=queue_s + access.timeout)
        text = _lines(credentials) if as_lines else _json(credentials)
        try:
            if out is None:
                print(text, end="", flush=True)
            else:
                _write(out, text)
                print(out)
        except OSError:
            _output.note(f"nobody has the credentials; their session is reserved for {credentials.expires_in} s")
            raise
        if access.is_emulator:
            _output.note("the emulator of this call ends now, and these credentials with it")
        else:
            _output.note(f"valid for {credentials.expires_in} s; whoever has them can use the session")
    return 0


def _json(credentials: ClientCredentials) -> str:
    return json.dumps(credentials.to_dict()) + "\n"


def _lines(credentials: ClientCredentials) -> str:
    data: dict[str, Any] = credentials.to_dict()
    lines = [f"export {variable}={shlex.quote(str(data[field]))}" for field, variable in _VARIABLES.items()]
    able = "" if credentials.capabilities is None else int(credentials.capabilities.image_to_video)
    return "\n".join([*lines, f"export ODYSSEY_IMAGE_TO_VIDEO={able}"]) + "\n"


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with _files.naming(path), os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if path.is_file():  # others may be allowed to read an existing file; a device belongs to all
            path.chmod(_OWNER_ONLY)
        file.write(text)
