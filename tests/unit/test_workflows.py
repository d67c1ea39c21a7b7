"""The workflows and the commit hooks: they can be read, and they call targets that the Makefile has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from tools import yaml_text

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS: Final = set(
    re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)


def read(path: Path) -> Any:
    return yaml_text.parsed(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_job_of_a_workflow_has_steps_that_call_existing_targets(path: Path) -> None:
    names = {name for target in TARGETS for name in target.split()}
    jobs = read(path)["jobs"]
    assert jobs
    for job in jobs.values():
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert commands
        called = {name for command in commands for name in re.findall(r"\bmake ([a-z-]+)", command)}
        assert called <= names


def test_all_promised_systems_run_the_inner_loop() -> None:
    (workflow,) = (path for path in WORKFLOWS if path.name == "tests.yml")
    matrix = read(workflow)["jobs"]["inner-loop"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["system"]} == {"ubuntu", "macos", "windows"}
    assert {"3.11", "3.12", "3.13"} <= set(matrix["python"])


@pytest.mark.parametrize(
    "path",
    [ROOT / ".pre-commit-config.yaml", *sorted((ROOT / ".github").rglob("*.yml"))],
    ids=lambda path: path.name,
)
def test_the_configuration_of_hooks_workflows_and_templates_is_yaml(path: Path) -> None:
    assert isinstance(read(path), dict)
