"""The ids given to a command, as arguments or on stdin in another command's output; one call for each."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .._base.errors import OdysseyError
    from ._access import Access

__all__ = ["HEADING", "each", "errors_in_json", "ids_from", "ids_in", "raise_last"]

T = TypeVar("T")

_LIST_KEYS: Final = ("jobs", "recordings", "streams")
_COLUMNS: Final = {"job_id": {"status"}, "stream_id": {"started", "script"}}
"""For each name of an id in JSON, columns by which a table of such ids is recognised."""
HEADING: Final = "id"
"""The heading of the first column in tables of ids."""


def ids_from(arguments: Iterable[str], key: str, access: Access) -> list[str]:
    """Return the ids, each once; ``-`` among the arguments stands for those on stdin.

    Args:
        arguments: the arguments of the command.
        key: the name that an id has in JSON: ``job_id`` or ``stream_id``.
        access: the service; its key may be on stdin.

    Raises:
        click.UsageError: there is no argument, stdin cannot be read, or it has JSON or a table without such ids.
            An empty stdin only causes a note.
    """
    found: list[str] = []
    given = list(arguments)
    if not given:
        raise click.UsageError("Say which: one or more ids, or - for those on stdin.")
    for argument in given:
        if argument == "-":
            access.expect_stdin_free("the ids")
            if sys.stdin is None or sys.stdin.closed:
                raise click.UsageError("There is no stdin to read ids from.")
            try:
                found.extend(ids_in(sys.stdin.read(), key))
            except UnicodeDecodeError:
                raise click.UsageError("stdin is not text.") from None
        else:
            found.append(argument)
    if not found:
        from ._output import note

        note("no ids on stdin; nothing to do")
    return list(dict.fromkeys(found))


def ids_in(text: str, key: str) -> Iterator[str]:
    """Yield the ids in the output of a command: JSON, tables with tabs, or an id at the beginning of each line.

    Raises:
        click.UsageError: it is JSON, or a table, without such ids.
    """
    text = text.lstrip("\ufeff").strip()
    if text[:1] in ("{", "["):
        try:
            documents = [json.loads(text)]
        except (ValueError, RecursionError):  # one on each line?
            try:
                documents = [json.loads(line) for line in text.splitlines() if line.strip()]
            except (ValueError, RecursionError):
                raise click.UsageError("stdin has neither ids nor JSON.") from None
        for document in documents:
            yield from _ids_in_json(document, key)
        return
    yield from _ids_in_text(text, key)


def _ids_in_text(text: str, key: str) -> list[str]:
    columns: set[str] | None = None
    is_wanted = False
    in_tables: list[str] = []
    others: list[str] = []
    for line in text.splitlines():
        cells = line.split("\t")
        if cells[0] == HEADING:
            columns = set(cells)
            is_wanted = bool(columns & _COLUMNS[key])
        elif columns is not None and len(cells) == len(columns):
            if is_wanted:
                in_tables.append(cells[0].strip())
        elif line.strip() and not line[0].isspace():  # "jobs show" has facts about a job on indented lines
            others.append(line.split()[0].removesuffix(":"))
    in_tables, others = ([name for name in names if name] for names in (in_tables, others))
    if columns is not None and not is_wanted and not in_tables and not others:
        raise click.UsageError(f"The table on stdin has no {key}.")
    return in_tables or others


def _ids_in_json(data: Any, key: str) -> Iterator[str]:
    found = [name.strip() for name in _search(data, key) if name.strip()]
    if not found and not _is_empty_list(data):
        raise click.UsageError(f"The JSON on stdin has no {key}.")
    yield from found


def _is_empty_list(data: Any) -> bool:
    return data == [] or (isinstance(data, dict) and any(data.get(name) == [] for name in _LIST_KEYS))


def _search(data: Any, key: str, levels: int = 8) -> Iterator[str]:
    if not levels:
        return
    if isinstance(data, list):
        for item in data:
            if isinstance(item, str):
                yield item
            else:
                yield from _search(item, key, levels - 1)
    elif isinstance(data, dict):
        if isinstance(data.get(key), str):
            yield data[key]
        else:
            for name in ("job", *_LIST_KEYS):
                yield from _search(data.get(name), key, levels - 1)


def each(ids: Iterable[str], call: Callable[[str], T]) -> tuple[list[T], dict[str, OdysseyError]]:
    """Call the service for each id, and return the results and the errors.

    After an error about one id, the other calls are still made; after any other error, no more are made.
    """
    from .._base import errors
    from ._output import note

    results: list[T] = []
    failures: dict[str, OdysseyError] = {}
    for name in ids:
        try:
            results.append(call(name))
        except errors.OdysseyError as error:
            failures[name] = error
            if not isinstance(
                error, errors.OdysseyNotFoundError | errors.NotCancellableError | errors.OdysseyRequestError
            ):
                break
    for index, (name, failure) in enumerate(failures.items(), 1):
        if index < len(failures) or name not in str(failure):  # the last is raised by the caller, and printed then
            note(f"{name}: {failure}")
    return results, failures


def errors_in_json(failures: Mapping[str, OdysseyError], key: str) -> list[dict[str, Any]]:
    """Return JSON-ready data about the errors that `each` returned."""
    return [{key: name, "error": error.to_dict()} for name, error in failures.items()]


def raise_last(failures: Mapping[str, OdysseyError]) -> None:
    """Raise the last of the errors that `each` returned, if any: an error that ended the calls is the last."""
    if failures:
        raise list(failures.values())[-1]
