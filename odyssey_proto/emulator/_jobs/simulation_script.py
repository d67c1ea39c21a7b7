"""The scripts of simulation jobs: checking requests, and planning the streams to film.

There are two checks. `check_request` looks only at the shape and reports issues as FastAPI does. `plan` turns a
script of valid shape into takes, or raises if the script makes no sense; the job then fails. It also fails if
``script_url`` does not contain a valid script.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Order", "ScriptError", "Take", "check_request", "check_script", "plan"]

TAIL_MS: Final = 3000
"""How long a stream continues after the last entry of a script that does not end it, in ms."""
_SOURCES: Final = ("script", "scripts", "script_url")

Issue = dict[str, Any]


class ScriptError(ValueError):
    """The script has a valid shape but cannot be filmed."""


@attrs.frozen(kw_only=True)
class Take:
    """One stream to film. Times are in ms from its start."""

    script_index: int
    prompt: str
    image: str | None
    changes: tuple[tuple[int, str], ...]
    """Times of the later prompts, and the prompts."""
    length_ms: int


@attrs.frozen(kw_only=True)
class Order:
    """The work of one job: the streams to film, and the settings."""

    takes: tuple[Take, ...]
    portrait: bool
    expand: bool
    """Whether prompts are expanded."""
    video: bool
    """Whether to make video; otherwise only the event log is kept."""
    seed: int
    size: tuple[int, int]
    """Width and height of a picture in landscape, in px."""
    fps: int
    stamp: bool
    world: str | None
    """Name of the world that replaces the emulator's own; None if that is shown."""
    world_fps: float
    """Pictures per second of a folder of pictures."""
    folder: str
    """Parent folder of the streams' folders."""

    def to_line(self) -> bytes:
        """Return the order as a line of JSON."""
        return json.dumps(attrs.asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Order:
        """Read a line that `to_line` wrote."""
        data = json.loads(line)
        takes = tuple(
            Take(**{**take, "changes": tuple((at, prompt) for at, prompt in take["changes"])})
            for take in data.pop("takes")
        )
        return cls(takes=takes, size=tuple(data.pop("size")), **data)


# The shape


def check_request(data: Any) -> list[Issue]:
    """Return the faults of the body of ``POST /simulation-jobs``, in FastAPI's form."""
    if not isinstance(data, dict):
        return [_issue(("body",), *_NO_OBJECT)]
    issues = [*_field(data, "portrait", ("body",), _boolean, required=True)]
    issues += _field(data, "output_video", ("body",), _boolean)
    issues += _field(data, "bypass_vlm_expansion", ("body",), _boolean)
    issues += _field(data, "script", ("body",), _script)
    issues += _field(data, "scripts", ("body",), _scripts)
    issues += _field(data, "script_url", ("body",), _address)
    if sum(source in data for source in _SOURCES) != 1:
        issues.append(_issue(("body",), "value_error", f"Value error, give exactly one of {', '.join(_SOURCES)}"))
    return issues


def check_script(data: Any) -> list[Issue]:
    """Return the faults of a fetched script, in FastAPI's form."""
    return [*_script(data, ("script",))]


_Loc = tuple[str | int, ...]
_NO_OBJECT: Final = (
    "model_attributes_type",
    "Input should be a valid dictionary or object to extract fields from",
)


def _issue(loc: _Loc, kind: str, text: str) -> Issue:
    return {"type": kind, "loc": [*loc], "msg": text}


def _field(
    data: dict[str, Any],
    name: str,
    loc: _Loc,
    check: Callable[[Any, _Loc], Iterator[Issue]],
    *,
    required: bool = False,
) -> Iterator[Issue]:
    if name in data:
        yield from check(data[name], (*loc, name))
    elif required:
        yield _issue((*loc, name), "missing", "Field required")


def _boolean(value: Any, loc: _Loc) -> Iterator[Issue]:
    if not isinstance(value, bool):
        yield _issue(loc, "bool_type", "Input should be a valid boolean")


def _text(value: Any, loc: _Loc) -> Iterator[Issue]:
    if not isinstance(value, str):
        yield _issue(loc, "string_type", "Input should be a valid string")


def _address(value: Any, loc: _Loc) -> Iterator[Issue]:
    yield from _text(value, loc)
    if value == "":
        yield _issue(loc, "string_too_short", "String should have at least 1 character")


def _image(value: Any, loc: _Loc) -> Iterator[Issue]:
    yield from _text(value, loc)
    if isinstance(value, str) and not value.startswith("data:"):
        yield _issue(loc, "string_pattern_mismatch", "String should match pattern '^data:'")


def _time(value: Any, loc: _Loc) -> Iterator[Issue]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield _issue(loc, "float_type", "Input should be a valid number")
    elif not value >= 0:
        yield _issue(loc, "greater_than_equal", "Input should be greater than or equal to 0")


def _list(value: Any, loc: _Loc, item: Callable[[Any, _Loc], Iterator[Issue]], *, least: int) -> Iterator[Issue]:
    if not isinstance(value, list):
        yield _issue(loc, "list_type", "Input should be a valid list")
        return
    if len(value) < least:
        yield _issue(
            loc, "too_short", f"List should have at least {least} item after validation, not {len(value)}"
        )
    for index, entry in enumerate(value):
        yield from item(entry, (*loc, index))


def _script(value: Any, loc: _Loc) -> Iterator[Issue]:
    return _list(value, loc, _entry, least=1)


def _scripts(value: Any, loc: _Loc) -> Iterator[Issue]:
    return _list(value, loc, lambda script, at: _list(script, at, _entry, least=0), least=1)


def _entry(value: Any, loc: _Loc) -> Iterator[Issue]:
    if not isinstance(value, dict):
        yield _issue(loc, *_NO_OBJECT)
        return
    yield from _field(value, "timestamp_ms", loc, _time, required=True)
    for name in ("start", "interact", "end"):
        yield from _field(value, name, loc, _action)


def _action(value: Any, loc: _Loc) -> Iterator[Issue]:
    if not isinstance(value, dict):
        yield _issue(loc, *_NO_OBJECT)
        return
    if loc[-1] != "end":
        yield from _field(value, "prompt", loc, _text, required=True)
    if loc[-1] == "start":
        yield from _field(value, "image", loc, _image)


# The meaning


def plan(script: list[dict[str, Any]], index: int) -> list[Take]:
    """Return the streams in ``script``, which is script ``index`` of its job.

    Raises:
        ScriptError: an entry contradicts those before it, and the text names it; or no stream is started.
    """
    takes: list[Take] = []
    running: _Running | None = None
    now = 0
    for place, entry in enumerate(script):
        at = int(entry["timestamp_ms"])
        where = f"Script {index}, entry {place}"
        if at < now:
            raise ScriptError(f"{where}: timestamp_ms goes back from {now} to {at}")
        now = at
        if "start" in entry:
            if running is not None:
                raise ScriptError(f"{where}: a stream is already running")
            running = _Running(entry["start"], now)
        if "interact" in entry:
            if running is None:
                raise ScriptError(f"{where}: interact without a stream; start one first")
            running.changes.append((now - running.began, entry["interact"]["prompt"]))
        if "end" in entry:
            if running is None:
                raise ScriptError(f"{where}: end without a stream; start one first")
            takes.append(running.take(index, now))
            running = None
    if running is not None:
        takes.append(running.take(index, now + TAIL_MS))
    if not takes:
        raise ScriptError(f"Script {index} starts no stream")
    return takes


class _Running:
    def __init__(self, start: dict[str, Any], began: int) -> None:
        self.start = start
        self.began = began
        self.changes: list[tuple[int, str]] = []

    def take(self, index: int, ended: int) -> Take:
        return Take(
            script_index=index,
            prompt=self.start["prompt"],
            image=self.start.get("image"),
            changes=tuple(self.changes),
            length_ms=ended - self.began,
        )
