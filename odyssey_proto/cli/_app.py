"""The list of the subcommands, and one run of the command. A subcommand is loaded when it is run.

To add one, write a module here whose ``command`` is a Click command or group, and add its row in `COMMANDS` and
its import for tools that bundle programs.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any, Final, cast

import click
from click.exceptions import NoSuchCommand

from .._version import __version__
from ._exit_status import INTERRUPTED

if TYPE_CHECKING:  # so that tools that bundle programs find the modules, which are named below in strings only
    from . import _capture as _capture
    from . import _completion as _completion
    from . import _conformance as _conformance
    from . import _credentials as _credentials
    from . import _demo as _demo
    from . import _doctor as _doctor
    from . import _emulator as _emulator
    from . import _help as _help
    from . import _jobs as _jobs
    from . import _recordings as _recordings
    from . import _simulate as _simulate
    from . import _spec as _spec
    from . import _stream as _stream
    from . import _watch as _watch

__all__ = ["COMMANDS", "app", "run"]

NAME: Final = "odyssey-proto"

COMMANDS: Final = {
    "stream": ("_stream", "Stream a world from a prompt, into a file, a page or a pipe."),
    "watch": ("_watch", "Watch a broadcast, with the same outputs."),
    "capture": ("_capture", "Write a stream to a live cassette, which emulators replay."),
    "simulate": ("_simulate", "Film scripts without watching: one job from a file of scripts or prompts."),
    "jobs": ("_jobs", "List, show, await and cancel jobs."),
    "recordings": ("_recordings", "List, show and download recordings."),
    "emulator": ("_emulator", "Serve the whole service on this machine."),
    "credentials": (
        "_credentials",
        "Reserve a session for a client without a key, and print its credentials.",
    ),
    "spec": ("_spec", "Print or write the protocol: its schemas, its bundles, one definition."),
    "doctor": ("_doctor", "Find out what works and what does not, and say what to do."),
    "demo": ("_demo", "Stream from a private emulator and save the video."),
    "conformance": ("_conformance", "Check a service, or a client, against the protocol."),
    "completion": ("_completion", "Print a script that completes commands and options in a shell."),
    "help": ("_help", "Show the help of a command, as --help does."),
}
"""The module of each subcommand, and the first sentence of its help."""

_EPILOG: Final = "With --emulator, a command starts an emulator for itself: nothing needs an account or a network."


class _Interrupted(Exception):  # noqa: N818  # no error
    """Ctrl-C, or a signal that means the same. Click would write an empty line for `KeyboardInterrupt` itself."""


class _OutputGone(Exception):  # noqa: N818  # no error
    """The reader of the output has left. Click would end the process for `BrokenPipeError` itself."""


class _Commands(click.Group):
    """The subcommands, each loaded from its module when it is needed.

    The names of the arguments are Click's.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        return cast("click.Command", importlib.import_module(f".{COMMANDS[cmd_name][0]}", __package__).command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:  # Click looks for similar names only among loaded commands
            raise NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text.removesuffix(".")) for name, (_, text) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        from ._exit_status import KINDS

        with formatter.section("Exit status"):
            formatter.write_dl([(str(status), what) for status, what in KINDS])
        formatter.write_paragraph()
        formatter.write_text(_EPILOG)

    def invoke(self, ctx: click.Context) -> Any:
        from ._ending import as_by_ctrl_c

        try:
            with as_by_ctrl_c():
                return super().invoke(ctx)
        except KeyboardInterrupt as exc:
            raise _Interrupted from exc
        except BrokenPipeError as exc:
            raise _OutputGone from exc


@click.group(
    cls=_Commands,
    name=NAME,
    help="A blocking client for Odyssey, and its emulator.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", "-V", prog_name=NAME, message="%(prog)s %(version)s")
def app() -> None:
    pass


def run(argv: list[str] | None) -> int:
    """Run the command and return its exit status.

    Raises:
        BrokenPipeError: the reader of the output has left.
    """
    try:
        status = app.main(argv, prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        with contextlib.suppress(OSError):  # nobody can read it; the exit status says the same
            error.show()
            if isinstance(error, click.NoSuchOption) and (hint := _hint(error)):
                print(hint, file=sys.stderr)
        return error.exit_code
    except (_Interrupted, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except _OutputGone as gone:
        raise BrokenPipeError from gone
    except Exception as error:
        from .._base.errors import OdysseyError
        from . import _exit_status

        if isinstance(error, OdysseyError):
            _say(str(error))
            return _exit_status.of(error)
        if not isinstance(error, OSError):
            raise
        place = f"{error.filename}: " if error.filename is not None else ""
        _say(f"{place}{error.strerror or error}")
        return 1
    return int(status or 0)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody can read it; the exit status says the same
        print(f"{NAME}: {text}", file=sys.stderr)


def _hint(error: click.NoSuchOption) -> str | None:
    """Return what to do if an unknown option may be a text that begins with a dash; otherwise None."""
    context = error.ctx
    if context is None or (error.possibilities and " " not in error.option_name):
        return None
    for argument in context.command.params:
        if isinstance(argument, click.Argument) and not isinstance(argument.type, click.Choice):
            what = argument.make_metavar(context).strip("[]")
            return f"A text that begins with - comes after --: {context.command_path} -- {what}"
    return None
