"""What one client does with its account over REST: recordings, jobs, credentials, telemetry.

This module combines the parts of `_rest` on one `ServiceApi`, which the client's live session uses too. It does
not check the arguments that single calls check, nor the settings of the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._base import arguments, errands
from .._base.clock import Deadline
from .._net.http_exchange import answers
from .._net.service_api import ServiceApi, check_job_filter
from .download import Downloader
from .job_waiter import JobWaiter
from .paging import pages
from .simulation_request import simulation_request
from .telemetry import Telemetry

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import odyssey_models as wire

    from .._base.clock import Clock
    from .._model.config import ClientConfig
    from .._model.credentials import ClientCredentials
    from .._model.script import Script
    from .._model.simulation_job import SimulationJobDetail
    from ..core.refusals import HttpAnswer
    from .download import Artifact, OnProgress
    from .job_updates import OnUpdate

__all__ = ["Account"]


class Account:
    """The REST calls of one client. Any thread may make any of them.

    A ``deadline`` applies to a whole call; a ``timeout`` (s, None for no limit) to each of several requests.
    """

    def __init__(self, config: ClientConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.api = ServiceApi(config, clock)
        """The single calls, and the HTTP connections."""
        self.telemetry = Telemetry(config, self.api, clock)
        """The reports about the client's sessions."""

    def close(self) -> None:
        """End all calls, refuse later ones, and close all connections; waiting telemetry has 0.3 s to be sent."""
        self.telemetry.close()
        self.api.close()

    def answers(self) -> AbstractContextManager[list[HttpAnswer]]:
        """Collect the answers to the calls that this thread makes within a ``with``."""
        return answers()

    # --- credentials

    def mint(self, deadline: Deadline) -> ClientCredentials:
        """Request a session for a client without an API key; see `minting.mint`."""
        from .minting import mint  # loads models that the other calls do not need

        return mint(self.api, self._config, deadline, self._clock)

    # --- recordings

    def recording(self, stream_id: str, deadline: Deadline) -> wire.Recording:
        """Return the addresses of a stream's artifacts."""
        return self.api.recording(stream_id, deadline)

    def recordings(self, limit: int | None, offset: int | None, deadline: Deadline) -> wire.StreamRecordingsList:
        """Return one page of the recordings."""
        return self.api.recordings(limit, offset, deadline)

    def all_recordings(self, page_size: int, timeout: float | None) -> Iterator[wire.StreamRecordingInfo]:
        """Iterate over all recordings, ``page_size`` per request."""
        size, timeout = _page_size(page_size), _timeout(timeout)

        @errands.undisturbed
        def ask(offset: int) -> tuple[Sequence[wire.StreamRecordingInfo], int]:
            page = self.api.recordings(size, offset, Deadline(timeout, self._clock))
            return page.recordings, page.total

        return pages(ask, lambda recording: recording.stream_id)

    def download(
        self,
        stream_id: str,
        directory: str | os.PathLike[str],
        artifacts: Iterable[Artifact],
        deadline: Deadline,
        *,
        on_progress: OnProgress | None,
        resume: bool,
    ) -> dict[str, Path]:
        """Write the files of a recording; see `Odyssey.download_recording`."""
        downloader = Downloader(self.api)
        return downloader.download(
            stream_id, directory, artifacts, deadline, on_progress=on_progress, resume=resume
        )

    # --- simulation jobs

    def simulate(
        self,
        deadline: Deadline,
        *,
        script: Script | None,
        scripts: Sequence[Script] | None,
        script_url: str | None,
        portrait: bool,
        bypass_prompt_expansion: bool | None,
    ) -> SimulationJobDetail:
        """Create a job from exactly one of the three kinds of script."""
        request = simulation_request(
            script=script,
            scripts=scripts,
            script_url=script_url,
            portrait=portrait,
            bypass_prompt_expansion=bypass_prompt_expansion,
        )
        return self.api.simulate(request, deadline)

    def job(self, job_id: str, deadline: Deadline) -> SimulationJobDetail:
        """Return a job with its streams."""
        return self.api.job(job_id, deadline)

    def jobs(
        self,
        deadline: Deadline,
        *,
        status: str | None,
        active: bool | None,
        limit: int | None,
        offset: int | None,
    ) -> wire.SimulationJobsList:
        """Return one page of the jobs."""
        return self.api.jobs(deadline, status=status, active=active, limit=limit, offset=offset)

    def all_jobs(
        self, page_size: int, timeout: float | None, *, status: str | None, active: bool | None
    ) -> Iterator[wire.SimulationJobInfo]:
        """Iterate over all jobs, ``page_size`` per request."""
        size, timeout = _page_size(page_size), _timeout(timeout)
        check_job_filter(status, active)

        @errands.undisturbed
        def ask(offset: int) -> tuple[Sequence[wire.SimulationJobInfo], int]:
            deadline = Deadline(timeout, self._clock)
            page = self.api.jobs(deadline, status=status, active=active, limit=size, offset=offset)
            return page.jobs, page.total

        return pages(ask, lambda job: job.job_id)

    def cancel_job(self, job_id: str, deadline: Deadline) -> wire.SimulationJobInfo:
        """Cancel a job that has not begun."""
        return self.api.cancel_job(job_id, deadline)

    def job_waiter(
        self,
        poll: float,
        on_update: OnUpdate | None,
        cancel_on_timeout: bool,
    ) -> JobWaiter:
        """Return a `JobWaiter` that asks every ``poll`` s.

        Raises:
            TypeError, OdysseyConfigError: an argument is not valid.
        """
        arguments.seconds("poll", poll)
        arguments.function("on_update", on_update)
        arguments.flag("cancel_on_timeout", cancel_on_timeout)
        return JobWaiter(
            self.api,
            self._clock,
            self.api.wait_between_calls,
            poll=poll,
            on_update=on_update,
            cancel_on_timeout=cancel_on_timeout,
        )


def _page_size(value: int) -> int | None:
    return arguments.whole("page_size", value, least=1, most=arguments.MOST_PER_PAGE)


def _timeout(value: float | None) -> float | None:
    arguments.timeout("timeout", value)
    return value
