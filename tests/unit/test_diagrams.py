"""The state diagrams in ARCHITECTURE.md match the tables."""

from __future__ import annotations

from pathlib import Path

from tools import diagrams

DOCUMENT = Path(__file__).parents[2] / "ARCHITECTURE.md"


def test_the_diagrams_are_up_to_date() -> None:
    assert diagrams.main(["--check"]) == 0


def test_a_diagram_that_differs_is_noticed_and_made_again(tmp_path: Path) -> None:
    copy = tmp_path / "ARCHITECTURE.md"
    copy.write_text(DOCUMENT.read_text("utf-8").replace("[*] --> idle", "[*] --> busy"), "utf-8")
    assert diagrams.main(["--check", "--document", str(copy)]) == 1
    assert diagrams.main(["--document", str(copy)]) == 0
    assert copy.read_text("utf-8") == DOCUMENT.read_text("utf-8")


def test_each_state_is_drawn_and_each_arrow_says_what_it_is_for() -> None:
    for diagram in diagrams.DIAGRAMS:
        section = diagrams.drawn(diagram)
        arrows = [line for line in section.splitlines() if "-->" in line and "[*]" not in line]
        assert all(": " in arrow for arrow in arrows)
        assert all(f" {state.value}" in section for state in diagram.states)
