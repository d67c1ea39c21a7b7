"""The emulator under hundreds of requests generated from ``spec/openapi.yaml``, valid and invalid.

The witness of all tests (`odyssey_proto.conformance`) checks the same answers again, with its own validators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core import NOT_SET
from schemathesis.core.failures import FailureGroup

from odyssey_proto.conformance._calls import PLACES
from odyssey_proto.conformance._documents import spec_folder
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator
from tests.support.plain_client import bearer
from tests.support.plain_rest import PlainRest, script
from tools import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import BaseSchema

    from odyssey_proto.emulator._faults.script import FaultScript

pytestmark = pytest.mark.xdist_group("contract")  # one emulator for all

CONFIG: Final = {
    "seed": 1,
    # The default also accepts 401, 403 and 5xx, but a call that is refused for its token proves nothing.
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404"]}},
    "operations": [
        {
            # A schema cannot say which keys are well-formed, or which are valid.
            "include-name": "POST /auth/token",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "422"]}},
        },
        {
            # A job that is done cannot be cancelled.
            "include-name": "DELETE /simulation-jobs/{job_id}",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404"]}},
        },
        {
            # Clients ignore the answer, so the emulator never refuses.
            "include-name": "POST /telemetry",
            "checks": {"negative_data_rejection": {"enabled": False}},
        },
        {
            # A cancelled job is still returned: cancelling does not delete it.
            "include-name": "GET /simulation-jobs/{job_id}",
            "checks": {"use_after_free": {"enabled": False}},
        },
    ],
}
"""All checks are on, with these exceptions."""

LIMITS: Final = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def document() -> dict[str, Any]:
    """Return `openapi.yaml`, with the emulator's paths for addresses that the service chooses."""
    spec = spec_folder()
    text = (spec / "openapi.yaml").read_text("utf-8").replace("'schemas/", f"'{spec.as_uri()}/schemas/")
    found: dict[str, Any] = yaml_text.parsed(text)
    for here, there in PLACES.items():
        if there in found["paths"]:
            found["paths"][here.replace("{region}", "us-west")] = found["paths"].pop(there)
    return found


def is_tolerated(case: Any) -> bool:
    """Return whether the emulator accepts a body that its schema refuses, as stated in `spec/README.md`."""
    without = case.body is NOT_SET or (
        isinstance(case.body, dict) and case.body.get("region_latencies", 0) is None
    )
    return bool(case.operation.label == "POST /sessions/request" and without)


class Placeholder:
    """Placeholder for the token, as requests are generated before the emulator starts."""

    text = "Bearer placeholder"

    def get(self, case: Any, context: Any) -> str:
        return self.text

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers["Authorization"] = data


@pytest.fixture(scope="module")
def api() -> BaseSchema:
    """The calls of `openapi.yaml`, with the placeholder for the token."""
    found = schemathesis.openapi.from_dict(document(), config=schemathesis.Config.from_dict(CONFIG))
    found.auth()(Placeholder)
    return found


calls = schemathesis.pytest.from_fixture("api").exclude(path_regex="^/live/")
"""These calls without those of a broadcast. They are read when a test runs, not by each worker that collects."""


@attrs.frozen
class Running:
    """An emulator with one completed job of one stream."""

    url: str
    faults: FaultScript
    token: str
    ids: dict[str, str]
    http: requests.Session
    """One session for all calls: making one for each call would take a sixth of the time."""

    def fill_in(self, case: Any) -> None:
        """Put the token in the place of its placeholder, and existing ids into valid generated cases."""
        if case.headers.get("Authorization") == Placeholder.text:
            case.headers["Authorization"] = self.token
        if case.meta.phase.name.value == "fuzzing" and case.meta.generation.mode.is_positive:
            case.path_parameters |= {name: self.ids[name] for name in case.path_parameters}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("emulator")
    with Emulator(data_dir=folder, size=(512, 32)) as emulator:
        job = PlainRest(emulator).completed(script=script())
    # No workers from here on: every generated job would be filmed.
    with (
        Emulator(data_dir=folder, simulation_workers=0, concurrent_sessions=10**6, streamers=10**6) as emulator,
        requests.Session() as http,
    ):
        http.trust_env = False
        yield Running(
            url=emulator.api_url,
            faults=emulator.faults,
            token=bearer(emulator.api_url, emulator.api_key)["Authorization"],
            ids={"job_id": job["job_id"], "stream_id": job["streams"][0]["stream_id"]},
            http=http,
        )


@calls.parametrize()
@settings(LIMITS, max_examples=8)
def test_every_call_keeps_to_the_contract(case: Any, running: Running) -> None:
    running.fill_in(case)
    if not is_tolerated(case):
        case.call_and_validate(base_url=running.url, session=running.http)


def test_calls_that_follow_from_each_other_keep_to_the_contract(api: BaseSchema, running: Running) -> None:
    machine: Any = api.exclude(path_regex="^/live/").as_state_machine()

    class Calls(machine):  # type: ignore[misc]  # generated from the document
        """Sequences of calls along the links in the document and those inferred from names of fields."""

        def before_call(self, case: Any) -> None:
            running.fill_in(case)

        def validate_response(self, response: Any, case: Any, **options: Any) -> None:
            if not is_tolerated(case):
                super().validate_response(response, case, **options)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"base_url": running.url, "session": running.http}

    Calls.run(settings=settings(LIMITS, max_examples=10, stateful_step_count=6))


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 200, "body": {"regions": [{"id": "here"}]}},
        {"status": 200, "body": "{"},
        {"status": 500},
    ],
    ids=["a field that is missing", "no JSON", "an error of the server"],
)
def test_an_answer_that_breaks_the_contract_is_noticed(
    broken: dict[str, Any], api: BaseSchema, running: Running
) -> None:
    running.faults.add(Fault(step="GET /regions", action="answer", **broken))
    case = api["/regions"]["GET"].Case(headers={"Authorization": running.token})
    with pytest.raises(FailureGroup):
        case.call_and_validate(base_url=running.url, session=running.http)
