"""Collects all assumptions: the marks in schemas, calls and channels, and those in the pages of spec/."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from tools.codegen.docs.markdown import inline, slug
from tools.codegen.docs.placement import BEHAVIOUR, channel_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.codegen.docs.placement import Placement
    from tools.codegen.docs.source import Source

__all__ = ["assumptions", "without_sections"]

Row = tuple[str, str, Markup]
"""What is assumed, the address of its place ("" if there is none), and its description."""

_FACT: Final = "- **Assumed.** "


def assumptions(source: Source, placement: Placement) -> list[tuple[str, str, list[Row]]]:
    """Return the groups of all assumptions, each with its title and anchor."""
    groups = {
        "Objects": [*_in_schemas(source, placement)],
        "Calls": [*_in_calls(source, placement)],
        "Channels": [*_in_channels(source)],
        "Behaviour": [*_in_behaviour(source)],
        "By the table of sources": [*_in_table(source)],
    }
    return [(title, slug(f"assumed {title}"), rows) for title, rows in groups.items() if rows]


def _in_schemas(source: Source, placement: Placement) -> Iterator[Row]:
    for name in source.files:
        schema, link = source.definition(name), placement.definition(name)
        if schema.get("x-assumed"):
            yield name, link, inline(schema["description"])
        for wire, field in schema.get("properties", {}).items():
            if field.get("x-assumed"):
                yield f"{name}.{wire}", f"{link}.{wire}", inline(field.get("description", ""))
        for value in schema.get("anyOf", ()):
            if value.get("x-assumed") and "const" in value:
                yield f"{name}.{value['const']}", f"{link}.{value['const']}", inline(value.get("description", ""))


def _in_calls(source: Source, placement: Placement) -> Iterator[Row]:
    headers: dict[str, Row] = {}
    for call in source.calls():
        link = placement.call(call.id)
        if call.assumed:
            yield call.name, link, inline(call.about or call.operation.get("summary", ""))
        for status, answer in call.operation["responses"].items():
            if answer.get("x-assumed"):
                yield f"{call.name}: {status}", f"{link}.{status}", inline(answer.get("description", ""))
            for name, header in answer["headers"].items():
                if header.get("x-assumed"):
                    row = (f"the header {name}", f"{link}.{status}", inline(header.get("description", "")))
                    headers.setdefault(name, row)
        for parameter in call.parameters:
            if parameter.get("x-assumed"):
                name = parameter["name"]
                yield f"{call.name}: {name}", f"{link}.{name}", inline(parameter.get("description", ""))
    for document in source.rest:
        for name, header in document.get("components", {}).get("headers", {}).items():
            row = (f"the header {name}", "", inline(header.get("description", "")))
            if header.get("x-assumed") and all(row[2] != known[2] for known in headers.values()):
                headers[name] = row
    yield from headers.values()


def _in_channels(source: Source) -> Iterator[Row]:
    for key, channel in source.live["channels"].items():
        for name, value in channel.items():
            if isinstance(value, dict) and value.get("x-assumed"):
                shown = ", ".join(f"{what} {each}" for what, each in value.items() if what != "x-assumed")
                title = name.removeprefix("x-").replace("-", " ")
                yield f"{key}: {title}", f"{channel_page(source, key)}#{key}", inline(shown)


def _in_behaviour(source: Source) -> Iterator[Row]:
    section = ""
    lines = source.texts["behaviour.md"].splitlines()
    for index, line in enumerate(lines):
        if line.startswith("#"):
            section = line.lstrip("# ")
        if line.startswith(_FACT):
            text = line.removeprefix(_FACT)
            for more in lines[index + 1 :]:
                if not more.startswith("  "):
                    break
                text += more[1:]
            yield section, f"{BEHAVIOUR}#{slug(section)}", inline(re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", text))


def _in_table(source: Source) -> Iterator[Row]:
    """Yield the rows of the table of sources in README.md whose column "assumed" is not empty."""
    section = without_sections(source.texts["README.md"], "where-each-fact-comes-from", only=True)
    for line in section.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if len(cells) == 4 and cells[3] not in ("", "assumed") and not cells[3].startswith("-"):
            yield re.sub("`", "", cells[0]), "", inline(cells[3])


def without_sections(text: str, *sections: str, only: bool = False) -> str:
    """Return a document without the sections of level 2 with these anchors; with ``only``, just those sections.

    >>> without_sections("# A\\n\\n## B\\n\\nb\\n\\n## C\\n\\nc\\n", "b")
    '# A\\n\\n## C\\n\\nc\\n'
    """
    head, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = [part for part in parts if (slug(part.partition("\n")[0].lstrip("# ")) in sections) is only]
    return ("" if only else head) + "".join(kept)
