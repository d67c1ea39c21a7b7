"""The emulator's answers fit `generated/openapi`, which promises more than `spec/`: null fields are present."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from jsonschema import Draft202012Validator

from odyssey_proto.emulator._server import Emulator
from tests.support.plain_client import PATIENCE_S
from tests.support.plain_rest import PlainRest, script

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("generated documents")  # one emulator for all

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "generated" / "openapi" / "odyssey.openapi.json"


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(DOCUMENT.read_text("utf-8"))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(data_dir=tmp_path_factory.mktemp("emulator"), size=(512, 32)) as running:
        yield running


@pytest.fixture(scope="module")
def completed(emulator: Emulator) -> Any:
    return PlainRest(emulator).completed(script=script())


def answered(document: Any, method: str, path: str, answer: requests.Response) -> Any:
    """Check an answer against the document's description of the call, and return its body."""
    found = document["paths"][path][method.lower()]["responses"]
    status = str(answer.status_code)
    described = found.get(status) or found[f"{status[0]}XX"]
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    assert "X-Request-Id" in answer.headers
    schema = {**described["content"]["application/json"]["schema"], "components": document["components"]}
    errors = Draft202012Validator(schema).iter_errors(answer.json())
    assert [error.message for error in errors] == [], answer.text
    return answer.json()


def test_jobs_and_recordings(document: Any, emulator: Emulator, completed: Any) -> None:
    rest = PlainRest(emulator)
    job_id, stream_id = completed["job_id"], completed["streams"][0]["stream_id"]
    for path, here in (
        ("/simulation-jobs", "/simulation-jobs"),
        ("/simulation-jobs/{job_id}", f"/simulation-jobs/{job_id}"),
        ("/stream-recordings", "/stream-recordings"),
        ("/recordings/{stream_id}", f"/recordings/{stream_id}"),
        ("/regions", "/regions"),
    ):
        answered(document, "GET", path, rest.call("GET", here))


def test_a_new_job_and_its_end(document: Any, emulator: Emulator) -> None:
    rest = PlainRest(emulator)
    body = {"portrait": False, "output_video": True, "script": script(length_ms=60_000)}
    job = answered(document, "POST", "/simulation-jobs", rest.call("POST", "/simulation-jobs", json=body))
    assert job["status"] in ("pending", "dispatched", "processing")
    path = "/simulation-jobs/{job_id}"
    answered(document, "DELETE", path, rest.call("DELETE", f"/simulation-jobs/{job['job_id']}"))


def test_a_session_and_its_token(document: Any, emulator: Emulator) -> None:
    key = {"api_key": emulator.api_key}
    answer = requests.post(f"{emulator.api_url}/auth/token", json=key, timeout=PATIENCE_S)
    answered(document, "POST", "/auth/token", answer)
    rest = PlainRest(emulator)
    session = answered(document, "POST", "/sessions/request", rest.call("POST", "/sessions/request", json={}))
    asked = {"session_id": session["session_id"]}
    answered(document, "POST", "/sessions/token", rest.call("POST", "/sessions/token", json=asked))
    limit = rest.call("POST", "/sessions/request", json={})
    assert limit.status_code == 429
    assert answered(document, "POST", "/sessions/request", limit).keys() & {"action", "detail"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/recordings/{stream_id}", 404),
        ("GET", "/simulation-jobs/{job_id}", 404),
        ("POST", "/simulation-jobs", 422),
    ],
)
def test_refusals(document: Any, emulator: Emulator, method: str, path: str, status: int) -> None:
    here = path.replace("{stream_id}", "unknown").replace("{job_id}", "unknown")
    answer = PlainRest(emulator).call(method, here, **({"json": {}} if method == "POST" else {}))
    assert answer.status_code == status
    answered(document, method, path, answer)
