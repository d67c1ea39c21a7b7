"""The adapter in TypeScript that the documentation shows, compiled and run by node."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto.conformance._documents import document, path_of
from odyssey_proto.conformance._vectors import check_vectors
from tests.support import node

if TYPE_CHECKING:
    from odyssey_proto.conformance._scorecard import Point

ROOT: Final = Path(__file__).parents[2]
SDK: Final = ROOT / "tests" / "sdk" / "typescript"

pytestmark = [
    pytest.mark.skipif(bool(node.missing(SDK)), reason=node.missing(SDK) or "it is there"),
    pytest.mark.xdist_group("typescript adapter"),  # compiled once
]

OF_TYPES: Final = frozenset({"type", "required", "const", "anyOf", "oneOf"})
"""The keywords that a TypeScript type expresses; a type guard checks no others."""


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter, compiled against the generated package."""
    folder = tmp_path_factory.mktemp("adapter")
    (code,) = re.findall(
        r"^```ts\n(.*?)^```$", path_of("conformance.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(code.splitlines()) <= 30
    (folder / "src").mkdir()
    (folder / "src" / "adapter.ts").write_text(code, "utf-8")
    shutil.copy(SDK / "tsconfig.json", folder)
    (folder / "package.json").write_text(json.dumps({"type": "module"}), "utf-8")
    (folder / "node_modules").mkdir()
    for path in (SDK / "node_modules").iterdir():
        if path.name != "odyssey-models":
            (folder / "node_modules" / path.name).symlink_to(path.resolve())
    (folder / "node_modules" / "odyssey-models").symlink_to(ROOT / "generated" / "typescript")
    # The package's own declarations are checked in `tests/sdk`.
    node.run("node", "node_modules/typescript/bin/tsc", "--project", ".", cwd=folder)
    return folder / "build" / "src" / "adapter.js"


def test_it_loses_only_the_points_that_types_cannot_have(adapter: Path) -> None:
    card = check_vectors(("node", str(adapter)), ("schema",))
    assert sum(point.outcome == "passed" for point in card.points) > 350
    for point in card.points:
        if point.outcome == "failed":
            case = vector(point)
            if point.name.startswith("valid/"):  # it leaves out a nullable field, which the type requires
                assert case["written"].keys() - case["data"].keys(), point.name
            else:
                assert case["keyword"] not in OF_TYPES, point.name


def test_what_it_does_not_support_is_skipped(adapter: Path) -> None:
    card = check_vectors(("node", str(adapter)), ("canonical", "session"))
    assert {point.outcome for point in card.points} == {"skipped"}


def vector(point: Point) -> Any:
    """Return the vector of a point."""
    path, _, pointer = point.written.removeprefix("spec/").partition("#")
    return document(path)["cases"][int(pointer.rpartition("/")[2])]
