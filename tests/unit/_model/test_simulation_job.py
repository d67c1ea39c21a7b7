"""Which jobs count as failed, and with which error."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto import SimulationJobDetail
from odyssey_proto._model.simulation_job import failure


def job(status: wire.SimulationJobStatus) -> SimulationJobDetail:
    return SimulationJobDetail(job_id="j", status=status, priority="", created_at="")


def test_a_job_with_nothing_to_say_says_that_it_failed() -> None:
    error = failure(job(wire.SimulationJobStatus.FAILED))
    assert str(error) == "Simulation j failed"


@pytest.mark.parametrize("scripts", [None, 0, 1, 5])
def test_a_job_that_goes_on_has_not_failed(scripts: int | None) -> None:
    assert failure(job(wire.SimulationJobStatus.PROCESSING), scripts) is None
