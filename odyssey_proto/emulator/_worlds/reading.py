"""The wishes in a prompt, clause by clause.

This module does not know the current scene: `scene` decides how to fulfil a wish.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from . import words as known

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Colour", "Mention", "Wish", "read"]

Colour = tuple[int, int, int]
"""RGB, 0 to 255."""

_CLAUSES: Final = re.compile(r"[.;!?,]|\b(?:and|but|then|while|as)\b")
_WORD: Final = re.compile(r"[a-z]+|[0-9]+")
_Meaning = TypeVar("_Meaning")
_NEAR: Final = 2
"""How many words before a subject a colour may stand and still belong to it."""


@attrs.frozen(kw_only=True)
class Mention:
    """A subject that a prompt names."""

    subject: str
    count: int | None = None
    """The wanted number; None if the prompt does not give one."""
    is_plural: bool = False
    """Whether the word is a plural, which means more than one if there is no number."""
    more: bool = False
    """Whether more are wanted than there are: ``count`` more, or one."""
    leaves: bool = False
    action: str | None = None
    colour: Colour | None = None
    is_pronoun: bool = False
    """Whether the word may mean any subject that is present."""


@attrs.frozen(kw_only=True)
class Wish:
    """The parts that a prompt names; None for those that it does not."""

    place: str | None = None
    time: str | None = None
    weather: str | None = None
    mentions: tuple[Mention, ...] = ()
    replaces: bool = False
    """Whether new subjects replace the present ones."""
    empties: bool = False
    """Whether everybody leaves."""
    action: str | None = None
    """The action of everybody."""
    coat: Colour | None = None
    """Colour of everybody."""
    tint: Colour | None = None
    """Colour of the light."""
    zoom: int = 0
    """Steps of the camera towards the cast; negative for steps away from it."""
    pan: str | None = None


def read(prompt: str) -> Wish:
    """Return the wishes in ``prompt``.

    >>> read("Remove the cat, two red boats come closer").mentions[1].count
    2
    """
    wish, removing = Wish(), False
    for text in _CLAUSES.split(prompt.lower()):
        if found := _WORD.findall(text):
            wish, removing = _with_clause(wish, found, removing=removing)
    return wish


def _with_clause(wish: Wish, clause: list[str], *, removing: bool) -> tuple[Wish, bool]:
    """Return ``wish`` with the wishes of one more clause, and whether removing may go on in the next clause."""
    action = _first(clause, known.ACTIONS)
    if action is not None or clause[0] in ("a", "an") or known.ADDING & {*clause}:
        removing = False
    kept = [] if removing else list(itertools.takewhile(lambda word: word not in known.REMOVING, clause))
    weather = _first(clause, known.WEATHERS)
    mentions: list[Mention] = []
    count, more, empties = None, False, False
    for place, word in enumerate(clause):
        removing = (removing or word in known.REMOVING) and word not in known.ADDING
        count = known.NUMBERS.get(word, count)
        more = more or word in known.MORE
        if word in known.SUBJECTS or word in known.PEOPLE:
            mention = Mention(
                subject=known.SUBJECTS.get(word, "person"),
                count=count,
                is_plural=word in known.PLURALS,
                more=more,
                leaves=removing,
                is_pronoun=word in known.PEOPLE,
                colour=_first(clause[max(0, place - _NEAR) : place], known.COLOURS),
            )
            mentions.append(mention)
            count, more = None, False
        elif word in known.ALL and (removing or _leaves(clause)):
            empties = True
    if _leaves(clause) and (mentions or empties):
        mentions = [attrs.evolve(mention, leaves=True) for mention in mentions]
        weather = None if weather == "petals" else weather  # "the cat leaves"
    if known.STOPPING & {*clause}:
        action = None if weather is not None else (action or "still")
    if weather is not None and (removing or known.STOPPING & {*clause}):
        weather = "clear"
    named = {*clause}
    if (weather or named & known.TIMES.keys()) and not (mentions or named & known.PRONOUNS):
        action = None  # "the moon rises"
    colour, tint = _first(clause, known.COLOURS), None
    if colour is not None and not any(mention.colour for mention in mentions):
        is_of_subject = (mentions or named & known.PRONOUNS) and not named & known.SKIES
        colour, tint = (colour, None) if is_of_subject else (None, colour)
    mentions = [
        attrs.evolve(mention, action=action, colour=mention.colour or (colour if not tint else None))
        for mention in mentions
    ]
    return attrs.evolve(
        wish,
        place=wish.place or _first(kept, known.PLACES),
        time=wish.time or _first(clause, known.TIMES),
        weather=weather or wish.weather,
        mentions=(*wish.mentions, *mentions),
        replaces=wish.replaces or bool(known.REPLACING & {*clause}),
        empties=wish.empties or empties,
        action=wish.action or (None if mentions else action),
        coat=wish.coat or (None if mentions or tint else colour),
        tint=wish.tint or tint,
        zoom=wish.zoom or _zoom(clause),
        pan=wish.pan or _pan(clause),
    ), removing


def _first(clause: list[str], meanings: Mapping[str, _Meaning]) -> _Meaning | None:
    """Return the meaning of the first word that has one."""
    return next((meanings[word] for word in clause if word in meanings), None)


def _leaves(clause: list[str]) -> bool:
    away = ("go", "away"), ("goes", "away"), ("going", "away")
    return any(pair in away for pair in itertools.pairwise(clause)) or bool(known.LEAVING & {*clause})


def _zoom(clause: list[str]) -> int:
    named = {*clause}
    moves = named & {"zoom", "zooms", "pull", "pulls", "camera", "step", "move", "moves"}
    if named & {"wide", "aerial", "panorama"} or (moves and named & {"out", "back", "away"}):
        return -1
    return int(bool(named & {"zoom", "zooms", "closer", "close", "closeup", "approach"}))


def _pan(clause: list[str]) -> str | None:
    found = next((word for word in clause if word in ("left", "right")), None)
    return found or ("right" if {"pan", "pans"} & {*clause} else None)
