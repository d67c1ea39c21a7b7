"""The wheel's description is the README without the links and pictures that fail on a package index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tools.codegen.docs.markdown import headings
from tools.packaging.description import NOTE, description

README: Final = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("![A cat](docs/cat.png)\n\nText", "Text"),
        ("![A cat](https://example.org/cat.png)", "![A cat](https://example.org/cat.png)"),
        ("the [page](docs/page.md#part) of it", "the page (`docs/page.md`) of it"),
        ("[ARCHITECTURE.md](ARCHITECTURE.md)", "`ARCHITECTURE.md`"),
        ("[`spec/`](spec/README.md)", "`spec/` (`spec/README.md`)"),
        ("[`docs/index.html`](docs/index.html)", "`docs/index.html`"),
        ("[here](#there)", "[here](#there)"),
        ("[Odyssey](https://odyssey.ml)", "[Odyssey](https://odyssey.ml)"),
        ("```python\nreplies[kind](answer)\n```", "```python\nreplies[kind](answer)\n```"),
    ],
)
def test_only_links_to_files_become_paths(written: str, shown: str) -> None:
    assert description(f"# Title\n\n{written}\n") == f"# Title\n\n{NOTE}\n\n{shown}\n"


def test_all_links_of_the_description_lead_somewhere() -> None:
    shown = description(README)
    targets = re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", shown, flags=re.DOTALL))
    anchors = {f"#{anchor}" for _, anchor, _ in headings(shown)}
    assert len(targets) > len(headings(README)) / 2
    assert [target for target in targets if not target.startswith("https://") and target not in anchors] == []


def test_nothing_else_is_lost() -> None:
    assert description(README).count("```") == README.count("```")
    assert [title for *_, title in headings(description(README))] == [title for *_, title in headings(README)]
