"""Each section listed in `tests.support.documentation` is run by the test named there, and by no other."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.documentation import GONE, SECTIONS, examples

if TYPE_CHECKING:
    from types import ModuleType

OURS = (
    "test_description",
    "test_porting",
    "test_readme",
    "test_shell_lines",
    "test_testing_page",
    "test_worlds_of_your_own",
)
"""The tests of this project's own pages."""
MODULES: dict[str, ModuleType] = {
    path.stem: importlib.import_module(f"tests.examples.{path.stem}")
    for path in sorted(Path(__file__).parent.glob("test_*.py"))
    if path.name != Path(__file__).name and path.stem not in OURS
}
LISTED = [(page, section, test) for page, of in SECTIONS.items() for section, test in of.items()]


@pytest.mark.parametrize(("page", "section", "test"), LISTED)
def test_a_section_has_its_test_or_a_reason(page: str, section: str, test: str) -> None:
    if test == GONE:
        assert page == "sdk/python/simulations"  # the only page with the statuses of version 1.0
        return
    module, _, name = test.partition(".")
    assert callable(vars(MODULES[module])[name])
    assert (page, section) in examples[test]


def test_no_test_runs_what_is_not_listed() -> None:
    listed = {(page, section, test) for page, section, test in LISTED if test != GONE}
    said = {(page, section, test) for test, of in examples.items() for page, section in of}
    assert said == listed


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"test_types"}))  # also checks signatures
def test_every_test_beside_them_is_an_example_of_something(name: str) -> None:
    tests = [f"{name}.{test}" for test in vars(MODULES[name]) if test.startswith("test_")]
    assert tests
    assert [test for test in tests if test not in examples] == []
