"""The pages in `generated/docs` have everything that `spec/` has and no dead links, and load nothing."""

from __future__ import annotations

import itertools
import re
import shutil
from collections import Counter
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tools import yaml_text
from tools.codegen.docs import states
from tools.codegen.docs.markdown import inline
from tools.codegen.docs.placement import Placement
from tools.codegen.docs.program import Part, coloured, divided
from tools.codegen.docs.provenance import assumptions
from tools.codegen.docs.site import write_docs
from tools.codegen.docs.source import Source, read_source
from tools.codegen.sources import SpecError, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.codegen.sources import Schema

pytestmark = pytest.mark.xdist_group("docs")  # the pages are read once for all tests

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec"
DOCS = ROOT / "generated" / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.html"))
CHANNELS = {
    "REST": "rest.html",
    "signaling": "signaling.html",
    "data channels": "data-channels.html",
    "media": "media.html",
}
LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping", "xlink:href"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@attrs.define
class Parsed:
    """The contents of a page."""

    ids: list[str] = attrs.field(factory=list)
    links: list[str] = attrs.field(factory=list)
    loads: list[str] = attrs.field(factory=list)
    tags: list[str] = attrs.field(factory=list)
    unclosed: list[str] = attrs.field(factory=list)
    headings: list[int] = attrs.field(factory=list)
    text: str = ""
    style: str = ""


class Reader(HTMLParser):
    """Reads a page, and notes where tags do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Parsed()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.tags.append(tag)
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.found.headings.append(int(tag[1]))
        for name, value in attributes:
            if name == "id":
                self.found.ids.append(value or "")
            elif name in LOADING or (tag == "link" and name == "href"):
                self.found.loads.append(value or "")
            elif name == "href":
                self.found.links.append(value or "")
            elif name == "style":
                self.found.style += value or ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.found.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.found.style += data
        else:
            self.found.text += data


@cache
def parsed(name: str) -> Parsed:
    return parse((DOCS / name).read_text("utf-8"))


def parse(html: str) -> Parsed:
    reader = Reader()
    reader.feed(html)
    reader.close()
    reader.found.unclosed += reader._open
    return reader.found


@cache
def source() -> Source:
    return read_source(SPEC, read(SPEC / "schemas"))


@cache
def anchors() -> frozenset[str]:
    """Return every anchor of every page, as `page#anchor`."""
    return frozenset(f"{name}#{anchor}" for name in PAGES for anchor in parsed(name).ids)


def strangers(page: Parsed) -> list[str]:
    """Return what a page would load from anywhere but itself."""
    found = [load for load in page.loads if not load.startswith("data:")]
    found += [word for word in ("url(", "@import", "http:", "https:") if word in page.style]
    return found + [tag for tag in page.tags if tag in ("script", "iframe", "img", "object", "embed")]


def where(page: str, link: str) -> str:
    """Return what is wrong with a link, or ""."""
    target, _, anchor = link.partition("#")
    if "://" in target:
        return "" if not anchor else f"{link}: another host"
    if target.endswith(".html") or not target:
        return "" if not anchor or f"{target or page}#{anchor}" in anchors() else f"{link}: no such anchor"
    return "" if (DOCS / target).resolve().exists() else f"{link}: no such file"


@pytest.mark.parametrize("page", CHANNELS.values(), ids=CHANNELS.keys())
def test_each_channel_has_a_page(page: str) -> None:
    assert page in PAGES
    assert f'href="{page}"' in (DOCS / "index.html").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_well_formed(page: str) -> None:
    found = parsed(page)
    assert found.unclosed == []
    assert [anchor for anchor, times in Counter(found.ids).items() if times > 1] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing(page: str) -> None:
    assert strangers(parsed(page)) == []


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://example.org/a.png">',
        '<link rel="stylesheet" href="style.css">',
        '<script src="a.js"></script>',
        "<style>@import 'a.css';</style>",
        '<p style="background: url(a.png)"></p>',
    ],
)
def test_what_loads_something_is_noticed(html: str) -> None:
    assert strangers(parse(html))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = parsed(page).links
    assert len(links) > len(PAGES)
    assert [wrong for link in links if (wrong := where(page, link))] == []


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    assert where("rest.html", "#createTokens")
    assert where("rest.html", "signaling.html#Offered")
    assert where("rest.html", "../../spec/none.md")
    assert not where("rest.html", "#createToken")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_walked_by_its_headings_and_landmarks(page: str) -> None:
    found = parsed(page)
    assert found.headings.count(1) == 1
    main = found.headings[found.headings.index(1) :]
    assert all(below <= above + 1 for above, below in itertools.pairwise(main)), main
    assert {"main", "nav", "header", "footer"} <= set(found.tags)


# --- nothing is left out


def test_every_definition_and_every_field_has_an_anchor() -> None:
    names = {anchor.partition("#")[2] for anchor in anchors()}
    wanted = set(source().files)
    for name in source().files:
        schema = source().definition(name)
        wanted |= {f"{name}.{field}" for field in schema.get("properties", {})}
        wanted |= {f"{name}.{each['const']}" for each in schema.get("anyOf", ()) if "const" in each}
    assert wanted - names == set()


def test_every_call_has_an_anchor_and_all_its_answers() -> None:
    names = {anchor.partition("#")[2] for anchor in anchors()}
    for document in yaml_documents("openapi"):
        for path, item in document["paths"].items():
            for method in ("get", "post", "delete"):
                if method in item:
                    operation = item[method]["operationId"]
                    assert {operation, *(f"{operation}.{status}" for status in item[method]["responses"])} <= names
                    assert path == "/" or path in parsed("rest.html").text + parsed("media.html").text


def test_every_message_is_on_the_page_of_its_channel_in_its_direction() -> None:
    (document,) = yaml_documents("asyncapi")
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"].rpartition("/")[2]
        page = "signaling.html" if channel == "signaling" else "data-channels.html"
        way = "sent" if operation["action"] == "send" else "received"
        for reference in operation["messages"]:
            key = reference["$ref"].rpartition("/")[2]
            name = document["components"]["messages"][
                document["channels"][channel]["messages"][key]["$ref"].rpartition("/")[2]
            ]["name"]
            assert f"{page}#{channel}.{name}.{way}" in anchors()


def yaml_documents(kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(SPEC.glob("*.yaml")):
        document = yaml_text.parsed(path.read_text("utf-8"))
        if kind in document:
            yield document


def marks(node: Any) -> Iterator[str]:
    """Yield the description of everything that is marked as assumed, or else its summary or status."""
    if isinstance(node, list):
        for each in node:
            yield from marks(each)
    if isinstance(node, dict):
        if node.get("x-assumed"):
            yield str(node.get("description") or node.get("summary") or node.get("status"))
        for each in node.values():
            yield from marks(each)


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def test_everything_that_is_marked_as_assumed_is_on_the_list() -> None:
    documents = [*source().schemas.values(), *yaml_documents("openapi"), *yaml_documents("asyncapi")]
    wanted = [plain(text) for document in documents for text in marks(document)]
    assert len(wanted) > 15
    listed = plain(parsed("provenance.html").text.split("What is assumed")[-1])
    assert [text for text in wanted if text not in listed] == []


def test_every_assumed_fact_of_the_texts_is_on_the_list() -> None:
    groups = {title: rows for title, _, rows in assumptions(source(), Placement.of(source()))}
    assert len(groups["Behaviour"]) == source().texts["behaviour.md"].count("- **Assumed.** ")
    table = source().texts["README.md"].split("| assumed |")[1].split("\n\n")[0]
    last = [line.strip().removesuffix("|").rpartition("|")[2].strip() for line in table.splitlines()[2:]]
    assert len(groups["By the table of sources"]) == len([cell for cell in last if cell]) > 2
    assert "a second connection to a session" in parsed("provenance.html").text


def test_every_section_about_behaviour_is_there() -> None:
    headings = [line.lstrip("# ") for line in source().texts["behaviour.md"].splitlines() if line.startswith("##")]
    assert len(headings) > 30
    text = parsed("behaviour.html").text + parsed("timers.html").text
    assert [heading for heading in headings if heading not in text] == []


@pytest.mark.parametrize("name", ["connect", "stream", "reconnect", "credentials", "broadcast", "simulation"])
def test_there_is_a_sequence(name: str) -> None:
    assert f"sequences.html#{name}" in anchors()


def test_every_state_and_every_label_is_drawn_and_no_two_places_overlap() -> None:
    diagrams = states.read_states((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    assert [diagram.title.split(",")[0] for diagram in diagrams] == ["The session", "The stream", "The spectator"]
    for diagram in diagrams:
        drawing = str(states.drawn(diagram, "x"))
        assert all(f">{state}</text>" in drawing for state in diagram.states)
        for arrow in diagram.arrows:
            assert all(f">{label}</text>" in drawing for label in arrow.labels)
        boxes = [box(node) for node in tagged(drawing, "rect") if node.get("class") in ("actor", "label")]
        assert len(boxes) == len(diagram.states) + len(diagram.arrows)
        assert [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if overlap(a, b)] == []


def tagged(html: str, tag: str) -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = []

    class Nodes(HTMLParser):
        def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
            if name == tag:
                found.append(dict(attributes))

        handle_startendtag = handle_starttag

    Nodes().feed(html)
    return found


def box(node: dict[str, str | None]) -> tuple[float, float, float, float]:
    x, y, width, height = (float(node[name] or 0) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# --- the program


def test_the_sdk_is_printed_from_its_first_line_to_its_last() -> None:
    page = (DOCS / "sdk.html").read_text("utf-8")
    parts = re.findall(r'<code class="python">(.*?)</code></pre>', page, re.DOTALL)
    assert len(parts) == 6
    printed = unescape(re.sub("<[^>]*>", "", "\n".join(parts)))
    program = (ROOT / "tests" / "sdk" / "python" / "odyssey_async.py").read_text("utf-8")
    assert [line for line in printed.splitlines() if line] == [line for line in program.splitlines() if line]


def test_a_part_that_the_program_has_elsewhere_or_not_at_all_is_refused() -> None:
    first, second = Part("a = 1", "A", ""), Part("b = 2", "B", "")
    assert divided("a = 1\n\n\nb = 2\nc = 3\n", (first, second)) == ["a = 1", "b = 2\nc = 3"]
    for program in ("a = 1\n", "b = 2\na = 1\n", "import os\na = 1\nb = 2\n"):
        with pytest.raises(ValueError, match="not"):
            divided(program, (first, second))


@pytest.mark.parametrize(
    ("code", "colours"),
    [
        ("for x in y: pass  # for", ["word for", "word in", "word pass", "note # for"]),
        ('x = f"# {y}" + r\'"\'', ['text f"# {y}"', "text r'\"'"]),
        ('"""One.\n\n"Two" # three\n"""', ['text """One.\n\n"Two" # three\n"""']),
        ("    match x:\n        case forty:", ["word     match", "word         case"]),
        ("match = re.match(information, is_)", []),
    ],
)
def test_code_is_coloured(code: str, colours: list[str]) -> None:
    found = re.findall(r'<span class="(\w+)">(.*?)</span>', coloured(code), re.DOTALL)
    assert [unescape(f"{kind} {text}") for kind, text in found] == colours
    assert unescape(re.sub("<[^>]*>", "", coloured(code))) == code


# --- faults of the specification


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A copy of `spec/`, to be spoilt."""
    return Path(shutil.copytree(SPEC, tmp_path / "spec", ignore=shutil.ignore_patterns("vectors")))


@cache
def schemas() -> dict[str, Schema]:
    return read(SPEC / "schemas")


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ("call: createToken", "call: createTokens", "connect: no call `createTokens`"),
        ("message: offer", "message: offered", "connect: no message `offered`"),
        ("answer: '503'", "answer: '504'", "connect: `requestSession` has no answer `504`"),
        ("to: regions, call", "to: store, call", "connect: `store` takes no part"),
        ("see: [streams]", "see: [rivers]", "stream: no section `rivers`"),
    ],
)
def test_a_sequence_that_names_what_does_not_exist_is_refused(
    spec: Path, right: str, wrong: str, fault: str
) -> None:
    path = spec / "sequences.yaml"
    text = path.read_text("utf-8").replace(right, wrong)
    path.write_text(text, "utf-8")
    with pytest.raises(SpecError) as caught:
        write_docs(spec, schemas(), spec.parent / "docs")
    line = text.partition(wrong)[0].count("\n") + 1
    assert f"spec/sequences.yaml:{line}: {fault}" in caught.value.faults


def test_a_picture_in_a_text_is_not_loaded() -> None:
    assert "<img" not in inline("It is like ![this](https://example.org/cat.png).")


def test_a_new_definition_gets_a_place(spec: Path) -> None:
    (spec / "schemas" / "new.yaml").write_text(
        "$schema: https://json-schema.org/draft/2020-12/schema\ntitle: New\ndescription: New objects.\n"
        "$defs: {Novelty: {description: 'It is <new>.', type: object, properties:"
        " {age: {type: integer, description: Its age.}}, examples: [{age: 3}]}}\n",
        "utf-8",
    )
    openapi = (spec / "openapi.yaml").read_text("utf-8").rstrip()
    (spec / "openapi.yaml").write_text(
        f"{openapi}\n    Novelty: {{$ref: 'schemas/new.yaml#/$defs/Novelty'}}\n", "utf-8"
    )
    write_docs(spec, read(spec / "schemas"), spec.parent / "docs")
    page = (spec.parent / "docs" / "objects.html").read_text("utf-8")
    assert 'id="Novelty.age"' in page
    assert "It is &lt;new&gt;." in page
