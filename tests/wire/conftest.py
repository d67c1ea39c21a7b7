"""The schemas and the vectors of `spec/`, as fixtures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec"


def cases(kind: str) -> list[Any]:
    """Every case of `spec/vectors/<kind>/`, as `(reference to its schema, case)`."""
    found = []
    for path in sorted((SPEC / "vectors" / kind).glob("*.json")):
        vector = json.loads(path.read_text("utf-8"))
        for case in vector["cases"]:
            found.append(pytest.param((vector["schema"], case), id=f"{path.stem}: {case['name']}"))
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes `valid` or `invalid` every case of that kind."""
    for kind in ("valid", "invalid"):
        if kind in metafunc.fixturenames:
            metafunc.parametrize(kind, cases(kind))


@pytest.fixture(scope="session")
def schema_files() -> dict[str, Any]:
    """Every schema file of `spec/`, by file name."""
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in (SPEC / "schemas").glob("*.yaml")}


@pytest.fixture(scope="session")
def envelopes() -> dict[str, Any]:
    """The two documents that refer to the schemas, by file name."""
    names = ("openapi.yaml", "asyncapi.yaml")
    return {name: yaml.safe_load((SPEC / name).read_text("utf-8")) for name in names}


@pytest.fixture(scope="session")
def registry(schema_files: dict[str, Any]) -> Registry[Any]:
    """The schema files under their names, and the bundle made of them as `bundle`."""
    bundle = json.loads((ROOT / "generated" / "schema" / "odyssey.schema.json").read_text("utf-8"))
    documents = {**schema_files, "bundle": bundle}
    return Registry().with_resources((name, Resource.from_contents(doc)) for name, doc in documents.items())


@pytest.fixture(params=["spec", "bundle"])
def validator(request: pytest.FixtureRequest, registry: Registry[Any]) -> Any:
    """Make the validator of a referenced schema, taken from `spec/` and then from the bundle."""

    def validator_of(reference: str) -> Draft202012Validator:
        if request.param == "bundle":
            reference = f"bundle#{reference.partition('#')[2]}"
        return Draft202012Validator({"$ref": reference}, registry=registry)

    return validator_of
