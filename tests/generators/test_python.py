"""Python from the generated documents reads every valid vector."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import node
from tests.support.generated import GENERATED, check_program, read_document

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = Path(__file__).with_name("programs")
SCHEMA = GENERATED / "schema" / "odyssey.schema.json"


def test_pydantic_of_datamodel_code_generator(tmp_path: Path) -> None:
    pytest.importorskip("pydantic")
    options = ("--input-file-type", "jsonschema", "--output-model-type", "pydantic_v2.BaseModel")
    tool = (sys.executable, "-m", "datamodel_code_generator", *options, "--target-python-version", "3.11")
    node.run(*tool, "--input", SCHEMA, "--output", "models.py", cwd=tmp_path)
    program = (sys.executable, PROGRAMS / "pydantic_models.py", "models.py")
    check_program(tmp_path, read_document("schema/odyssey.schema.json"), *program)


@pytest.mark.generators
@pytest.mark.parametrize("name", ["odyssey", "odyssey-live"])
def test_openapi_python_client(name: str, tmp_path: Path, python_tool: Callable[[str], Path]) -> None:
    python = python_tool("python")
    tool = (python_tool("openapi-python-client"), "generate", "--meta", "none", "--fail-on-warning")
    environment = {"PATH": f"{python.parent}:/usr/bin:/bin"}  # it calls ruff
    node.run(
        *tool,
        "--path",
        GENERATED / "openapi" / f"{name}.openapi.yaml",
        "--output-path",
        "client",
        cwd=tmp_path,
        environment=environment,
    )
    document = read_document(f"openapi/{name}.openapi.yaml")
    program = (python, PROGRAMS / "python_client.py", tmp_path / "client")
    check_program(tmp_path, document, *program, only=document.objects())
