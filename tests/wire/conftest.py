"""The schemas and the vectors of `spec/`, and a machine without a network, as fixtures."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.support.cases import run_all
from tools import yaml_text

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec"


KINDS: Final = ("valid", "invalid")


@functools.cache
def cases(path: Path) -> list[tuple[str, Any]]:
    """Return the cases of a file of vectors: the name of each, and `(reference to its schema, case)`."""
    vector = json.loads(path.read_text("utf-8"))
    return [(case["name"], (vector["schema"], case)) for case in vector["cases"]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with an argument `valid` or `invalid` for every file of that kind."""
    for kind in KINDS:
        if kind in metafunc.fixturenames:
            paths = sorted((SPEC / "vectors" / kind).glob("*.json"))
            metafunc.parametrize(kind, paths, ids=[path.stem for path in paths])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call such a test for every case of its file."""
    kind = next((kind for kind in KINDS if kind in pyfuncitem.funcargs), None)
    if kind is None:
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    others = {name: pyfuncitem.funcargs[name] for name in names if name != kind}
    run_all(lambda case: pyfuncitem.obj(**others, **{kind: case}), cases(pyfuncitem.funcargs[kind]))
    return True


@pytest.fixture(scope="session")
def schema_files() -> dict[str, Any]:
    """Every schema file of `spec/`, by file name."""
    return {path.name: yaml_text.parsed(path.read_text("utf-8")) for path in (SPEC / "schemas").glob("*.yaml")}


@pytest.fixture(scope="session")
def envelopes() -> dict[str, Any]:
    """The two documents that refer to the schemas, by file name."""
    names = ("openapi.yaml", "asyncapi.yaml")
    return {name: yaml_text.parsed((SPEC / name).read_text("utf-8")) for name in names}


@pytest.fixture(scope="session")
def registry(schema_files: dict[str, Any]) -> Registry[Any]:
    """The schema files by name, and the generated bundle as `bundle`."""
    bundle = json.loads((ROOT / "generated" / "schema" / "odyssey.schema.json").read_text("utf-8"))
    documents = {**schema_files, "bundle": bundle}
    return Registry().with_resources((name, Resource.from_contents(doc)) for name, doc in documents.items())


class CheckJsonschema(Protocol):
    """Runs the command ``check-jsonschema`` in this process, and returns its status and what it printed."""

    def __call__(self, *arguments: str | Path) -> tuple[int, str]: ...


@pytest.fixture
def check_jsonschema() -> CheckJsonschema:
    # Loaded here: most workers do not need it.
    command = importlib.import_module("check_jsonschema").main
    runner = importlib.import_module("click.testing").CliRunner()

    def check(*arguments: str | Path) -> tuple[int, str]:
        done = runner.invoke(command, [*map(str, arguments)])
        return done.exit_code, done.output

    return check


@pytest.fixture(params=["spec", "bundle"])
def validator(request: pytest.FixtureRequest, registry: Registry[Any]) -> Any:
    """A function that makes the validator of a referenced schema, first from `spec/`, then from the bundle."""

    def validator_of(reference: str) -> Draft202012Validator:
        if request.param == "bundle":
            reference = f"bundle#{reference.partition('#')[2]}"
        return Draft202012Validator({"$ref": reference}, registry=registry)

    return validator_of


class NetworkIsOffError(Exception):
    """A test that must not use a network used it. Not an `OSError`, which would look like a failing network."""


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every connection and every lookup of a name raise `NetworkIsOffError`.

    An audit hook would see more, but cannot be removed. Also, on Python 3.11, a new thread cannot be traced, for
    example by coverage, while the hook runs for another new thread.
    """

    def refusing(name: str) -> Callable[..., None]:
        def refuse(*arguments: object, **_: object) -> None:
            raise NetworkIsOffError(f"socket.{name}: {arguments}")

        return refuse

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, refusing(name))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, refusing(name))
