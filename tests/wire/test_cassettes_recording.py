"""Cassettes are recorded completely, the same every time, and without secrets; the search finds any secret."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from vcr.request import Request

from odyssey_proto import OdysseyAuthError
from odyssey_proto.emulator._server import Emulator
from tests.support.apis import give_time
from tools.cassettes.__main__ import main
from tools.cassettes.leaks import leaks
from tools.cassettes.record import Service, record
from tools.cassettes.scenes import SCENES
from tools.cassettes.scrub import Scrubber
from tools.cassettes.tape import FOLDER, Tape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto.conformance._witness import Witness


@pytest.fixture(autouse=True)
def the_contract_holds(witness: Witness) -> Iterator[None]:
    """Some scenes send what our client would refuse, to get the service's answer: only answers must conform."""
    yield
    assert [found for found in witness.violations() if found.by == "service"] == []


CASSETTES = sorted(FOLDER.glob("*.yaml"))

SEED = "c2VlZGVkLXNlY3JldA"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256"}', b'{"session_id":"s","jti":"c2VlZGVkLXNlY3JldA"}', b"c2VlZGVkLXNlY3JldA")
)

SEEDED = {
    "a key in a header": f"x-api-key:\n- ody_{SEED}",
    "a key in a body": f'"api_key": "ody_{SEED}"',
    "a key of another form": f'"api_key": "{SEED}"',
    "a key in a text": f"detail: the key ody_live_{SEED} is not known",
    "a bearer token": f"Authorization:\n- Bearer {SEED}",
    "a basic password": f"Authorization:\n- Basic {SEED}=",
    "an access token": f'"access_token": "{SEED}"',
    "a session token": f'"session_token": "{JWT}"',
    "a token in a text": f"the token {JWT} has expired",
    "a spectator token": f'"spectator_token": "{SEED}"',
    "a token in a query": f"uri: wss://example.org/client/1?token={SEED}",
    "a signed address": f"https://example.org/video.mp4?Expires=REDACTED&Signature={SEED}",
    "an address signed for S3": f"https://example.org/video.mp4?a=1&X-Amz-Signature={SEED}",
    "whose key signed it": f"https://example.org/video.mp4?X-Amz-Credential={SEED}",
    "an address signed for CloudFront": f"https://example.org/video.mp4?Policy={SEED}",
    "an address signed for Azure": f"https://example.org/video.mp4?sig={SEED}",
    "when an address ends": "https://example.org/video.mp4?Expires=1767225600",
    "a cookie": f"    Cookie:\n    - sid={SEED}",
    "a cookie that is set": f"    Set-Cookie:\n    - sid={SEED}; Secure",
    "the user of a TURN server": f'"username": "1767225600:{SEED}"',
    "the password of a TURN server": f'"credential": "{SEED}"',
    "a key of AWS": "AKIAIOSFODNN7EXAMPLE",
    "a password in an address": f"https://someone:{SEED}@example.org/",
    "the machine that recorded": "uri: http://127.0.0.1:41234/regions",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(stamp=False) as made:
        yield made


# The files


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_a_cassette_holds_no_secret(path: Path) -> None:
    assert leaks(path.read_text("utf-8")) == []


@pytest.mark.parametrize("what", SEEDED)
def test_a_secret_in_a_cassette_is_found(what: str) -> None:
    text = (FOLDER / "session.yaml").read_text("utf-8")
    where = text.count("\n") + SEEDED[what].count("\n") + 1
    found = leaks(text + SEEDED[what])
    assert found
    assert all(re.fullmatch(rf".*, line ({where}|{where - 1})", one) for one in found)
    assert SEED not in " ".join(found)


def test_there_is_a_cassette_for_every_scene_and_no_other() -> None:
    assert {path.stem for path in CASSETTES} == set(SCENES)


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_a_cassette_says_where_it_was_recorded(path: Path) -> None:
    tape = Tape.read(path)
    assert tape.only_from_emulator == SCENES[path.stem].only
    assert tape.recorded_from in ("emulator", "service")
    assert tape.recorded_from == "emulator" or tape.only_from_emulator is None
    servers = {tuple(each["response"]["headers"].get("Server", ())) for each in tape.interactions}
    assert (servers == {("odyssey-emulator",)}) is (tape.recorded_from == "emulator")


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_a_cassette_is_small(path: Path) -> None:
    assert path.stat().st_size < 10_000


# Scrubbing


def answered(body: Any, **headers: str) -> Any:
    """Return an answer in the form in which vcrpy passes it."""
    told = {"Content-Type": "application/json", **headers}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {
        "status": {"code": 200, "message": "OK"},
        "headers": {name: [value] for name, value in told.items()},
        "body": {"string": raw},
    }


def secret_fields(schemas: dict[str, Any]) -> set[str]:
    """The fields that the schemas mark as secret."""
    return {
        name
        for document in schemas.values()
        for schema in document["$defs"].values()
        for name, field in schema.get("properties", {}).items()
        if field.get("x-secret")
    }


def test_every_secret_field_of_the_schemas_is_taken_out(schema_files: dict[str, Any]) -> None:
    fields = secret_fields(schema_files)
    assert {"api_key", "access_token", "session_token", "credential"} <= fields
    scrubbed = Scrubber().answer(answered({"inside": [dict.fromkeys(fields, SEED)]}))
    assert set(json.loads(scrubbed["body"]["string"])["inside"][0]) == fields
    assert SEED.encode() not in scrubbed["body"]["string"]


@pytest.mark.parametrize("name", ["Cookie", "X-Api-Key", "Authorization", "X-Anything"])
def test_headers_of_requests_that_say_nothing_needed_are_taken_out(name: str) -> None:
    request = Scrubber().request(Request("GET", "https://example.org/", None, {name: SEED}))
    assert SEED not in str(request.headers)


@pytest.mark.parametrize("name", ["Set-Cookie", "Via", "ETag", "X-Amz-Id-2", "X-Request-Id"])
def test_headers_of_answers_that_say_nothing_needed_are_taken_out(name: str) -> None:
    assert SEED not in str(Scrubber().answer(answered({}, **{name: SEED})))


def test_only_the_arguments_of_the_api_stay_in_a_query() -> None:
    url = f"https://someone:{SEED}@example.org/a?limit=5&X-Amz-Signature={SEED}&anything={SEED}"
    request = Scrubber().request(Request("GET", url, None, {}))
    assert request.uri == "https://example.org/a?limit=5&X-Amz-Signature=REDACTED&anything=REDACTED"


def test_signed_addresses_in_answers_are_taken_out_in_any_field() -> None:
    body = {"told": {"anywhere": [f"see https://example.org/a.mp4?sig={SEED} for more"]}}
    assert SEED.encode() not in Scrubber().answer(answered(body))["body"]["string"]


def test_of_the_error_of_a_store_only_code_and_message_stay() -> None:
    error = "<Error><Code>AccessDenied</Code><Message>No</Message><AWSAccessKeyId>{}</AWSAccessKeyId></Error>"
    scrubbed = Scrubber().answer(answered(error.format(SEED).encode(), **{"Content-Type": "application/xml"}))
    assert scrubbed["body"]["string"] == error.format("REDACTED").encode()


def test_a_session_token_still_names_its_session() -> None:
    scrubbed = Scrubber().answer(answered({"session_token": JWT}))
    header, claims, signature = json.loads(scrubbed["body"]["string"])["session_token"].split(".")
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["session_id"] == "s"
    assert (SEED in header + claims, signature) == (False, "REDACTED")


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_what_is_scrubbed_stays_as_it_is(path: Path) -> None:
    scrubber = Scrubber()
    for each in Tape.read(path).interactions:
        recorded = {
            **each["request"],
            "headers": {name: value[0] for name, value in each["request"]["headers"].items()},
        }
        request = scrubber.request(Request(**recorded))
        body = request.body if request.body is None else request.body.decode()
        assert (request.uri, body, dict(request.headers)) == (
            recorded["uri"],
            recorded["body"],
            recorded["headers"],
        )


# The command


def stable(text: str) -> str:
    """The text of a cassette without the size of a video, which depends on the encoder's release."""
    return re.sub(r"bytes 0-31/\d+", "bytes 0-31/…", text)


def test_recording_again_from_the_emulator_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise, on a busy machine, a call that only helps may give up, and its scene goes on differently.
    give_time(monkeypatch)
    assert record(SCENES.values(), tmp_path) == []
    for path in CASSETTES:
        if Tape.read(path).recorded_from == "emulator":
            assert stable((tmp_path / path.name).read_text("utf-8")) == stable(path.read_text("utf-8")), path.stem


def test_with_a_key_the_service_is_asked_for_what_it_shows_by_itself(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", "ody_of_a_user")
    monkeypatch.setenv("ODYSSEY_API_URL", emulator.api_url)
    names = ["token", "session", "recordings_page", "download", "session_request_no_streamers"]
    assert main([*names, "--folder", str(tmp_path)]) == 0
    assert "ody_of_a_user" not in "".join(path.read_text("utf-8") for path in tmp_path.iterdir())
    sources = {name: Tape.read(tmp_path / f"{name}.yaml").recorded_from for name in names}
    assert sources == {**dict.fromkeys(names, "service"), "session_request_no_streamers": "emulator"}


def test_without_a_key_nothing_is_asked_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    monkeypatch.setenv("ODYSSEY_API_URL", "http://127.0.0.1:9")
    assert main(["token", "--folder", str(tmp_path)]) == 0
    assert Tape.read(tmp_path / "token.yaml").recorded_from == "emulator"


def test_a_scene_that_ends_otherwise_is_not_written(emulator: Emulator, tmp_path: Path) -> None:
    scene = attrs.evolve(SCENES["token"], raises=OdysseyAuthError, status=401, code="unauthorized")
    (problem,) = record([scene], tmp_path, Service(emulator.api_url, emulator.api_key))
    assert problem.startswith("token: it ended with (None, None, None)")
    assert list(tmp_path.iterdir()) == []


def test_a_cassette_with_a_secret_is_not_written(tmp_path: Path) -> None:
    fault = {**SCENES["simulate_refused"].faults[0], "body": {"detail": f"refused for ody_live_{SEED}"}}
    (problem,) = record([attrs.evolve(SCENES["simulate_refused"], faults=(fault,))], tmp_path)
    assert problem.startswith("simulate_refused: not scrubbed: an API key, line ")
    assert SEED not in problem
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no_such_cassette"])
    assert "there is no cassette no_such_cassette" in capsys.readouterr().err
