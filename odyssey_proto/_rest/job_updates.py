"""The callback for progress while jobs are awaited. A separate module, because it loads models that no other
call needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import odyssey_models as wire

from .._model.simulation_job import SimulationJobDetail

__all__ = ["OnUpdate"]

OnUpdate: TypeAlias = Callable[[wire.SimulationJobInfo | SimulationJobDetail], object]
"""Called with a job whose status, or whose streams, have changed."""
