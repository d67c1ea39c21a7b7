"""Writes the pages, with the templates and the style sheet in `tools/docs`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tools.codegen.docs import content, placement, program, provenance, sequences, states
from tools.codegen.docs.markdown import block, headings, inline, slug
from tools.codegen.docs.placement import Placement
from tools.codegen.docs.source import Source, read_source

if TYPE_CHECKING:
    from tools.codegen.sources import Schema

__all__ = ["write_docs"]

_ROOT: Final = Path(__file__).resolve().parents[3]
_TEMPLATES: Final = _ROOT / "tools" / "docs"
_SDK: Final = _ROOT / "tests" / "sdk" / "python" / "odyssey_async.py"
_CHANNELS: Final = (
    ("REST", "tokens, sessions, recordings, simulations", placement.REST, "REST"),
    ("Signaling, a WebSocket", "offer, answer, candidates, keepalives", placement.SIGNALING, "Signaling"),
    ("Two data channels", "requests about a stream, and their answers", placement.CHANNELS, "Data channels"),
    ("Media over WebRTC or HLS", "video, for clients and spectators", placement.HOSTS, "Broadcasts and media"),
)
_PROTOCOL: Final = "The protocol"
_GUIDES_PART: Final = "This client and its emulator"
_GUIDES: Final = (
    ("live", "Live sessions", "Frames, recordings, figures, bad networks, losing the connection, broadcasts."),
    ("errors", "Errors, retries and networks", "What is raised and when; proxies, certificates, redirects, logs."),
    ("processes", "Threads and processes", "Where the client runs, how it ends, and which systems were tried."),
    ("porting", "Porting", "Turning a program for the official Python SDK into one for this client."),
    ("command", "The command", "Streaming, simulating, downloading and finding faults from a shell."),
    ("emulator", "The emulator", "Its own calls, its pictures, what it stores, and who may call it."),
    ("testing", "Testing a program", "Testing a program of one's own against the emulator, faults included."),
    (
        "cassettes",
        "Live cassettes",
        "Writing a session down, replaying it to any client, the format of the file.",
    ),
    ("worlds", "Worlds of your own", "Serving a model, a simulator or a clip to every client of the protocol."),
    ("checking", "Checking a service or a client", "What the command checks, and tests of one's own."),
    ("performance", "How fast", "This client compared with a plain one, and with only decoding and converting."),
)
"""Pages whose text is in `tools/docs`: name of the file, title, subject."""
_STATES_NOTE: Final = (
    "These are the states of the client in this project, as its tables have them; other clients may have others. "
    "A label names the input that leads on, and in brackets its condition. Final states have two outlines."
)


@attrs.frozen(kw_only=True)
class _Page:
    file: str
    short: str
    title: str
    about: str
    template: str
    values: dict[str, Any] = attrs.field(repr=False)
    contents: list[tuple[int, str, str]] = attrs.field(factory=list, repr=False)
    """The entries of the list "On this page": level, anchor, text."""
    part: str = _PROTOCOL
    """The part of the documentation that it belongs to."""


def write_docs(spec: Path, schemas: dict[str, Schema], folder: Path) -> None:
    """Create ``folder``, and write the documentation of the specification in ``spec`` into it.

    ``schemas`` are those of its schema files. The state diagrams are those of ARCHITECTURE.md, and the SDK is that
    of the tests.

    Raises `SpecError` if a sequence names something that does not exist.
    """
    source = read_source(spec, schemas)
    pages = _pages(source, Placement.of(source))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = Markup((_TEMPLATES / "style.css").read_text("utf-8"))  # noqa: S704  # our own
    folder.mkdir(parents=True)
    for page in pages:
        template = environment.get_template(page.template)
        text = template.render(
            page=page, pages=pages, style=style, version=source.rest[0]["info"]["version"], **page.values
        )
        text = re.sub(r"\n\s*\n+", "\n", text) if "<pre" not in text else text
        (folder / page.file).write_text(text, "utf-8", newline="\n")


def _pages(source: Source, places: Placement) -> list[_Page]:
    pages = [
        _Page(
            file="index.html",
            short="Overview",
            title="The Odyssey protocol",
            about="What travels between the Odyssey service and its clients, for those who write a client.",
            template="index.html",
            values={"channels": _CHANNELS},
            contents=[
                (2, slug(_PROTOCOL), _PROTOCOL),
                (2, slug(_GUIDES_PART), _GUIDES_PART),
                (2, "channels", "Channels"),
                (2, "sources", "Sources"),
            ],
        ),
        _reading(source, places),
        _calls(
            source, places, placement.REST, "REST", "REST", "Every call to the API, with its bodies and errors."
        ),
        _channels_page(
            source, places, placement.SIGNALING, "Signaling", "The WebSocket on which the peer connection is made."
        ),
        _channels_page(
            source, places, placement.CHANNELS, "Data channels", "Requests to the streamer, and its answers."
        ),
        _calls(
            source,
            places,
            placement.HOSTS,
            "Broadcasts and media",
            "Broadcasts and media",
            "HTTP calls to other hosts: pings, ICE servers, and what spectators need.",
        ),
    ]
    if content.definitions_of(source, places, placement.OBJECTS):
        pages.append(
            _calls(
                source,
                places,
                placement.OBJECTS,
                "Client objects",
                "Client objects",
                "What travels on no channel.",
            )
        )
    return [*pages, *_texts(source, places), _sdk(), *(_guide(places, *guide) for guide in _GUIDES)]


def _texts(source: Source, places: Placement) -> list[_Page]:
    behaviour = source.texts["behaviour.md"]
    pages = [
        _text(
            places,
            placement.BEHAVIOUR,
            "How a client behaves",
            "What no schema says: when a message is sent, what it means, and how long to wait.",
            provenance.without_sections(behaviour, "timers-and-limits"),
            short="Behaviour",
        ),
        _sequences(source, places),
        _states(),
        _text(
            places,
            placement.TIMERS,
            "Timers and limits",
            "Every number that a client needs, with its unit and its source.",
            provenance.without_sections(behaviour, "timers-and-limits", only=True).partition("\n")[2],
        ),
        _provenance(source, places),
    ]
    if "tolerance.md" in source.texts:
        text = source.texts["tolerance.md"]
        about = "What the official clients do with a service that is less exact."
        pages.append(_text(places, placement.TOLERANCE, "Tolerance", about, text, document="tolerance.md"))
    return pages


# --- pages of calls and of channels


def _calls(source: Source, places: Placement, file: str, short: str, title: str, about: str) -> _Page:
    if file == placement.OBJECTS:
        groups = content.object_groups(source, places, file)
    else:
        groups = content.call_groups(source, places, file)
    listed: list[tuple[int, str, str]] = []
    for group in groups:
        listed.append((2, group["anchor"], group["title"]))
        listed += [(3, call["id"], f"{call['method']} {call['path']}") for call in group["calls"]]
        listed += [(3, it.name, it.name) for it in group["definitions"]]
    return _Page(
        file=file,
        short=short,
        title=title,
        about=about,
        template="calls.html",
        values={"groups": groups},
        contents=listed,
    )


def _channels_page(source: Source, places: Placement, file: str, title: str, about: str) -> _Page:
    found, definitions = content.channels(source, places, file)
    listed: list[tuple[int, str, str]] = []
    for channel in found:
        listed.append((2, channel["anchor"], channel["title"]))
        for way in channel["ways"]:
            listed += [(3, message["anchor"], message["name"]) for message in way["messages"]]
    if definitions:
        listed.append((2, "other-objects", "Other objects"))
        listed += [(3, it.name, it.name) for it in definitions]
    return _Page(
        file=file,
        short=title,
        title=title,
        about=about,
        template="channels.html",
        values={"channels": found, "definitions": definitions},
        contents=listed,
    )


# --- pages of text


def _text(
    places: Placement,
    file: str,
    title: str,
    about: str,
    text: str,
    *,
    document: str = "behaviour.md",
    short: str = "",
) -> _Page:
    text = re.sub(r"\A# .*\n", "", text)
    html = block(text, link=lambda target: places.section(document, target))
    listed = [each for each in headings(text) if each[0] < 4]
    return _Page(
        file=file,
        short=short or title,
        title=title,
        about=about,
        template="text.html",
        values={"html": html},
        contents=listed,
    )


def _reading(source: Source, places: Placement) -> _Page:
    text = provenance.without_sections(source.texts["README.md"], "where-each-fact-comes-from", "not-observed")
    about = "The files of the specification, the keywords of the schemas, and what a reader tolerates."
    return _text(places, placement.READING, "How to read it", about, text, document="README.md")


def _provenance(source: Source, places: Placement) -> _Page:
    sections = ("where-each-fact-comes-from", "not-observed")
    text = provenance.without_sections(source.texts["README.md"], *sections, only=True)
    assumed = provenance.assumptions(source, places)
    return _Page(
        file=placement.PROVENANCE,
        short="Provenance",
        title="Provenance",
        about="Where each fact comes from, and all that is assumed.",
        template="provenance.html",
        values={
            "html": block(text, link=lambda target: places.section("README.md", target)),
            "assumed": assumed,
        },
        contents=[
            *headings(text),
            (2, "what-is-assumed", "What is assumed"),
            *((3, anchor, title) for title, anchor, _ in assumed),
        ],
    )


# --- pages of drawings


def _sequences(source: Source, places: Placement) -> _Page:
    names: dict[str, str] = source.sequences["participants"]
    labels = _labels(source, places)
    drawings = [
        {
            "anchor": key,
            "title": sequence["title"],
            "text": inline(sequence["text"]),
            "assumed": bool(sequence.get("assumed")),
            "see": [
                Markup('<a href="{}#{}">{}</a>').format(placement.BEHAVIOUR, name, name.replace("-", " "))
                for name in sequence["see"]
            ],
            "drawing": sequences.drawn(key, sequence, names, labels),
            "words": sequences.in_words(sequence, names, labels),
            "rest": "",
        }
        for key, sequence in source.sequences["sequences"].items()
    ]
    return _drawings("sequences.html", "Sequences", "Who sends what to whom, and when.", drawings)


def _labels(source: Source, places: Placement) -> sequences.Labels:
    calls = {call.id: call for call in source.calls()}
    messages = {message.name: message for message in source.messages()}

    def answer(call: str, status: str) -> str:
        media = calls[call].operation["responses"][status].get("content", {})
        named = [
            each["schema"]["$ref"].rpartition("/")[2]
            for each in media.values()
            if "$ref" in each.get("schema", {})
        ]
        return " ".join([status, *named])

    def link(step: dict[str, Any]) -> str:
        if "call" in step or "of" in step:
            return places.call(step.get("call") or step["of"])
        return places.definition(messages[step["message"]].schema) if "message" in step else ""

    return sequences.Labels(lambda call: calls[call].name, answer, link)


def _states() -> _Page:
    document = (_ROOT / "ARCHITECTURE.md").read_text("utf-8")
    drawings = []
    for each in states.read_states(document):
        anchor = each.title.split(",")[0].removeprefix("The ").replace(" ", "-")
        rows = Markup("").join(
            Markup("<li>{} → {}: {}</li>").format(arrow.source, arrow.target, ", ".join(arrow.labels))
            for arrow in each.arrows
        )
        drawings.append(
            {
                "anchor": anchor,
                "title": each.title,
                "text": "",
                "assumed": False,
                "see": [],
                "drawing": states.drawn(each, anchor),
                "words": Markup("<ul>{}</ul>").format(rows),
                "rest": block(each.rest),
            }
        )
    return _drawings(
        "states.html", "States", "The states of a session, a stream and a spectator.", drawings, _STATES_NOTE
    )


def _drawings(file: str, title: str, about: str, drawings: list[dict[str, Any]], note: str = "") -> _Page:
    return _Page(
        file=file,
        short=title,
        title=title,
        about=about,
        template="drawings.html",
        values={"drawings": drawings, "note": note},
        contents=[(2, each["anchor"], each["title"]) for each in drawings],
    )


# --- pages about this project


def _guide(places: Placement, name: str, title: str, about: str) -> _Page:
    """Return a page about the client or its tools, from `tools/docs`."""
    text = re.sub(r"\A# .*\n", "", (_TEMPLATES / f"{name}.md").read_text("utf-8"))
    return _Page(
        file=f"{name}.html",
        short=title,
        title=title,
        about=about,
        template="text.html",
        values={"html": block(text, link=lambda target: _from_guide(places, target))},
        contents=headings(text),
        part=_GUIDES_PART,
    )


def _from_guide(places: Placement, target: str) -> str:
    """Return the target of a link in a guide."""
    path, _, anchor = target.partition("#")
    if path.startswith("../../spec/"):
        return places.section("", target.removeprefix("../../spec/"))
    if path.removesuffix(".md") in {name for name, *_ in _GUIDES}:
        path = f"{path.removesuffix('.md')}.html"
    return f"{path}#{anchor}" if anchor else path


# --- the page of a program


def _sdk() -> _Page:
    codes = program.divided(_SDK.read_text("utf-8"), program.ASYNC_SDK)
    parts = [
        {
            "anchor": slug(part.title),
            "title": part.title,
            "text": block(part.text),
            "code": program.coloured(code),
        }
        for part, code in zip(program.ASYNC_SDK, codes, strict=True)
    ]
    return _Page(
        file="sdk.html",
        short="An SDK",
        title="An SDK, from top to bottom",
        about="A client for asyncio on the models and on the core of the protocol, with all of its code.",
        template="sdk.html",
        values={"opening": block(program.ASYNC_SDK_OPENING), "parts": parts},
        contents=[(2, slug(part.title), part.title) for part in program.ASYNC_SDK],
    )
