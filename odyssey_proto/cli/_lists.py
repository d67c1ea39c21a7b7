"""The common parts of the lists of jobs and of recordings: their options, and a job for an emulator to show."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import click

from .._base.arguments import MOST_PER_PAGE
from . import _output
from ._ids import HEADING
from ._times import MOMENT, is_since

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Sequence

    from .. import SimulationJobDetail
    from ..client import Odyssey
    from ._access import Access

__all__ = ["SMALL", "Listing", "listing_options", "named", "sample_job"]

T = TypeVar("T")

_DEFAULT_LIMIT: Final = 20
SMALL: Final[dict[str, Any]] = {"size": (640, 352)}
"""Settings of an emulator whose pictures nobody looks at."""
_SAMPLE: Final = (
    {"timestamp_ms": 0, "start": {"prompt": "A cat on a hill at sunset"}},
    {"timestamp_ms": 1000, "end": {}},
)


@attrs.frozen(kw_only=True)
class Listing:
    """The part of a list to show, according to the options."""

    limit: int | None
    """The largest number of rows; None for all."""
    since: datetime.datetime | None
    ids_only: bool
    as_json: bool

    @property
    def page_size(self) -> int:
        """How many entries to request at once."""
        few = self.limit is not None and self.since is None and self.limit < MOST_PER_PAGE
        return self.limit if few and self.limit else MOST_PER_PAGE

    def of(self, items: Iterable[T], moment: Callable[[T], str]) -> list[T]:
        """Return the wanted entries; ``moment`` returns when an entry was created."""
        found = (item for item in items if is_since(moment(item), self.since))
        return list(itertools.islice(found, self.limit))

    def show(
        self,
        name: str,
        found: Sequence[Any],
        key: str,
        columns: Sequence[str],
        row: Callable[[Any], Sequence[object]],
    ) -> None:
        """Print the entries: ``key`` is the field with the id, ``name`` the name of the list in JSON."""
        if self.as_json:
            _output.print_json({name: [item.to_dict() for item in found]})
        elif self.ids_only:
            for item in found:
                print(_output.plain(getattr(item, key)))
        else:
            _output.print_table((HEADING, *columns), [(getattr(item, key), *row(item)) for item in found])
            if not found:
                _output.note(f"no {name}, or none that fit")


def listing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a list, and pass a `Listing` to the command as ``listing``."""

    @click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        help=f"Show at most this many.  [default: {_DEFAULT_LIMIT}]",
    )
    @click.option("--all", "is_all", is_flag=True, help="Show all.")
    @click.option("--since", type=MOMENT, metavar="WHEN", help="Only later ones: 2h, 3d, 2026-01-31.")
    @click.option("--ids", "ids_only", is_flag=True, help="Print ids only, one a line.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
    @functools.wraps(function)
    def with_listing(
        *positional: Any,
        limit: int | None,
        is_all: bool,
        since: datetime.datetime | None,
        ids_only: bool,
        as_json: bool,
        **options: Any,
    ) -> Any:
        if is_all and limit is not None:
            raise click.UsageError("--all and --limit cannot be combined.")
        if ids_only and as_json:
            raise click.UsageError("--ids prints no JSON; leave out --json.")
        listing = Listing(
            limit=None if is_all else limit or _DEFAULT_LIMIT, since=since, ids_only=ids_only, as_json=as_json
        )
        return function(*positional, listing=listing, **options)

    return with_listing


def named(ids: Sequence[str], key: str, access: Access) -> list[str]:
    """Return the ids that the arguments name; none with ``--emulator``, because that makes a job of its own.

    Raises:
        click.UsageError: there are none, or there are some with ``--emulator``.
    """
    from ._ids import ids_from

    if not access.is_emulator:
        return ids_from(ids, key, access)
    if ids:
        raise click.UsageError("--emulator makes a job of its own; leave out the ids.")
    return []


def sample_job(client: Odyssey, *, is_awaited: bool = True) -> SimulationJobDetail:
    """Have the call's own emulator make a job, and return it; if ``is_awaited``, once it has ended."""
    job = client.simulate(script=_SAMPLE, portrait=False)
    return client.wait_for_simulation(job.job_id, poll=0.1) if is_awaited else job
