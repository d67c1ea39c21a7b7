"""`GroupScheduling` gives tests to workers in the same order as pytest-xdist."""

from __future__ import annotations

import random
import types
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

from tests.support.scheduling import GroupScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKERS = 3
TESTS = [f"tests/test_a.py::test_{number}" + "@shared" * (number % 7 == 0) for number in range(100)]


@attrs.define(eq=False)
class Worker:
    """A worker: the tests that it was given, and how many of them it has run."""

    given: list[int] = attrs.field(factory=list)
    done: int = 0
    shutting_down: bool = False
    gateway: Any = attrs.field(factory=lambda: types.SimpleNamespace(id="gw"))

    def send_runtest_some(self, places: Sequence[int]) -> None:
        self.given += places

    def shutdown(self) -> None:
        self.shutting_down = True


class Settings:
    """The part of pytest's settings that the schedulers read."""

    option = types.SimpleNamespace(loadscopereorder=False)

    def getvalue(self, name: str) -> list[str]:
        return {"tx": WORKERS * ["popen"]}[name]


def runs(kind: type[LoadGroupScheduling], *, seed: int, crash: int = -1) -> list[Any]:
    """Return the test that crashed a worker (None if none did), followed by the tests that each worker ran.

    A worker crashes after ``crash`` tests in all; -1 means that none crashes.
    """
    settings: Any = Settings()
    scheduling: Any = kind(settings, Producer("test"))
    workers = [Worker() for _ in range(WORKERS)]
    for worker in workers:
        scheduling.add_node(worker)
    for worker in workers:
        scheduling.add_node_collection(worker, TESTS)
    assert scheduling.collection_is_completed
    scheduling.schedule()
    chance, crashed, completed = random.Random(seed), None, 0
    alive = [*workers]
    while busy := [worker for worker in alive if worker.done < len(worker.given)]:
        worker = chance.choice(busy)
        if completed == crash:
            alive.remove(worker)
            crashed = scheduling.remove_node(worker)
        else:
            worker.done += 1
            scheduling.mark_test_complete(worker, worker.given[worker.done - 1])
        completed += 1
    assert not scheduling.has_pending
    assert scheduling.tests_finished
    return [crashed, *(worker.given[: worker.done] for worker in workers)]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_xdist(seed: int) -> None:
    ours = runs(GroupScheduling, seed=seed)
    assert ours == runs(LoadGroupScheduling, seed=seed)
    assert sorted(place for ran in ours[1:] for place in ran) == [*range(len(TESTS))]
    shared = {place for place, name in enumerate(TESTS) if name.endswith("@shared")}
    assert sum(not shared.isdisjoint(ran) for ran in ours[1:]) == 1


@pytest.mark.parametrize("crash", [0, 1, 17, 60])
def test_others_run_what_a_crashed_worker_has_not(crash: int) -> None:
    crashed, *ran = runs(GroupScheduling, seed=1, crash=crash)
    assert crashed in TESTS
    assert sorted(place for places in ran for place in places) == [*range(len(TESTS))]
