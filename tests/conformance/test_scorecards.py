"""The conformance kit: our client gets all points, and a faulty client loses the points for its faults."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import attrs
import pytest

from odyssey_proto import OdysseyConfigError
from odyssey_proto.cli import main
from odyssey_proto.conformance._documents import document, path_of
from odyssey_proto.conformance._live import check_live
from odyssey_proto.conformance._scenarios import SCENARIOS
from odyssey_proto.conformance._vectors import LEVELS, check_vectors
from tests.support.judging import allow_a_busy_machine
from tests.support.preloaded import preloaded
from tests.support.processes import PATIENCE_S, eventually, loaded_command, unread_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto.conformance._scorecard import Scorecard

ROOT: Final = Path(__file__).parents[2]
OURS: Final = (sys.executable, "-m", "tests.support.clients.adapter")
FOREIGN: Final = (sys.executable, "-m", "tests.support.clients.foreign_client")
TRIGGER: Final = "broadcast_ready"
"""A word that occurs in exactly one transcript."""
WRONG_READER: Final = (sys.executable, "-m", "tests.support.clients.wrong_reader")

CONNECTING: Final = [
    scenario.name for scenario in SCENARIOS if any(step.do == "connect" for step in scenario.steps)
]
GROUPS: Final = {
    "streams": CONNECTING[: len(CONNECTING) // 2],
    "when things go wrong": CONNECTING[len(CONNECTING) // 2 :],
    "without a session": [scenario.name for scenario in SCENARIOS if scenario.name not in CONNECTING],
}
"""All scenarios, divided among the cases of one test."""
of_ours: Final = pytest.mark.xdist_group("our client in the scenarios")
of_foreign: Final = pytest.mark.xdist_group("a foreign client in the scenarios")


@pytest.fixture(scope="module", autouse=True)
def the_adapters_are_found() -> Iterator[None]:
    """Put the adapters on PYTHONPATH: they are modules of the tests, and may be started from any folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'generated' / 'python'}")
        yield


@pytest.fixture(scope="module")
def ours(the_adapters_are_found: None) -> Iterator[tuple[str, ...]]:
    """The command of our client, loaded once: all tests that use it are in one xdist group."""
    with preloaded(OURS[-1]) as found:
        yield found


@pytest.fixture(scope="module")
def foreign(the_adapters_are_found: None) -> Iterator[tuple[str, ...]]:
    """The command of a client that shares no code with ours, also loaded once for its xdist group."""
    with preloaded(FOREIGN[-1]) as found:
        yield found


def failed(card: Scorecard) -> dict[str, str]:
    """Return why each lost point was lost, by its name."""
    return {point.name: f"{point.why} ({point.written})" for point in card.points if point.outcome == "failed"}


class TestVectors:
    @of_ours
    def test_our_reader_has_all_points_at_all_levels(self, ours: tuple[str, ...]) -> None:
        card = check_vectors(ours)
        assert failed(card) == {}
        assert {point.group for point in card.points} == set(LEVELS)
        assert {point.outcome for point in card.points} == {"passed"}
        assert len(card.points) > 6000

    def test_a_reader_that_is_wrong_loses_the_points_of_what_is_wrong(self) -> None:
        card = check_vectors(WRONG_READER, ("tolerant", "canonical"))
        wrong = {(point.group, point.name): point.why for point in card.points if point.outcome == "failed"}
        assert "accepted" in wrong["tolerant", "tolerant/TokenResponse.json: by hand: the token twice"]
        assert "NaN" in wrong["tolerant", "tolerant/TokenResponse.json: /expires_in: NaN"]
        assert ("tolerant", "tolerant/TokenResponse.json: /access_token: a text") not in wrong
        kept = "valid/TokenResponse.json: unknown extra fields"
        assert [(level, kept) in wrong for level in ("tolerant", "canonical")] == [False, True]
        assert not card.passed

    def test_what_a_reader_does_not_support_is_skipped(self) -> None:
        card = check_vectors(WRONG_READER, ("session",))
        assert {point.outcome for point in card.points} == {"skipped"}
        assert not card.passed, "nothing was shown"

    @pytest.mark.parametrize(
        ("program", "why"),
        [
            ("pass", "request 1 was not answered: it ended with status 0"),
            ("raise SystemExit(3)", "request 1 was not answered: it ended with status 3"),
            ("import os; os.abort()", "request 1 was not answered: it was ended by SIGABRT"),
            (
                "import os, time; os.close(1); time.sleep(600)",
                "request 1 was not answered: it closed its stdout, and did not end",
            ),
            ("print('hello', flush=True); input()", "request 1 was expected, and the command printed 'hello'"),
            ("print('{\"id\": 7}', flush=True); input()", "and the command printed '{\"id\": 7}'"),
            ("print('[' * 100000, flush=True); input()", "and the command printed '[[["),
            ("import os\nwhile True: os.write(1, b'x' * 65536)", "and the command printed 'xxx"),
            ("import os\nwhile True: os.write(1, b'y\\n' * 30000)", "and the command printed 'y'"),
        ],
    )
    def test_a_command_that_does_not_answer_fails_every_vector(self, program: str, why: str) -> None:
        card = check_vectors((sys.executable, "-c", program), ("session",))
        assert {point.outcome for point in card.points} == {"failed"}
        assert why in card.points[0].why
        assert card.points[0].written == "spec/conformance.md#requests-and-answers"
        assert card.points[-1].why.startswith("it was not asked, because ")

    @pytest.mark.parametrize(
        ("fault", "why"),
        [
            ("os.abort()", "was not answered: it was ended by SIGABRT"),
            ("print('debugging', flush=True)", "was expected, and the command printed 'debugging'"),
        ],
    )
    def test_a_vector_that_stops_the_command_loses_its_own_point(self, fault: str, why: str) -> None:
        program = f"""
import json, os, sys
for line in sys.stdin:
    if "queue_position" in line: {fault}
    print(json.dumps({{"id": json.loads(line)["id"], "outcome": "unsupported"}}), flush=True)
"""
        found = check_vectors((sys.executable, "-c", program.replace("queue_position", TRIGGER)), ("session",))
        lost = [point for point in found.points if point.outcome == "failed"]
        assert len(lost) == 1
        assert lost[0].name == "transcripts/stream.json: a broadcast that is ready changes nothing about the calls"
        assert why in lost[0].why

    @pytest.mark.parametrize("steps", ['[1, null, "x"]', "[[]]", "null", "{}"])
    def test_an_answer_of_any_form_is_judged(self, steps: str) -> None:
        program = "import json,sys\nfor line in sys.stdin: print(json.dumps({'id': json.loads(line)['id'], "
        program += f"'outcome': 'played', 'steps': json.loads({steps!r})}}), flush=True)"
        card = check_vectors((sys.executable, "-c", program), ("session",))
        assert {point.outcome for point in card.points} == {"failed"}

    def test_every_failure_says_where_it_is_written(self) -> None:
        for point in check_vectors(WRONG_READER).points:
            path, _, pointer = point.written.removeprefix("spec/").partition("#")
            assert path_of(path).is_file(), point.written
            if path.endswith(".json"):
                node = document(path)
                for key in pointer.split("/")[1:]:
                    node = node[int(key)] if key.isdigit() else node[key]
                assert node["name"] in point.name


class TestLive:
    @of_ours
    @pytest.mark.parametrize("group", GROUPS)
    def test_our_client_has_all_points(
        self, group: str, ours: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allow_a_busy_machine(monkeypatch)
        card = check_live(ours, GROUPS[group], at_once=3)
        assert failed(card) == {}
        assert {point.outcome for point in card.points} == {"passed"}
        assert [*dict.fromkeys(point.group for point in card.points)] == GROUPS[group]

    @of_foreign
    def test_a_client_written_from_the_protocol_has_all_points_of_what_it_supports(
        self, foreign: tuple[str, ...]
    ) -> None:
        card = check_live(foreign, ("landscape", "interact", "broadcast"), at_once=3)
        assert failed(card) == {}
        skipped = {point.group: point.why for point in card.points if point.outcome == "skipped"}
        assert skipped == {"broadcast": "not supported: broadcast"}
        assert card.passed

    @of_foreign
    @pytest.mark.parametrize(
        ("fault", "scenario", "lost"),
        [
            (
                "no-keepalive",
                "keepalive",
                {"keepalives": "there were 0 keepalives; at least 2 were due (spec/behaviour.md#keepalive)"},
            ),
            (
                "no-goodbye",
                "connect",
                {"goodbye": "the client left without client_disconnecting (spec/behaviour.md#goodbye)"},
            ),
            (
                "wrong-field",
                "landscape",
                {
                    "clientToStreamer, from the client: interactive_stream_start: /input_image": (
                        "the protocol has no such field (spec/schemas/channel.yaml#/$defs/InteractiveStreamStart)"
                    )
                },
            ),
            (
                "impatient",
                "refused job",
                {
                    "step 0: simulate": "error was expected, not ok: {} (spec/behaviour.md#jobs)",
                    "requests: POST /simulation-jobs": (
                        "POST /simulation-jobs was sent 2 times, not 1 (spec/behaviour.md#jobs)"
                    ),
                },
            ),
            (
                "forgotten-answer",
                "interact",
                {
                    f"step {number}: interact": (
                        f'the prompt "{prompt}" is not the one that was acknowledged (spec/{section})'
                    )
                    for number, prompt, section in (
                        (2, "Night", "behaviour.md#interacting"),
                        (3, "Day", "behaviour.md#interacting"),
                        (5, "Rain", "behaviour.md#errors-of-a-stream"),
                    )
                },
            ),
        ],
    )
    def test_a_client_that_is_wrong_loses_the_points_of_what_is_wrong(
        self, fault: str, scenario: str, lost: dict[str, str], foreign: tuple[str, ...]
    ) -> None:
        card = check_live((*foreign, fault), (scenario,))
        assert failed(card) == lost

    @of_foreign
    def test_a_client_that_does_not_wait_as_long_as_it_is_asked_loses_the_point(
        self, foreign: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (scenario,) = [scenario for scenario in SCENARIOS if scenario.name == "busy service"]
        long = f"{PATIENCE_S:g}"  # on a busy machine, the usual second may pass without any wait
        busier = attrs.evolve(
            scenario,
            faults=tuple({**fault, "headers": {"Retry-After": long}} for fault in scenario.faults),
            checks=tuple(
                attrs.evolve(check, arguments={**check.arguments, "at_least_s": PATIENCE_S})
                for check in scenario.checks
            ),
        )
        with monkeypatch.context() as patched:
            patched.setattr("odyssey_proto.conformance._live.SCENARIOS", (busier,))
            lost = failed(check_live((*foreign, "impatient"), ("busy service",)))
        why = rf"GET /stream-recordings was sent again after .* s, and the service asked for {long} s \(spec/.*\)"
        assert re.fullmatch(why, lost.pop("waits: GET /stream-recordings"))
        assert lost == {}
        assert failed(check_live(foreign, ("busy service",))) == {}

    def test_a_client_that_reports_nothing_fails_every_step_with_the_reason(self) -> None:
        card = check_live((sys.executable, "-c", "raise SystemExit(3)"), ("connect",))
        why = "it ended with status 3 (spec/conformance.md#live-scenarios)"
        assert failed(card)["step 0: connect"] == f"the client did not report this step: {why}"
        assert failed(card)["end of the command"] == why

    @pytest.mark.parametrize(
        ("report", "why"),
        [
            ('{"step": true, "outcome": "ok"}', "the client did not report this step"),
            ("[" * 100_000, "the client did not report this step"),
            ('{"step": 0, "outcome": ["ok"]}', 'its outcome is ["ok"], not ok or error'),
            ('{"step": 0, "outcome": "ok", "value": [1]}', "its value is [1], not an object"),
            ('{"step": 0, "outcome": "error", "error": "no"}', 'its error is "no", not an object'),
            ('{"step": 0, "outcome": "error", "error": {"code": "\\ud83d"}}', "ok was expected, not error: "),
        ],
    )
    def test_a_report_of_any_form_is_judged(self, report: str, why: str) -> None:
        card = check_live((sys.executable, "-c", f"print({report!r})"), ("connect",))
        assert failed(card)["step 0: connect"].startswith(why)
        assert "end of the command" not in failed(card)

    def test_a_client_that_takes_its_token_to_another_origin_loses_that_point(self) -> None:
        program = (
            f"import sys; sys.path[:] = {sys.path!r}\n"
            """
import json, os, requests
url = os.environ["ODYSSEY_API_URL"]
answer = requests.post(f"{url}/auth/token", json={"api_key": os.environ["ODYSSEY_API_KEY"]})
headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
answer = requests.get(f"{url}/stream-recordings", headers=headers, allow_redirects=False)
requests.get(answer.headers["Location"], headers=headers)
print(json.dumps({"step": 0, "outcome": "ok"}))
"""
        )
        card = check_live((sys.executable, "-c", program), ("redirect to another origin",))
        why = "the bearer token went to another origin (spec/behaviour.md#redirects)"
        assert failed(card) == {"no token elsewhere": why}

    def test_a_client_that_fails_after_its_last_report_loses_one_point(self) -> None:
        program = 'print(\'{"step": 0, "outcome": "error"}\', flush=True); raise SystemExit(3)'
        card = check_live((sys.executable, "-c", program), ("refused key",))
        assert failed(card) == {
            "end of the command": "it ended with status 3 (spec/conformance.md#live-scenarios)"
        }

    def test_a_scenario_that_does_not_exist_is_refused_with_the_names_of_all(self) -> None:
        with pytest.raises(OdysseyConfigError, match="no scenario 'dance'; there are: connect, portrait"):
            check_live(OURS, ("dance",))


def test_every_scenario_and_every_step_says_where_it_is_written() -> None:
    headings = re.findall(r"^#+ (.+)$", path_of("behaviour.md").read_text("utf-8"), re.MULTILINE)
    sections = {
        f"behaviour.md#{re.sub(r'[^a-z-]', '', heading.lower().replace(' ', '-'))}" for heading in headings
    }
    for scenario in SCENARIOS:
        cited = {step.written for step in scenario.steps if step.written}
        cited |= {check.written for check in scenario.checks}
        assert cited, scenario.name
        assert cited - sections == set(), scenario.name


def test_the_documentation_describes_every_step_and_every_scenario() -> None:
    text = path_of("conformance.md").read_text("utf-8")
    assert {
        step.do for scenario in SCENARIOS for step in scenario.steps if f"| `{step.do}` |" not in text
    } == set()
    assert {scenario.name for scenario in SCENARIOS if f"| {scenario.name} |" not in text} == set()


class TestCommand:
    @of_ours
    def test_it_prints_the_scorecards_and_writes_them_as_json_and_as_junit(
        self, ours: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written, junit = tmp_path / "card.json", tmp_path / "card.xml"
        files = ("--json", str(written), "--junit", str(junit))
        status = main(["conformance", "--level", "session", "--scenario", "connect", *files, "--", *ours])
        printed = capsys.readouterr().out
        assert status == 0
        assert "vectors: 100 % (28 of 28)" in printed
        assert "live: 100 % (8 of 8)" in printed
        assert [card["score_percent"] for card in json.loads(written.read_text("utf-8"))] == [100, 100]
        suites = ET.fromstring(junit.read_text("utf-8"))
        assert {suite.get("name"): suite.get("tests") for suite in suites} == {
            "vectors.session": "28",
            "live.connect": "8",
        }

    def test_its_status_says_whether_points_were_lost(self, tmp_path: Path) -> None:
        junit = tmp_path / "card.xml"
        arguments = ("--level", "canonical", "--only", "vectors", "--junit", str(junit))
        assert main(["conformance", *arguments, "--", *WRONG_READER]) == 1
        failures = ET.fromstring(junit.read_text("utf-8")).findall(".//failure")
        assert any("spec/vectors/tolerant/" in (failure.get("message") or "") for failure in failures)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_check_that_is_interrupted_leaves_nothing(self, number: signal.Signals) -> None:
        program = "import os, sys, time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(600)"
        arguments = ("conformance", "--only", "live", "--scenario", "connect")
        with loaded_command(*arguments, "--", sys.executable, "-c", program) as process:
            eventually(lambda: process.stderr)
            client = int(process.stderr)
            process.signal(number)
            assert (process.ended(), process.rest()) == (130, [])
            assert process.stderr == f"{client}\nodyssey-proto: interrupted\n"
        with pytest.raises(ProcessLookupError):
            os.kill(client, 0)

    def test_a_reader_of_the_scorecard_may_leave(self) -> None:
        with unread_command("conformance", "--only", "vectors", "--", *WRONG_READER) as process:
            assert (process.ended(), process.stderr) == (1, "")

    def test_a_command_that_cannot_be_started_is_reported(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["conformance", "--only", "vectors", "--", "/nonexistent/adapter"]) == 2
        assert "/nonexistent/adapter cannot be started: No such file" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (
                ("--json", "/nonexistent/card.json"),
                "/nonexistent/card.json cannot be written: its folder does not",
            ),
            (("--junit", "/"), "/ cannot be written: it is a folder"),
            (("--only", "live", "--level", "schema"), "--only live leaves out what --level chooses"),
            (("--only", "vectors", "--scenario", "connect"), "--only vectors leaves out what --scenario chooses"),
            (("--scenario", "dance"), "There is no scenario 'dance'"),
        ],
    )
    def test_arguments_that_make_no_sense_are_reported_before_anything_is_checked(
        self, arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["conformance", *arguments, "--", *OURS]) == 2
        printed = capsys.readouterr()
        assert (printed.out, why in printed.err) == ("", True)

    @pytest.mark.parametrize(
        "arguments",
        [("--server", "http://127.0.0.1:9", "--only", "live"), ("--refused-prompt", "x", "--", "true")],
    )
    def test_arguments_of_the_other_check_are_refused(
        self, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["conformance", *arguments]) == 2
        assert (
            f"{arguments[0 if arguments[-1] == 'true' else 2]} is not for a check of a" in capsys.readouterr().err
        )


def code_blocks(language: str) -> list[str]:
    text = path_of("conformance.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_adapter_in_the_documentation_has_all_points_at_the_levels_that_it_claims(tmp_path: Path) -> None:
    (code,) = code_blocks("python")
    adapter = tmp_path / "adapter.py"
    adapter.write_text(code, "utf-8")
    assert len(code.splitlines()) <= 30
    card = check_vectors((sys.executable, str(adapter)), ("tolerant", "canonical"))
    assert failed(card) == {}
    assert card.passed


def test_the_commands_in_the_documentation_have_arguments_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = code_blocks("sh")
    for line in block.splitlines():
        command, _, adapter = line.partition(" -- ")
        assert adapter
        assert main([*shlex.split(command)[1:], "--", "/nonexistent"]) == 2
        assert "cannot be started" in capsys.readouterr().err, line
