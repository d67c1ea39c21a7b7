"""Go, Rust and Kotlin from the generated documents read every valid vector."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import node
from tests.support.generated import GENERATED, check_program, read_document

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = Path(__file__).with_name("programs")
OPENAPI = GENERATED / "openapi" / "odyssey.openapi.yaml"
SCHEMA = GENERATED / "schema" / "odyssey.schema.json"
DEBIAN_CRATES = Path("/usr/share/cargo/registry")
GSON = Path("/usr/share/java/gson.jar")

pytestmark = pytest.mark.timeout(600)  # compilers


def test_go_of_quicktype(javascript: Path, system_tool: Callable[[str], str]) -> None:
    go = system_tool("go")
    quicktype(javascript, "go", "models.go", "--package", "main")
    # Go omits an empty map that is `omitempty`, such as the end of a script, but not a pointer to an empty map.
    code = (javascript / "models.go").read_text("utf-8")
    code = re.sub(r"(map\[string\]\S+)(\s+`json:\"\w+,omitempty\"`)", r"*\1\2", code)
    (javascript / "models.go").write_text(code, "utf-8")
    shutil.copy(PROGRAMS / "main.go", javascript)
    (javascript / "go.mod").write_text("module odyssey\n\ngo 1.19\n", "utf-8")
    node.run(go, "vet", ".", cwd=javascript)
    node.run(go, "build", "-o", "program", ".", cwd=javascript)
    check_program(javascript, read_document("schema/odyssey.schema.json"), "./program")


@pytest.mark.generators
def test_rust_of_quicktype(javascript: Path, system_tool: Callable[[str], str]) -> None:
    cargo = system_tool("cargo")
    if not list(DEBIAN_CRATES.glob("serde_json-*")):
        pytest.skip("serde is not installed: librust-serde-json-dev, librust-serde-derive-dev")
    (javascript / "src").mkdir()
    quicktype(javascript, "rust", "src/models.rs", "--visibility", "public")
    shutil.copy(PROGRAMS / "main.rs", javascript / "src")
    shutil.copy(PROGRAMS / "Cargo.toml", javascript)
    (javascript / ".cargo").mkdir()
    (javascript / ".cargo" / "config.toml").write_text(
        f'[source.crates-io]\nreplace-with = "debian"\n\n[source.debian]\ndirectory = "{DEBIAN_CRATES}"\n', "utf-8"
    )
    node.run(cargo, "build", "--offline", "--quiet", cwd=javascript)
    check_program(javascript, read_document("schema/odyssey.schema.json"), "target/debug/program")


@pytest.mark.generators
def test_kotlin_of_openapi_generator(
    tmp_path: Path, python_tool: Callable[[str], Path], system_tool: Callable[[str], str]
) -> None:
    java = system_tool("java")
    jars = [*python_tool("python").parents[1].glob("lib/python*/site-packages/run_kotlin_kernel/jars")]
    if not jars:
        pytest.skip("the compiler of Kotlin is not installed: make generators")
    if not GSON.exists():
        pytest.skip("Gson is not installed: libgoogle-gson-java")
    tool = (python_tool("openapi-generator-cli"), "generate", "--generator-name", "kotlin", "-o", "client")
    properties = ("--global-property=models,modelDocs=false,modelTests=false",)
    # A class with `additionalProperties` would extend a map, and Gson would not read its declared fields.
    plain = OPENAPI.read_text("utf-8").replace("additionalProperties: true\n", "\n")
    (tmp_path / "plain.yaml").write_text(plain, "utf-8")
    options = (*properties, "--additional-properties=serializationLibrary=gson")
    node.run(*tool, "-i", "plain.yaml", *options, cwd=tmp_path)
    sources = sorted((tmp_path / "client").rglob("*.kt"))
    libraries = f"{GSON}:{next(jars[0].glob('kotlin-stdlib-*.jar'))}"
    compiler = (java, "-cp", f"{jars[0]}/*", "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler")
    flags = ("-no-stdlib", "-no-reflect", "-nowarn", "-cp", libraries, "-d", "classes")
    node.run(*compiler, *flags, *sources, PROGRAMS / "Main.kt", cwd=tmp_path)
    document = read_document("openapi/odyssey.openapi.yaml")
    check_program(tmp_path, document, java, "-cp", f"classes:{libraries}", "MainKt", only=document.objects())


def quicktype(folder: Path, language: str, output: str, *options: str) -> None:
    tool = ("node_modules/.bin/quicktype", "--quiet", "--src-lang", "schema", "--lang", language, "--out", output)
    node.run(*tool, *options, SCHEMA, cwd=folder)
