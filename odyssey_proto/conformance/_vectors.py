"""Checks any command that reads and writes JSON lines against the vectors of ``spec/vectors``.

The lines are described in ``spec/conformance.md``. This module runs the command and judges its answers;
`odyssey_proto.conformance._scorecard` holds the result.
"""

from __future__ import annotations

import collections
import functools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from .._base.public_path import publish
from ._command import RunningCommand
from ._documents import document, documents
from ._scorecard import Point, Scorecard

__all__ = ["LEVELS", "check_vectors"]

LEVELS: Final = ("schema", "tolerant", "canonical", "session")
"""The levels that a client may claim; see ``spec/vectors/manifest.json``."""

_ANSWERS_WITHIN_S: Final = 30.0
"""How long the command may take for one answer."""
_STARTED_ENDS_WITHIN_S: Final = 2.0
"""How long it may take to end after it has closed its stdout."""
_STARTS: Final = 10
"""How often the command is started at most: a question may end it, or leave it hanging."""
_SHOWN: Final = 100
"""How many bytes of a line that is not an answer are shown."""
_WRITTEN: Final = "spec/conformance.md#requests-and-answers"
_OPERATIONS: Final = {"schema": "validate", "tolerant": "read", "canonical": "read", "session": "play"}


@attrs.frozen(kw_only=True)
class _Question:
    """One line to the command, and the expected answer at each level."""

    line: dict[str, Any]
    name: str
    written: str
    """The path of the case, below ``spec/``."""
    levels: tuple[str, ...]
    case: dict[str, Any]
    kind: str
    """The folder of the case."""


def check_vectors(command: Sequence[str], levels: Collection[str] = LEVELS) -> Scorecard:
    """Ask ``command`` all vectors of these levels, and return its scorecard.

    A question that it does not answer fails. Then the command is started again for the next one, unless it has
    answered nothing since it was started, or has been started too often.

    Args:
        command: the program and its arguments. Its stderr is that of this process.
        levels: some of `LEVELS`.

    Raises:
        OdysseyConfigError: the command cannot be started.
    """
    left = collections.deque(_questions(levels))
    card = Scorecard("vectors")
    problem, starts = "", 0
    while left and starts < _STARTS:
        starts += 1
        before = len(left)
        problem = _ask(command, left, card)
        if problem:
            card.add(*_points(left.popleft(), problem=problem))
        if before - len(left) <= 1 and problem:  # it answered nothing
            break
    for question in left:
        card.add(*_points(question, problem=f"it was not asked, because {problem}"))
    return card


def _ask(command: Sequence[str], left: collections.deque[_Question], card: Scorecard) -> str:
    """Ask the questions until one is not answered, take those before it from ``left``, and return why.

    The text is empty if all were answered.
    """
    lines = [json.dumps(question.line).encode() + b"\n" for question in left]
    with RunningCommand(command, lines) as running:
        while left:
            number = left[0].line["id"]
            try:
                line = running.next_line(_ANSWERS_WITHIN_S)
            except TimeoutError:
                return f"request {number} was not answered within {_ANSWERS_WITHIN_S:.0f} s"
            if line is None:
                how = running.end(_STARTED_ENDS_WITHIN_S) or "it ended with status 0"
                return f"request {number} was not answered: {how}"
            answer = _answer(line)
            if not _equal(number, answer.get("id")):
                said = line[:_SHOWN].decode(errors="replace")
                return f"the answer to request {number} was expected, and the command printed {said!r}"
            card.add(*_points(left.popleft(), answer))
    return ""


def _answer(line: bytes) -> dict[str, Any]:
    """Return the data of a line, NaN included; empty if it is not an object."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _points(question: _Question, answer: Mapping[str, Any] | None = None, problem: str = "") -> Iterator[Point]:
    for level in question.levels:
        yield _judged(question, level, answer or {}, problem)


# --- the questions


def _questions(levels: Collection[str]) -> Iterator[_Question]:
    number = 0
    for entry in document("vectors/manifest.json")["files"]:
        path = f"vectors/{entry['path']}"
        kind = entry["path"].partition("/")[0]
        asked: dict[str, list[str]] = {}
        for level in entry["levels"]:
            if level in levels:
                asked.setdefault(_OPERATIONS[level], []).append(level)
        for index, case in enumerate(document(path)["cases"] if asked else ()):
            for operation, of_operation in asked.items():
                number += 1
                yield _Question(
                    line={"id": number, "op": operation, **_asked(entry, case)},
                    name=f"{entry['path']}: {case['name']}",
                    written=f"spec/{case.get('cite', f'{path}#/cases/{index}')}",
                    levels=tuple(of_operation),
                    case=case,
                    kind=kind,
                )


def _asked(entry: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    if "steps" in case:
        return {"begin": case["begin"], "steps": [_without_outcome(step) for step in case["steps"]]}
    if "base64" in case:
        content = {"base64": case["base64"]}
    else:
        content = {"text": case["text"] if "text" in case else _text(case["data"])}
    return {"schema": entry["schema"].rpartition("/")[2], "sender": entry["sender"], **content}


def _without_outcome(step: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in step.items() if key not in ("sends", "calls")}


def _text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)


# --- the answers


def _judged(question: _Question, level: str, answer: Mapping[str, Any], problem: str) -> Point:
    def point(outcome: Any, why: str = "", written: str = question.written) -> Point:
        return Point(group=level, name=question.name, outcome=outcome, why=why, written=written)

    if problem:
        return point("failed", problem, _WRITTEN)
    if answer.get("outcome") == "unsupported":
        return point("skipped", str(answer.get("error", "")) or "not supported")
    wrong = _wrong_play(question, answer) if level == "session" else _wrong_reading(question, level, answer)
    return point("failed", wrong) if wrong else point("passed")


def _wrong_reading(question: _Question, level: str, answer: Mapping[str, Any]) -> str:
    """Return the fault of an answer to a reading; empty if it is right."""
    case, outcome = question.case, answer.get("outcome")
    wanted = _wanted(question, level)
    if outcome != wanted:
        why = f": {answer['error']}" if answer.get("error") else ""
        return f"{wanted} was expected, not {outcome}{why}"
    if wanted != "accepted" or level == "schema":
        return ""
    right = case.get("written", case.get("data"))
    found = answer.get("value")
    if level == "canonical":
        return "" if _equal(right, found) else _difference(right, found)
    return "" if _means(right, found) else _difference(right, found)


def _wanted(question: _Question, level: str) -> str:
    if level == "schema" and question.kind in ("valid", "invalid"):
        return "accepted" if question.kind == "valid" else "refused"
    reader: str = question.case.get("reader", "accepts" if question.kind == "valid" else "refuses")
    return {"accepts": "accepted", "refuses": "refused"}.get(reader, reader)


def _wrong_play(question: _Question, answer: Mapping[str, Any]) -> str:
    """Return the fault of the outcome of a transcript; empty if it is right."""
    played = answer.get("steps")
    if answer.get("outcome") != "played" or not isinstance(played, list):
        why = f": {answer['error']}" if answer.get("error") else ""
        return f"played with steps was expected, not {answer.get('outcome')}{why}"
    for number, (step, found) in enumerate(zip(question.case["steps"], played, strict=False), 1):
        if not isinstance(found, dict):
            return f"step {number} is {_text(found)[:300]}, not an object"
        for what, fits in (("sends", _means), ("calls", _ends_as)):
            if what in step and not _all_fit(fits, step[what], found.get(what)):
                return f"step {number}, {what}: {_difference(step[what], found.get(what))}"
    if len(played) < len(question.case["steps"]):
        return f"only {len(played)} steps were played"
    return ""


def _all_fit(fits: Callable[[Any, Any], bool], right: list[Any], found: Any) -> bool:
    return isinstance(found, list) and len(found) == len(right) and all(map(fits, right, found))


def _ends_as(right: dict[str, Any], found: Any) -> bool:
    """Return whether a call ends as it should; clients may report more than required."""
    return isinstance(found, dict) and all(_equal(value, found.get(key)) for key, value in right.items())


def _difference(right: Any, found: Any) -> str:
    return f"{_text(right)[:300]} was expected, not {_text(found)[:300]}"


def _equal(right: Any, found: Any) -> bool:
    """Return whether two values are equal as JSON: 1 equals 1.0, but not true."""
    if isinstance(right, dict) and isinstance(found, dict):
        return right.keys() == found.keys() and all(_equal(value, found[key]) for key, value in right.items())
    if isinstance(right, list) and isinstance(found, list):
        return len(right) == len(found) and all(map(_equal, right, found))
    return isinstance(right, bool) == isinstance(found, bool) and bool(right == found)


def _means(right: Any, found: Any) -> bool:
    """Return whether ``found`` means the same as ``right``.

    A field that ``right`` lacks may be null or false, and fields without a schema do not count.
    """
    if isinstance(right, dict) and isinstance(found, dict):
        more = {key: value for key, value in found.items() if key not in right and key in _known_fields()}
        return all(_means(value, found.get(key)) for key, value in right.items()) and not any(
            value not in (None, False) for value in more.values()
        )
    if isinstance(right, list) and isinstance(found, list):
        return len(right) == len(found) and all(map(_means, right, found))
    return _equal(right, found)


@functools.cache
def _known_fields() -> frozenset[str]:
    """Return the names of all fields of all schemas."""
    return frozenset(
        field
        for content in documents("schemas", ".yaml").values()
        for schema in content["$defs"].values()
        for field in schema.get("properties", {})
    )


publish("odyssey_proto.conformance", check_vectors)
