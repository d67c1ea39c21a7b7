"""The REST calls of the public client: credentials, recordings, simulations.

`odyssey_proto.client.Odyssey` is the only subclass, and adds the connection; the calls are implemented in
`odyssey_proto._rest`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# Annotations use public paths for types that load lazily: evaluating an annotation loads its type.
import odyssey_proto

from ._base import arguments, errands
from ._base.arguments import CLIENT_DEFAULT, ClientDefault
from ._base.clock import Clock, Deadline
from ._model.config import ClientConfig
from ._rest.account import Account
from .raw_response import RawCalls

__all__ = ["RestCalls"]


class RestCalls:
    """The calls of a client to the REST API. Any thread may call any of them."""

    def __init__(self, config: ClientConfig, clock: Clock) -> None:
        self.config: ClientConfig = config
        self._clock = clock
        self._account = Account(config, clock)

    # --- credentials

    @errands.undisturbed
    def create_client_credentials(
        self, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.ClientCredentials:
        """Reserve a session for a client without an API key.

        See the Python client reference, "create_client_credentials()".

        Args:
            timeout: s for the whole call, queueing included; default ``queue_timeout_s`` + 30. ``None``: no limit.

        Raises:
            OdysseyAuthError: the key is missing or was refused.
            OdysseyUsageError: a limit of the account was reached.
            OdysseyConnectionError: no streamer was free in time, or the service cannot be reached. A session
                already granted is given back, which may take 2 s more.
        """
        until = self._until(timeout, self._queueing_s)
        self._settle(until)
        return self._account.mint(until)

    # --- recordings

    @errands.undisturbed
    def get_recording(
        self, stream_id: str, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.Recording:
        """Return the URLs of a stream's artifacts (Python client reference, "get_recording()").

        They are valid for about an hour.

        Args:
            stream_id: the id that `start_stream` returned.
            timeout: s for the whole call; default: the client's ``timeout``. ``None``: no limit.

        Raises:
            TypeError, OdysseyConfigError: an argument is not valid; nothing was sent.
            OdysseyUnauthorizedError: the key is missing or was refused.
            OdysseyConnectionError: the service cannot be reached, or did not answer in time.
            OdysseyUsageError: a limit of the account was reached.
            OdysseyNotFoundError: the account has no such stream.
        """
        return self._account.recording(stream_id, self._until(timeout))

    @errands.undisturbed
    def list_stream_recordings(
        self,
        limit: int | None = None,
        offset: int | None = None,
        *,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> odyssey_proto.StreamRecordingsList:
        """Return one page of your recordings, newest first (Python client reference, "list_stream_recordings()").

        Args:
            limit: largest number of entries, 1 to 100; ``None`` takes the service's default.
            offset: number of entries to skip.
            timeout: s for the whole call; default: the client's ``timeout``. ``None``: no limit.
        """
        return self._account.recordings(limit, offset, self._until(timeout))

    def iter_stream_recordings(
        self, page_size: int = 50, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> Iterator[odyssey_proto.StreamRecordingInfo]:
        """Iterate over all your recordings, newest first; ``timeout`` is for each page of ``page_size``."""
        return self._account.all_recordings(page_size, self._seconds(timeout))

    @errands.undisturbed
    def download_recording(
        self,
        stream_id: str,
        directory: str | os.PathLike[str],
        artifacts: Iterable[odyssey_proto.Artifact] = ("video", "events", "thumbnail", "preview"),
        on_progress: odyssey_proto.OnProgress | None = None,
        resume: bool = True,
        *,
        timeout: float | None = None,
    ) -> dict[str, Path]:
        """Download the files of a recording into ``directory`` and return their paths by artifact.

        They are ``{stream_id}.mp4``, ``{stream_id}_events.jsonl``, ``{stream_id}_thumb.jpg`` and
        ``{stream_id}_preview.mp4``, fetched in parallel; artifacts that the recording lacks are skipped. Each is
        written to a ``.part`` file first. Bytes that arrived there before a failure, Ctrl-C or the end of the
        process are not fetched again, and an existing file is kept.

        Args:
            stream_id: the id that `start_stream` returned.
            directory: the target directory; created if missing.
            artifacts: the artifacts to download.
            on_progress: called on this thread with the artifact, the bytes so far, and the total bytes or None.
            resume: False starts every file over.
            timeout: s for the whole call; ``None``: no limit, but 30 s of silence count as a lost connection.

        Raises:
            TypeError, OdysseyConfigError: an argument is not valid, or another download is writing the same file.
            OdysseyUnauthorizedError: the key is missing or was refused.
            OdysseyConnectionError: the service cannot be reached, or did not answer in time.
            OdysseyUsageError: a limit of the account was reached.
            OdysseyNotFoundError: the account has no such stream.
            OSError: a file cannot be written.
        """
        return self._account.download(
            stream_id,
            directory,
            artifacts,
            self._until(timeout),
            on_progress=on_progress,
            resume=resume,
        )

    # --- simulations

    @errands.undisturbed
    def simulate(
        self,
        *,
        script: odyssey_proto.Script | None = None,
        scripts: Sequence[odyssey_proto.Script] | None = None,
        script_url: str | None = None,
        portrait: bool = True,
        bypass_prompt_expansion: bool | None = None,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> odyssey_proto.SimulationJobDetail:
        """Create a simulation job (Python client reference, "simulate()").

        Exactly one of ``script``, ``scripts`` and ``script_url`` is required. The request is sent once:
        if the answer is lost, `list_simulations` shows whether the job exists.

        Args:
            script: entries by ascending time, each with one action.
            scripts: several scripts for one job; each produces its own streams.
            script_url: the URL of a JSON file with one script.
            portrait: True for 704×1280 px (width × height), False for 1280×704 px.
            bypass_prompt_expansion: use prompts as written; needs a privilege of the account.
            timeout: s for the whole call; default: the client's ``timeout``. ``None``: no limit.

        Raises:
            TypeError, OdysseyConfigError: an argument is not valid; the message names the entry of a script.
            OdysseyUnauthorizedError: the key is missing or was refused.
            OdysseyConnectionError: the service cannot be reached, or did not answer in time.
            OdysseyUsageError: a limit of the account was reached.
            OdysseyRequestError: the service refused the request (a `ConnectionError` too).
        """
        return self._account.simulate(
            self._until(timeout),
            script=script,
            scripts=scripts,
            script_url=script_url,
            portrait=portrait,
            bypass_prompt_expansion=bypass_prompt_expansion,
        )

    @errands.undisturbed
    def get_simulate_status(
        self, job_id: str, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.SimulationJobDetail:
        """Return a job with its streams so far (Python client reference, "get_simulate_status()").

        Raises:
            OdysseyNotFoundError: the service does not know the job.
            OdysseyRequestError: the job belongs to another account (``status`` 403); otherwise as `get_recording`.
        """
        return self._account.job(job_id, self._until(timeout))

    @errands.undisturbed
    def list_simulations(
        self,
        *,
        status: odyssey_proto.SimulationJobStatus | str | None = None,
        active: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> odyssey_proto.SimulationJobsList:
        """Return one page of your jobs (Python client reference, "list_simulations()").

        Args:
            status: only jobs with this status.
            active: if True, only jobs that are pending, dispatched or processing.
            limit: largest number of entries, 1 to 100; ``None`` takes the service's default.
            offset: number of entries to skip.
            timeout: s for the whole call; default: the client's ``timeout``. ``None``: no limit.
        """
        until = self._until(timeout)
        return self._account.jobs(until, status=status, active=active, limit=limit, offset=offset)

    def iter_simulations(
        self,
        *,
        status: odyssey_proto.SimulationJobStatus | str | None = None,
        active: bool | None = None,
        page_size: int = 50,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Iterator[odyssey_proto.SimulationJobInfo]:
        """Iterate over all your jobs; ``timeout`` is for each page of ``page_size``."""
        return self._account.all_jobs(page_size, self._seconds(timeout), status=status, active=active)

    @errands.undisturbed
    def cancel_simulation(
        self, job_id: str, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.SimulationJobInfo:
        """Cancel a job that has not begun (Python client reference, "cancel_simulation()").

        Raises:
            NotCancellableError: the job has begun or ended; otherwise as `get_simulate_status`.
        """
        return self._account.cancel_job(job_id, self._until(timeout))

    @errands.undisturbed
    def wait_for_simulation(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: odyssey_proto.OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> odyssey_proto.SimulationJobDetail:
        """Wait until a job has completed, failed or been cancelled, and return it.

        Args:
            job_id: the id of the job.
            timeout: s for the whole wait; ``None``: no limit.
            poll: s between two status requests.
            on_update: called on this thread with the job whenever its status has changed, or a stream of it has
                begun or ended; with several jobs, the streams of each are known only at its end.
            cancel_on_timeout: cancel the job when the time is up.

        Raises:
            OdysseyConnectionTimeoutError: the job did not end in time.
            OdysseyError: as `get_simulate_status`. A passing failure is retried, up to 5 polls in a row.
        """
        (job,) = self.wait_for_simulations(
            [job_id], timeout=timeout, poll=poll, on_update=on_update, cancel_on_timeout=cancel_on_timeout
        )
        return job

    @errands.undisturbed
    def wait_for_simulations(
        self,
        job_ids: Iterable[str],
        *,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: odyssey_proto.OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> list[odyssey_proto.SimulationJobDetail]:
        """Wait until all jobs have ended, like `wait_for_simulation`; return them in the order of ``job_ids``.

        It polls the list of jobs, 100 at a time, and requests a job by itself only once that has left the list of
        active jobs, or if it is the only one left.
        """
        if isinstance(job_ids, str) or not isinstance(job_ids, Iterable):
            raise TypeError(f"job_ids must be an iterable of ids, not {type(job_ids).__name__}")
        wanted = [arguments.identifier("job_ids", job_id) for job_id in errands.call_back(tuple, job_ids)]
        until = self._until(timeout)
        return self._account.job_waiter(poll, on_update, cancel_on_timeout).wait(wanted, until)

    @errands.undisturbed
    def simulate_and_wait(
        self,
        *,
        script: odyssey_proto.Script | None = None,
        scripts: Sequence[odyssey_proto.Script] | None = None,
        script_url: str | None = None,
        portrait: bool = True,
        bypass_prompt_expansion: bool | None = None,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: odyssey_proto.OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> odyssey_proto.SimulationJobDetail:
        """Create a job as `simulate` does, and wait for it as `wait_for_simulation` does; a failure raises.

        Raises:
            SimulationFailedError: the job failed or was cancelled, or a script made no stream; ``failed_scripts``
                says which, and ``job`` has the streams that were made. `wait_for_simulation` returns such a job,
                whose `SimulationJobDetail.raise_for_status` raises this.
        """
        from ._model.simulation_job import failure  # loads models that most programs do not need

        until = self._until(timeout)
        waiter = self._account.job_waiter(poll, on_update, cancel_on_timeout)
        job = self.simulate(
            script=script,
            scripts=scripts,
            script_url=script_url,
            portrait=portrait,
            bypass_prompt_expansion=bypass_prompt_expansion,
            timeout=until.remaining(at_most=30.0),
        )
        (ended,) = waiter.wait([job.job_id], until)
        error = failure(ended, len(scripts) if scripts is not None else 1 if script is not None else None)
        if error is not None:
            raise error
        return ended

    @property
    def with_raw_response(self) -> RawCalls:
        """The same calls, returning the response's status, headers and request id along with the parsed result.

        >>> raw = client.with_raw_response.get_recording("stream-123")  # doctest: +SKIP
        >>> raw.status, raw.request_id, raw.parsed.video_url  # doctest: +SKIP
        """
        return RawCalls(self, self._account.answers)

    def _until(
        self, timeout: float | ClientDefault | None, default: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> Deadline:
        """Return the deadline of a call; ``default`` (s) replaces the client's ``timeout`` for longer calls."""
        return Deadline(self._seconds(default if timeout is CLIENT_DEFAULT else timeout), self._clock)

    def _seconds(self, timeout: float | ClientDefault | None) -> float | None:
        """Return ``timeout`` (s) as given, or the client's ``timeout`` for CLIENT_DEFAULT."""
        if timeout is CLIENT_DEFAULT:
            return self.config.timeout
        arguments.timeout("timeout", timeout)
        return timeout

    @property
    def _queueing_s(self) -> float:
        return self.config.advanced.queue_timeout_s + 30

    def _settle(self, deadline: Deadline) -> None:
        """Wait until the sessions that were left have been given back to the service, if there are any."""
