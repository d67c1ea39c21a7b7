"""TypeScript from the generated documents reads every valid vector."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import node
from tests.support.generated import GENERATED, Document, check_program, read_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOCUMENTS = ["odyssey", pytest.param("odyssey-live", marks=pytest.mark.generators)]
SCHEMA = GENERATED / "schema" / "odyssey.schema.json"

pytestmark = pytest.mark.timeout(600)  # compilers

STRICT = (
    "--strict",
    "--exactOptionalPropertyTypes",
    "--target",
    "es2022",
    "--module",
    "nodenext",
)

TYPED = """\
import type * as models from "./models.js";

declare const console: {{ log(text: string): void }};

// Takes a value of any type that has the fields of T, and keeps it.
const read = <T>() => <const Value extends T>(value: Value): T => value;

export const values: unknown[] = [
{values}
];
for (const value of values) console.log(JSON.stringify(value));
"""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_openapi_typescript(name: str, javascript: Path) -> None:
    # Without the option, a request would have to give a field that has a default.
    tool = ("node_modules/.bin/openapi-typescript", "--default-non-nullable=false", "--output", "models.ts")
    node.run(*tool, GENERATED / "openapi" / f"{name}.openapi.yaml", cwd=javascript)
    check_types(javascript, read_document(f"openapi/{name}.openapi.yaml"), 'models.components["schemas"]["{}"]')


@pytest.mark.generators
def test_json_schema_to_typescript(javascript: Path) -> None:
    node.run("node_modules/.bin/json2ts", "--input", SCHEMA, "--output", "models.ts", cwd=javascript)
    check_types(javascript, read_document("schema/odyssey.schema.json"), "models.{}")


@pytest.mark.generators
@pytest.mark.parametrize("name", ["odyssey", "odyssey-live"])
def test_typescript_fetch_of_openapi_generator(
    name: str, javascript: Path, python_tool: Callable[[str], Path]
) -> None:
    options = "importFileExtension=.js,enumUnknownDefaultCase=true"
    tool = (python_tool("openapi-generator-cli"), "generate", "--generator-name", "typescript-fetch")
    node.run(
        *tool,
        "-i",
        GENERATED / "openapi" / f"{name}.openapi.yaml",
        "-o",
        "client",
        f"--additional-properties={options}",
        cwd=javascript,
    )
    # The generator's own code does not compile with `--exactOptionalPropertyTypes`.
    strict = [option for option in STRICT if option != "--exactOptionalPropertyTypes"]
    libraries = ("--lib", "es2022,dom", "--types", "node")
    compiler = ("node_modules/.bin/tsc", *strict, *libraries, "--outDir", "build")
    node.run(*compiler, "client/index.ts", cwd=javascript)
    program = ("node", "typescript_fetch.mjs", "./build/index.js")
    document = read_document(f"openapi/{name}.openapi.yaml")
    check_program(javascript, document, *program, only=document.objects())


@pytest.mark.generators
def test_modelina(javascript: Path) -> None:
    document = read_document("asyncapi/odyssey.asyncapi.yaml")
    (javascript / "document.json").write_text(json.dumps(document.content), "utf-8")
    models = json.loads(node.run("node", "modelina.mjs", "document.json", "models", cwd=javascript))
    exports = "".join(f'export {{ {name} }} from "./{name}.js";\n' for name in models)
    (javascript / "models" / "index.ts").write_text(exports, "utf-8")
    (javascript / "models" / "package.json").write_text(
        '{"type": "commonjs"}\n', "utf-8"
    )  # its imports name no extensions
    compiler = ("node_modules/.bin/tsc", "--strict", "--target", "es2022", "--module", "commonjs")
    node.run(*compiler, "models/index.ts", cwd=javascript)
    check_program(javascript, document, "node", "modelina_read.mjs", "./models/index.js", only=set(models))


def check_types(folder: Path, document: Document, name: str) -> None:
    """Compile each vector as a value of its type, also with fields that are not listed."""
    cases = [*document.cases(), *document.cases(unlisted=True)]
    values = "".join(f"  read<{name.format(case.definition)}>()({json.dumps(case.value)}),\n" for case in cases)
    (folder / "read.ts").write_text(TYPED.format(values=values), "utf-8")
    # Reading the types of Node and of browsers would take as long as all the rest.
    few = ("--lib", "es2022", "--typeRoots", "none", "--skipLibCheck")
    node.run("node_modules/.bin/tsc", *STRICT, *few, "read.ts", cwd=folder)
    kept = [json.loads(line) for line in node.run("node", "read.js", cwd=folder).splitlines()]
    assert document.faults(cases, kept) == []
