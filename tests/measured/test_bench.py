"""The benchmarks run. Their times are not checked, only counts of requests."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import av
import pytest

from tools.bench import chromium, wire
from tools.bench.__main__ import main
from tools.bench.figures import Figure, Target, in_turns, middle_pair, percentile, table
from tools.bench.rest import lists_by_round
from tools.bench.tape import Log, Tape, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# In a group of their own, beside the tests that measure in earnest: no figure that is measured here matters.
pytestmark = [pytest.mark.measures, pytest.mark.xdist_group("bench")]


def test_the_cheap_ones_give_a_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "figures.json"
    assert main(["imports", "codec", "--short", "--json", str(told)]) == 0
    content = json.loads(told.read_text(encoding="utf-8"))
    assert content["short"] is True
    assert {"python", "cores", "packages"} <= content["machine"].keys()
    assert content["figures"].keys() == {"imports", "codec"}
    figures = [figure for of in content["figures"].values() for figure in of]
    assert all(figure["ours"] > 0 and figure["theirs"] > 0 and figure["ratio"] > 0 for figure in figures)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(figures)
    assert all(figure["name"] in line for figure, line in zip(figures, lines[1:], strict=True))


def test_rest_measures_calls_lists_and_downloads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rest", "--short"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    names = ["get_simulate_status", "list_simulations", "list requests a round", "memory grown", "download of"]
    assert [name for name in names if not any(line.startswith(name) for line in lines)] == []


def test_streaming_measures_latency_cost_and_pace_of_real_streams(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    assert main(["connect", "latency", "ceiling", "slow", "sessions", "--short", "--json", str(told)]) == 0
    found = json.loads(told.read_text(encoding="utf-8"))["figures"]
    figures = {(figure["name"], figure["reference"]): figure for of in found.values() for figure in of}
    for name, reference in [
        ("second connect to first frame", "a plain client"),
        ("h264 latency, median", "a plain client"),
        ("vp8 latency, p95", "a plain client"),
        ("h264 latency, median", "decode and convert"),
        ("vp8 CPU a frame", "decode and convert"),
        ("h264 memory", "a plain client"),
        ("slow consumer, latest: latency at the end", "a plain client"),
        ("2 sessions, latency, p95", "one session"),
    ]:
        figure = figures[name, reference]
        assert figure["ours"] > 0, name
        assert figure["theirs"] > 0, name
    assert 0 < figures["h264 latency, median", "a plain client"]["ours"] < 60_000  # ms, and of the same clock


@pytest.mark.netns
@pytest.mark.skipif(bool(wire.missing()), reason=wire.missing())
def test_network_measures_what_is_delivered_over_a_wire_that_loses_packets(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    assert main(["network", "--short", "--json", str(told)]) == 0
    found = json.loads(told.read_text(encoding="utf-8"))["figures"]["network"]
    figures = {(figure["reference"], figure["name"].partition(": ")[2]): figure for figure in found}
    delivered = figures["a plain client", "delivered"]
    assert delivered["ours"] > 0
    assert delivered["theirs"] > 0
    assert figures["a plain client", "sent again"]["ours"] > 0, "packets were lost"
    assert figures["a plain client", "corrupt"]["ours"] == 0
    if not chromium.missing():
        assert figures["Chromium", "delivered"]["theirs"] > 0


def test_packets_and_high_rates_are_measured(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    assert main(["packets", "rates", "--short", "--json", str(told)]) == 0
    found = json.loads(told.read_text(encoding="utf-8"))["figures"]
    costs = [figure for figure in found["packets"] + found["rates"] if "CPU" in figure["name"]]
    assert len(costs) == 3
    for figure in costs:
        assert figure["ours"] > 0, figure["name"]
        assert figure["theirs"] > 0, figure["name"]


def test_a_tape_with_grain_has_the_size_and_about_the_rate_that_were_asked_for() -> None:
    film = Tape.record("h264", 20, bit_rate=4_000_000, size=(640, 360), grain=10)
    decoder: Any = av.CodecContext.create("h264", "r")
    frames = [frame for picture in film.pictures for frame in decoder.decode(av.Packet(picture))]
    assert {(frame.width, frame.height) for frame in frames} == {(640, 360)}
    assert 2_000_000 < 8 * sum(map(len, film.pictures)) < 8_000_000


def test_a_stamp_is_read_from_a_tape_that_was_decoded(tmp_path: Path) -> None:
    Tape.record("vp8", 3).save(tmp_path / "tape")
    decoder: Any = av.CodecContext.create("vp8", "r")
    pictures = Tape.load(tmp_path / "tape").pictures
    frames = [frame for picture in pictures for frame in decoder.decode(av.Packet(picture))]
    assert [number_of(frame.to_ndarray(format="rgb24")) for frame in frames] == [0, 1, 2]
    assert [number_of(frame.to_ndarray(format="gray")) for frame in frames] == [0, 1, 2]


def test_another_reader_of_a_log_sees_when_a_picture_was_handed_over(tmp_path: Path) -> None:
    written = Log(tmp_path / "log", new=True)
    before = time.monotonic()
    written.note(7)
    assert before <= Log(tmp_path / "log").moment(7) <= time.monotonic()


def test_waiting_for_a_thousand_jobs_takes_less_than_fifteen_lists_a_round() -> None:
    by_round = lists_by_round(1000)
    assert len(by_round) >= 3  # a third of the jobs ends in each
    assert 0 < max(by_round) < 15


def test_an_unknown_benchmark_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sprint"])
    assert ended.value.code == 2
    assert "no benchmark sprint" in capsys.readouterr().err


def test_both_sides_are_measured_in_turns_and_their_medians_count() -> None:
    order: list[str] = []
    values = iter([1.0, 10.0, 3.0, 30.0, 2.0, 20.0])

    def measure(name: str) -> float:
        order.append(name)
        return next(values)

    assert in_turns(lambda: measure("ours"), lambda: measure("theirs"), 3) == (2.0, 20.0)
    assert order == ["ours", "theirs"] * 3


def test_of_pairs_that_take_turns_the_one_with_the_middle_ratio_counts() -> None:
    order: list[str] = []
    ours, theirs = iter([9.0, 1.1, 40.0]), iter([3.0, 1.0, 20.0])

    def measure(name: str, values: Iterator[float]) -> float:
        order.append(name)
        return next(values)

    assert middle_pair(lambda: measure("ours", ours), lambda: measure("theirs", theirs), 3) == (40.0, 20.0)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([5, 1, 4, 2, 3], 50) == 3
    assert percentile(list(range(101)), 95) == 95
    assert percentile([7], 95) == 7


def test_the_table_shows_ratios() -> None:
    figure = Figure(name="a", reference="b", unit="ms", ours=3, theirs=2)
    assert table([figure]).splitlines()[1].split() == ["a", "3.0", "ms", "2.0", "1.50", "b"]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target(1.5), "≤ 1.5, met"),
        (Target(1.4), "≤ 1.4, missed"),
        (Target(2, absolute=True), "≤ 2 ms, missed"),
        (Target(3, absolute=True, least=True), "≥ 3 ms, met"),
        (Target(2, least=True), "≥ 2, missed"),
    ],
)
def test_the_table_says_whether_a_target_is_met(target: Target, told: str) -> None:
    figure = Figure(name="a", reference="b", unit="ms", ours=3, theirs=2, target=target)
    assert told in table([figure])
    assert figure.as_json()["met"] is told.endswith(", met")


def test_nothing_beside_nothing_is_the_same_and_something_beside_nothing_is_endlessly_more() -> None:
    assert Figure(name="a", reference="b", unit="", ours=0, theirs=0).ratio == 1
    assert Figure(name="a", reference="b", unit="", ours=1, theirs=0).ratio == float("inf")
