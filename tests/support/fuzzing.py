"""The one rule of all fuzz targets: input is parsed, or refused with a typed error, in bounded time and memory.

In a usual run, a target tries a few examples, always the same. ``make fuzz`` sets ``FUZZ_SECONDS``: then each
target continues with new ones for that long, and a failure names its seed.
"""

from __future__ import annotations

import functools
import itertools
import os
import random
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from odyssey_proto import OdysseyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["json_like", "mutated", "mutated_text", "target"]

_SECONDS: Final = float(os.environ.get("FUZZ_SECONDS") or 0)
_BATCH: Final = 100
"""Examples of one seed."""
_WITHIN_S: Final = 5.0
"""CPU time that one example may take, in s: far more than any example needs, and far less than one whose cost
grows faster than its input."""
_WITHIN_MB: Final = 200
"""Memory that one example may add to that of the process, in MiB."""
_LARGEST: Final = 200_000
"""Maximum length of a mutated input."""
_STATUS: Final = Path("/proc/self/status")
_RESET_PEAK: Final = "5"  # resets the peak of the resident memory; see `clear_refs` in proc(5)


def target(
    *inputs: st.SearchStrategy[Any],
    refuses: tuple[type[Exception], ...] = (OdysseyError,),
    examples: int = 60,
    within_mb: float = _WITHIN_MB,
) -> Callable[[Callable[..., object]], Callable[[], None]]:
    """Make a test from a function that parses ``inputs``, and may raise only ``refuses``.

    An `OdysseyError` with the code ``internal`` fails the test, and so does an error whose text is long or has
    unprintable characters.
    """

    def make(parse: Callable[..., object]) -> Callable[[], None]:
        def one(given_inputs: tuple[Any, ...]) -> None:
            began, before = time.thread_time(), _reset_peak()
            try:
                parse(*given_inputs)
            except refuses as error:
                _check(error)
            except Exception as exc:
                exc.add_note(f"the input was {given_inputs!r}"[:_LARGEST])
                raise
            took = time.thread_time() - began
            assert took < _WITHIN_S, f"it took {took:.1f} s"
            grew = _peak_mb() - before
            assert grew < within_mb, f"it took {grew:.0f} MB"

        @functools.wraps(parse)
        def run() -> None:
            if not _SECONDS:
                _try(one, inputs, settings(max_examples=examples, derandomize=True))
                return
            ends_at = time.monotonic() + _SECONDS
            while time.monotonic() < ends_at:
                number = random.SystemRandom().getrandbits(32)
                try:
                    _try(seed(number)(one), inputs, settings(max_examples=_BATCH))
                except BaseException as exc:
                    exc.add_note(f"the seed was {number}")
                    raise

        del run.__wrapped__  # type: ignore[attr-defined]  # pytest would look for fixtures there
        return pytest.mark.timeout(_SECONDS + 600)(run) if _SECONDS else run

    return make


def _try(one: Callable[..., None], inputs: tuple[st.SearchStrategy[Any], ...], how: settings) -> None:
    how = settings(
        how,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)  # about a strategy with a long repr
        how(given(st.tuples(*inputs))(one))()


def _check(error: Exception) -> None:
    if isinstance(error, OdysseyError):
        assert error.code != "internal", error
    assert str(error).isprintable(), repr(str(error))
    assert len(str(error)) < 2000


def _reset_peak() -> float:
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    return _peak_mb()


def _peak_mb() -> float:
    if not _STATUS.exists():  # not Linux
        return 0.0
    found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    return int(found[1]) / 1024 if found else 0.0


# Inputs


def json_like(leaves: int = 20) -> st.SearchStrategy[Any]:
    """Return a strategy for parsed JSON of any shape, with odd numbers and texts."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from([0, -1, 2**31, 2**63, 10**400, -(10**400)])
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(["", "\ud800", "\x00", "a\nb", "1e400", "9" * 5000, "٣", "\u202e", "NaN"])
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
        max_leaves=leaves,
    )


_NUMBERS: Final = (
    *("", "0", "-1", "00", "1.5", "255", "65535", "65536", "99999", "2147483648", "4294967296"),
    *("18446744073709551616", "1e400", "9" * 400, "9" * 5000, "٣", "NaN", "0x10"),
)
_TOKENS: Final = (
    "\x00",
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\u2028",
    "\x85",
    "\ufeff",
    "\ud800",
    '"',
    "\\",
    ",",
    ":",
    "=",
    "é",
    "\U0001f600",
)


@st.composite
def mutated_text(
    draw: st.DrawFn, seeds: Sequence[str], tokens: Sequence[str] = (), *, largest: int = _LARGEST
) -> str:
    """Return a strategy for texts that differ from one of ``seeds`` in a few places, some grossly."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        text = _changed(draw, text, seeds, (*_TOKENS, *tokens), draw(st.text(max_size=8)))
        numbers = [*itertools.islice(re.finditer(r"[0-9]+", text), 100)] if draw(st.booleans()) else []
        if numbers:
            found = draw(st.sampled_from(numbers))
            text = text[: found.start()] + draw(st.sampled_from(_NUMBERS)) + text[found.end() :]
        text = text[:largest]
    return text


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """Return a strategy for bytes that differ from one of ``seeds`` in a few places, some grossly."""
    data = draw(st.sampled_from(seeds))
    known = (b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x01", b"\r\n", *tokens)
    for _ in range(draw(st.integers(0, 6))):
        data = _changed(draw, data, seeds, known, draw(st.binary(max_size=8)))[:_LARGEST]
    return data


def _changed(draw: st.DrawFn, data: Any, seeds: Sequence[Any], tokens: Sequence[Any], noise: Any) -> Any:
    begin = draw(st.integers(0, len(data)))
    end = min(len(data), begin + draw(st.sampled_from([0, 1, 2, 4, 16, 64, 1024])))
    before, span, after = data[:begin], data[begin:end], data[end:]
    match draw(st.sampled_from(["cut", "drop", "noise", "token", "splice", "repeat", "move"])):
        case "cut":
            return before
        case "drop":
            return before + after
        case "noise":
            return before + noise + after
        case "token":
            return before + draw(st.sampled_from(tokens)) + after
        case "splice":
            other = draw(st.sampled_from(seeds))
            return before + other[draw(st.integers(0, len(other))) :]
        case "repeat":
            times = draw(st.sampled_from([2, 3, 30, 3000]))
            return before + span * min(times, _LARGEST // max(1, len(span))) + after
        case _:
            place = draw(st.integers(0, len(before)))
            return before[:place] + span + before[place:] + after
