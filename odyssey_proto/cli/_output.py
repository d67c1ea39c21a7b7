"""The output of a command: results on stdout, for people or as JSON; progress and notes on stderr.

Colours, lines and moving bars are for terminals only, and follow ``NO_COLOR``; lines are ASCII if nothing else can
be shown. Pipes get plain text.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from .._base.errors import MissingExtraError
from .._base.texts import presentable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console

__all__ = ["note", "plain", "print_json", "print_table", "progress", "progress_rows", "takes_any_text"]

_LINE_MOST_CHARS: Final = 16_384  # addresses are long
_SHORT_WORD: Final = 10  # a date
_ID: Final = "id"  # the heading of a column whose cells users copy
_printing: Final = threading.Lock()
_displays: Final[list[Console]] = []
"""The displays that show a bar."""


def print_json(data: Any) -> None:
    """Print JSON-ready data on one line of stdout, at once. Any thread may call it."""
    text = json.dumps(data, ensure_ascii=not takes_any_text())
    if not text.isprintable():  # terminals obey more characters than JSON must escape
        text = "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
    with _printing:
        print(text, flush=True)


def takes_any_text() -> bool:
    """Return whether stdout can show every letter; if not, JSON can be written in ASCII."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return codecs.lookup(encoding).name.startswith("utf")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table to stdout: with lines and columns on a terminal, else a line for each row, with tabs.

    A terminal that is too narrow for ids beside their columns gets such lines, too.

    Raises:
        MissingExtraError: Rich is not installed, and stdout is a terminal.
    """
    shown = [[presentable(str(cell), _LINE_MOST_CHARS) for cell in row] for row in rows]
    widths = [_least_width([name, *(row[number] for row in shown)]) for number, name in enumerate(columns)]
    widths[-1] = 0
    console = _console(stderr=False) if sys.stdout.isatty() else None
    fits = console is not None and sum(widths) + 4 * len(widths) <= console.width
    if console is None or (_ID in columns and not fits):
        for row in (columns, *shown):
            print(*row, sep="\t")
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, width in zip(columns, widths, strict=True):
        table.add_column(name, overflow="fold", no_wrap=name == _ID, min_width=width if fits else None)
    for row in shown:
        table.add_row(*map(Text, row))
    console.print(table)


def _least_width(cells: Sequence[str]) -> int:
    """Return the width that a column needs so that no id and no short word is broken."""
    most = None if cells[0] == _ID else _SHORT_WORD
    words = " ".join(cells).split()
    return max((len(word) for word in words if most is None or len(word) <= most), default=0)


def plain(text: str) -> str:
    """Return a line for printing, without control characters, which text of the service may contain."""
    return presentable(text, _LINE_MOST_CHARS)


def note(text: str) -> None:
    """Print a line to stderr, at once: news or a hint, beside the result.

    It may contain text of the service: control characters are left out.
    """
    text = presentable(text, _LINE_MOST_CHARS)
    with contextlib.suppress(OSError, ValueError):  # its reader is gone, or it is closed
        if _displays:  # above the bar, and not wrapped: it may be an address that is copied
            _displays[-1].print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)
        else:
            print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, float | None], None]]:
    """Show a progress bar on stderr during the block, if that is a terminal.

    Yields a function that takes the current step, and the share of it that is done, 0 to 1, or None if that is
    not known. `note` may be called meanwhile: the bar stays below.

    Raises:
        MissingExtraError: Rich is not installed.
    """
    with progress_rows() as show:
        show("", "", None)
        yield lambda step, share: show("", step, share)


@contextlib.contextmanager
def progress_rows() -> Iterator[Callable[[str, str, float | None], None]]:
    """Show progress bars on stderr during the block, as `progress` does.

    Yields a function that takes the name of a bar, the text beside it, and the share that is done, 0 to 1, or None
    if that is not known. A name that is new adds a bar.

    Raises:
        MissingExtraError: Rich is not installed.
    """
    console = _console(stderr=True)
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<28}", markup=False), BarColumn(), TimeElapsedColumn())
    # What commands print goes to the real stdout, not through the display.
    display = Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, redirect_stdout=False
    )
    tasks: dict[str, TaskID] = {}
    with display, contextlib.ExitStack() as until_the_end:
        if console.is_terminal:
            _displays.append(console)
            until_the_end.callback(_displays.remove, console)

        def show(row: str, text: str, share: float | None) -> None:
            text = presentable(text)
            if row not in tasks:
                tasks[row] = display.add_task(text, total=None)
            if share is None:  # the bar bounces until there is one
                display.update(tasks[row], description=text)
            else:
                display.update(tasks[row], description=text, total=1.0, completed=share)

        yield show


def _console(*, stderr: bool) -> Console:
    try:
        from rich.console import Console
    except ImportError as exc:
        raise MissingExtraError(
            'The progress display needs more packages: pip install "odyssey-proto[cli]"'
        ) from exc
    return Console(stderr=stderr)
