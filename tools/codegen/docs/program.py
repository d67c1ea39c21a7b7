"""Turns a Python program into a page, in parts with a short introduction each. This module reads no file.

The parts follow each other in the program, and nothing between them is left out.
"""

from __future__ import annotations

import itertools
import keyword
import re
from typing import Final

import attrs
from markupsafe import Markup, escape

__all__ = ["ASYNC_SDK", "ASYNC_SDK_OPENING", "Part", "coloured", "divided"]


@attrs.frozen
class Part:
    """A part of a program."""

    begins: str
    """Its first line."""
    title: str
    text: str
    """Its introduction, in Markdown."""


ASYNC_SDK_OPENING: Final = """\
This is a whole SDK for asyncio, as the tests of this project run it: connecting, streams, images, rejoining,
jobs. It stands on two packages. `odyssey_models` has every message as a class. `odyssey_proto.core` has the
protocol without I/O: it decides, and the SDK does what it says. So there are no timers, counters and retries to
write, and no [states](states.html) to track. In the live scenarios of the conformance kit, it has all points but
those for watching broadcasts, which it leaves out.

The file is `tests/sdk/python/odyssey_async.py`. Beside it are its tests, and `adapter.py`, which connects it to
the kit. An SDK in another language has no such core: there, [Behaviour](behaviour.html) says what to decide.
"""

ASYNC_SDK: Final = (
    Part(
        '"""An asynchronous SDK for Odyssey, on asyncio, aiohttp and aiortc.',
        "What it stands on",
        """\
aiohttp does HTTP and WebSockets, and aiortc does WebRTC.
""",
    ),
    Part(
        "class Odyssey:",
        "The calls",
        """\
Every [REST call](rest.html) goes through `call`. It adds the [access token](behaviour.html#access-tokens), and
the core reads the answer: `core.refusal` makes a typed error of one that failed, and `core.decode` makes a model
of one that succeeded, as [tolerantly](reading.html#what-a-reader-tolerates) as a client has to.
""",
    ),
    Part(
        "class Session:",
        "What users call",
        """\
A user's call is a command with a number. The core answers each number once, with `Succeed` or `Fail`, at the end
of this class. A call that its user has given up is reported with `Abandon`: its late answer must not be taken
for that of [the next one](behaviour.html#order-of-answers).
""",
    ),
    Part(
        "    # --- the loop between the core and the network",
        "The loop",
        """\
All that happens goes into the core through `_feed`: commands, and what the network reports. What comes out is
carried out in order by `_carry_out`. Then a timer is set for the time at which the core wants to be called
again. Nothing in here waits. What takes time becomes a task, and reports its outcome with `post`.
""",
    ),
    Part(
        "class Link:",
        "A link: signaling",
        """\
A link is one attempt at a [connection](sequences.html#connect). If it breaks, it reports that and is done; the
core closes it and, if there is still time, [opens the next one](sequences.html#reconnect). Reports of a link
that was closed are ignored by the core, so no flag has to be reset.
""",
    ),
    Part(
        "    # --- the peer connection",
        "A link: the peer connection",
        """\
The streamer offers, and the client [answers](behaviour.html#offer-and-answer). It is
[connected](behaviour.html#connected) once it has the video track and the channel to the streamer; the core waits
for both reports.
""",
    ),
)
"""The parts of `tests/sdk/python/odyssey_async.py`."""

_WORDS: Final = "|".join(sorted(keyword.kwlist))
_TOKEN: Final = re.compile(
    rf"""
    (?P<note> \#[^\n]*)
    | (?P<text> \b[bfr]{{0,2}}(?:\"\"\"[\s\S]*?\"\"\" | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
              | (?:\"\"\"[\s\S]*?\"\"\" | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'))
    | (?P<word> \b(?:{_WORDS})\b | ^[ ]*(?:match|case)\b(?=.*:$))
    """,
    re.MULTILINE | re.VERBOSE,
)


def divided(program: str, parts: tuple[Part, ...]) -> list[str]:
    """Return the code of each part, without the empty lines at its end.

    Raises:
        ValueError: a part is not in the program or not in its place, or something comes before the first part.
    """
    lines = program.splitlines()
    starts = [lines.index(part.begins) for part in parts]
    if starts[0] != 0 or starts != sorted(starts):
        raise ValueError("the parts are not those of the program")
    return ["\n".join(lines[begin:end]).rstrip("\n") for begin, end in itertools.pairwise([*starts, len(lines)])]


def coloured(code: str) -> Markup:
    """Return Python as HTML, with the classes `note`, `text` and `word` for comments, texts and keywords.

    >>> print(coloured("return a < 1  # it"))
    <span class="word">return</span> a &lt; 1  <span class="note"># it</span>
    """
    found, done = Markup(), 0
    for token in _TOKEN.finditer(code):
        found += escape(code[done : token.start()])
        found += Markup('<span class="{}">{}</span>').format(token.lastgroup, token[0])
        done = token.end()
    return found + escape(code[done:])
