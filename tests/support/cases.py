"""Many small cases in one test: all of them run, and a failure names each that failed.

A test of its own for each case costs a hundred times as much as the case, in every worker.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["every", "run_all"]


def run_all(check: Callable[[Any], object], cases: Iterable[tuple[str, Any]]) -> None:
    """Call ``check`` for each of ``cases``, pairs of a name and a case; if any fail, raise all errors together."""
    count, failed = 0, list[tuple[str, BaseException]]()
    for name, case in cases:
        count += 1
        try:
            check(case)
        except (Exception, pytest.fail.Exception) as exc:  # noqa: BLE001 - raised below, with the others
            exc.add_note(f"the case was {name}")
            failed.append((name, exc))
    assert count, "there are no cases"
    if failed:
        names = "".join(f"\n  {name}" for name, _ in failed)
        raise BaseExceptionGroup(f"{len(failed)} of {count} cases:{names}\n", [exc for _, exc in failed])


def every(
    argument: str, cases: Iterable[str] | Callable[[], Iterable[str]]
) -> Callable[[Callable[..., None]], Any]:
    """Decorate a test so that it runs, as one test, for each of ``cases``, which it gets as ``argument``.

    Its fixtures are made once, for all cases. If ``cases`` is a function, the test calls it to get the cases.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*args: Any, **fixtures: Any) -> None:
            names = cases() if callable(cases) else cases
            run_all(lambda case: test(*args, **fixtures, **{argument: case}), ((name, name) for name in names))

        signature = inspect.signature(test)
        others = [each for name, each in signature.parameters.items() if name != argument]
        assert len(others) < len(signature.parameters), f"it has no argument {argument}"
        run.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        del run.__wrapped__  # type: ignore[attr-defined]  # pytest would look for fixtures there
        return run

    return decorate
