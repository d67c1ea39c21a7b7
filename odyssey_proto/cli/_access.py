"""Which service a command asks, and with which key. `service_options` adds the options for it to a command.

The key comes from a file, from ``ODYSSEY_API_KEY``, or from a prompt if stdin is a terminal. It is never
an argument: others on the machine can read those.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._options import FREE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..client import Odyssey

__all__ = ["Access", "hidden_prompt", "keyless_options", "secret_from", "service_options"]

_KEY_VARIABLE: Final = "ODYSSEY_API_KEY"
_SECRET_MOST_CHARS: Final = 64 * 1024


class Access:
    """The service that a command asks, as its options name it."""

    def __init__(
        self, *, api_url: str | None, api_key_file: Path | None, emulator: bool, timeout: float, debug: bool
    ) -> None:
        if emulator and (api_url is not None or api_key_file is not None):
            other = "--api-url" if api_url is not None else "--api-key-file"
            raise click.UsageError(f"--emulator starts a service of its own; leave out {other}.")
        self.api_url = api_url
        self.api_key_file = api_key_file
        self.is_emulator = emulator
        """Whether the command asks an emulator that is started for it."""
        self.timeout = timeout
        """Timeout of calls, in s."""
        self.debug = debug

    def expect_stdin_free(self, what: str) -> None:
        """Raise if the key is to be read from stdin, from which something else, named by ``what``, comes.

        Raises:
            click.UsageError: both are to be on stdin.
        """
        if str(self.api_key_file) == "-":
            raise click.UsageError(f"stdin cannot have both the key and {what}; give the key by a file.")

    @contextlib.contextmanager
    def client(self, *, needs_key: bool = True, **settings: Any) -> Iterator[Odyssey]:
        """Yield a client of the service, closed afterwards. With ``--emulator``, an emulator runs until then.

        Args:
            needs_key: False for calls that need no key; then nobody is asked for one.
            settings: settings of the emulator, with ``--emulator``.

        Raises:
            OdysseyError: a setting is not valid, or the emulator cannot be started.
            click.UsageError: the file with the key cannot be read.
        """
        from ..client import Odyssey

        with (
            self.service(needs_key=needs_key, **settings) as (url, key),
            Odyssey(key, api_url=url, timeout=self.timeout, debug=self.debug) as client,
        ):
            yield client

    @contextlib.contextmanager
    def service(self, *, needs_key: bool = True, **settings: Any) -> Iterator[tuple[str | None, str | None]]:
        """Yield the address and the key of the service; None leaves either to the environment.

        The arguments and the exceptions are those of `client`.
        """
        if not self.is_emulator:
            yield self.api_url, self._key(needs_key=needs_key)
            return
        from ..emulator import Emulator

        with Emulator(**settings) as emulator:
            yield emulator.api_url, emulator.api_key

    def _key(self, *, needs_key: bool) -> str | None:
        """Return the key; None leaves it to the client, which takes the environment's, or needs none.

        Raises:
            OdysseyAuthError: there is none, and nobody can be asked.
        """
        if self.api_key_file is not None:
            return secret_from(self.api_key_file, "--api-key-file")
        if not needs_key or os.environ.get(_KEY_VARIABLE, "").strip():
            return None
        if (key := hidden_prompt("API key")) is None:
            from .._base.errors import OdysseyAuthError

            raise OdysseyAuthError(
                f"No API key: set {_KEY_VARIABLE}, or use --api-key-file FILE; --emulator needs none",
                code="missing_api_key",
            )
        return key


def service_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the service, and pass an `Access` to the command as ``access``."""
    function = click.option(
        "--api-key-file",
        metavar="FILE",
        type=click.Path(path_type=Path, allow_dash=True),
        help="Read the API key from this file; - is stdin.  [env: ODYSSEY_API_KEY, the key itself]",
    )(keyless_options(function))
    return click.option("--api-url", metavar="URL", help="Address of the service.  [env: ODYSSEY_API_URL]")(
        function
    )


def keyless_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `service_options`, without those for an address and a key."""

    @click.option("--emulator", is_flag=True, help="Start an emulator for this call, and use it as the service.")
    @click.option(
        "--timeout",
        type=FREE_LENGTH,
        default="30",
        show_default=True,
        metavar="TIME",
        help="How long to wait for an answer from the service.",
    )
    @click.option("--debug", is_flag=True, help="Log all traffic to stderr, without secrets.")
    @functools.wraps(function)
    def with_access(
        *positional: Any,
        emulator: bool,
        timeout: float,
        debug: bool,
        api_url: str | None = None,
        api_key_file: Path | None = None,
        **options: Any,
    ) -> Any:
        access = Access(
            api_url=api_url, api_key_file=api_key_file, emulator=emulator, timeout=timeout, debug=debug
        )
        return function(*positional, access=access, **options)

    return with_access


def secret_from(path: Path, option: str) -> str:
    """Return the text of a file, which is a secret, without the blanks around it; ``-`` is stdin.

    Raises:
        click.UsageError: it cannot be read, or has no text.
    """
    try:
        with contextlib.nullcontext(sys.stdin) if str(path) == "-" else path.open(encoding="utf-8-sig") as file:
            text = file.read(_SECRET_MOST_CHARS).strip() if file is not None else ""
    except OSError as exc:
        raise click.UsageError(f"{option}: {path} cannot be read: {exc.strerror or exc}.") from exc
    except ValueError as exc:  # not UTF-8, or stdin is closed
        raise click.UsageError(f"{option}: {path} is not text.") from exc
    if not text:
        raise click.UsageError(f"{option}: {path} is empty.")
    return text


def hidden_prompt(what: str) -> str | None:
    """Ask for a secret without showing it, if stdin is a terminal; else return None."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty() or not sys.stderr.isatty():
        return None
    answer: str = click.prompt(what, hide_input=True, err=True)
    return answer.strip()
