# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""Scripted streams that run without a viewer: the REST bodies of `/simulation-jobs`."""

from __future__ import annotations

import re
from typing import ClassVar

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum, listed

__all__ = [
    "CancelledSimulation",
    "EndAction",
    "InteractAction",
    "ScriptEntry",
    "SimulationJob",
    "SimulationJobDetail",
    "SimulationJobInfo",
    "SimulationJobStatus",
    "SimulationJobsList",
    "SimulationRequest",
    "SimulationStream",
    "StartAction",
]


@attrs.frozen(kw_only=True)
class StartAction(JsonObject):
    """Starts a stream within a script. A client passes on fields that it does not know."""

    prompt: str
    """Prompt for the video."""
    image: str | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.matches_re("^data:", func=re.search)),
        repr=False,
    )
    """Picture to start from, as a data URL."""


@attrs.frozen(kw_only=True)
class InteractAction(JsonObject):
    """Changes the prompt within a script. A client passes on fields that it does not know."""

    prompt: str
    """What should happen."""


@attrs.frozen(kw_only=True)
class EndAction(JsonObject):
    """Ends the stream within a script. No fields are known."""


@attrs.frozen(kw_only=True)
class ScriptEntry(JsonObject):
    """One step of a script: a time and an action. The documentation shows one action per entry; the effect of
    none, or of several, was not observed. A client passes on fields that it does not know.
    """

    timestamp_ms: float = attrs.field(validator=attrs.validators.ge(0))
    """Time of the action, in ms from the start of the script. The documentation shows integers."""
    start: StartAction | None = None
    """Start a stream."""
    interact: InteractAction | None = None
    """Change the prompt of the stream."""
    end: EndAction | None = None
    """End the stream."""


@attrs.frozen(kw_only=True)
class SimulationRequest(JsonObject):
    """Body of `POST /simulation-jobs`. Exactly one of `script`, `scripts` and `script_url` is given."""

    portrait: bool
    """Portrait (704×1280 px) or landscape (1280×704 px)."""
    output_video: bool = True
    """Whether to keep a video. The official clients always send true."""
    bypass_vlm_expansion: bool | None = None
    """Use the prompts unchanged. Needs a privilege of the account."""
    script: list[ScriptEntry] | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.min_len(1))
    )
    """One script, in order of time."""
    scripts: list[list[ScriptEntry]] | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.min_len(1))
    )
    """Several scripts for one job; each makes its own stream."""
    script_url: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.min_len(1))
    )
    """Address of a JSON file that holds one script."""

    def __attrs_post_init__(self) -> None:
        given = (
            self.script,
            self.scripts,
            self.script_url,
        )
        if sum(value is not None for value in given) != 1:
            raise ValueError("exactly one of script, scripts, script_url is needed")


class SimulationJobStatus(OpenStrEnum):
    """Status of a job. `completed`, `failed` and `cancelled` are final."""

    PENDING: ClassVar[SimulationJobStatus] = listed("pending")
    """The job waits in the queue."""
    DISPATCHED: ClassVar[SimulationJobStatus] = listed("dispatched")
    """A worker has been chosen."""
    PROCESSING: ClassVar[SimulationJobStatus] = listed("processing")
    """A worker is running the job."""
    COMPLETED: ClassVar[SimulationJobStatus] = listed("completed")
    """The job is done."""
    FAILED: ClassVar[SimulationJobStatus] = listed("failed")
    """The job ended with an error."""
    CANCELLED: ClassVar[SimulationJobStatus] = listed("cancelled")
    """The user cancelled the job."""


@attrs.frozen(kw_only=True)
class SimulationStream(JsonObject):
    """One stream that a job made, with its artifacts as presigned addresses. An older service sent `status`
    and `error_message` and no artifacts; all fields but the identifier may be absent.
    """

    stream_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Identifier of the stream."""
    video_url: str | None = attrs.field(default=None, repr=False, metadata={"write_null": True})
    """Presigned address of the video (MP4)."""
    events_url: str | None = attrs.field(default=None, repr=False, metadata={"write_null": True})
    """Presigned address of the event log (JSONL)."""
    thumbnail_url: str | None = attrs.field(default=None, repr=False, metadata={"write_null": True})
    """Presigned address of a still picture (JPEG)."""
    preview_url: str | None = attrs.field(default=None, repr=False, metadata={"write_null": True})
    """Presigned address of a short preview (MP4)."""
    frame_count: int | None = attrs.field(default=None, metadata={"write_null": True})
    """Number of frames in the video."""
    duration_seconds: float | None = attrs.field(default=None, metadata={"write_null": True})
    """Length of the video in s."""
    script_index: int = 0
    """Index in `SimulationRequest.scripts` of the script that made it; 0 for a single script."""
    status: str | None = None
    """Status of the stream. Only from an older service."""
    error_message: str | None = None
    """Reason for the failure. Only from an older service."""


@attrs.frozen(kw_only=True)
class SimulationJob(JsonObject):
    """Answer of `POST /simulation-jobs`: the new job. Of a `SimulationJobDetail`, it surely has the
    documented fields; the others are optional.
    """

    job_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Identifier of the job."""
    status: SimulationJobStatus = attrs.field(metadata={"stand_in": "unknown"})
    """Status of the job."""
    priority: str = attrs.field(metadata={"stand_in": ""})
    """Priority of the job in the queue."""
    created_at: str = attrs.field(metadata={"stand_in": ""})
    """Time of creation, ISO 8601."""
    estimated_wait_minutes: float | None = attrs.field(default=None, metadata={"write_null": True})
    """Estimated time until the job starts, in min."""
    dispatched_at: str | None = None
    """Time at which a worker was chosen, ISO 8601."""
    started_at: str | None = None
    """Time at which a worker started, ISO 8601."""
    completed_at: str | None = None
    """Time at which the job ended, ISO 8601."""
    error_message: str | None = None
    """Reason for the failure."""
    assigned_region: str | None = None
    """The `Region.id` where the job runs."""
    retry_count: int = 0
    """How often the service started the job again."""
    streams: list[SimulationStream] = attrs.field(factory=list[SimulationStream])
    """The streams made so far."""


@attrs.frozen(kw_only=True)
class SimulationJobDetail(JsonObject):
    """Answer of `GET /simulation-jobs/{job_id}`."""

    job_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Identifier of the job."""
    status: SimulationJobStatus = attrs.field(metadata={"stand_in": "unknown"})
    """Status of the job."""
    priority: str = attrs.field(metadata={"stand_in": ""})
    """Priority of the job in the queue."""
    created_at: str = attrs.field(metadata={"stand_in": ""})
    """Time of creation, ISO 8601."""
    dispatched_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Time at which a worker was chosen, ISO 8601."""
    started_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Time at which a worker started, ISO 8601."""
    completed_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Time at which the job ended, ISO 8601."""
    error_message: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Reason for the failure."""
    assigned_region: str | None = attrs.field(default=None, metadata={"write_null": True})
    """The `Region.id` where the job runs."""
    retry_count: int = 0
    """How often the service started the job again."""
    streams: list[SimulationStream] = attrs.field(factory=list[SimulationStream])
    """The streams made so far."""
    estimated_wait_minutes: float | None = attrs.field(default=None, metadata={"write_null": True})
    """Estimated time until the job starts, in min."""


@attrs.frozen(kw_only=True)
class SimulationJobInfo(JsonObject):
    """One entry of the list of jobs."""

    job_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Identifier of the job, for `GET /simulation-jobs/{job_id}`."""
    status: SimulationJobStatus = attrs.field(metadata={"stand_in": "unknown"})
    """Status of the job."""
    priority: str = attrs.field(metadata={"stand_in": ""})
    """Priority of the job in the queue."""
    created_at: str = attrs.field(metadata={"stand_in": ""})
    """Time of creation, ISO 8601."""
    completed_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Time at which the job ended, ISO 8601."""
    error_message: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Reason for the failure."""


@attrs.frozen(kw_only=True)
class SimulationJobsList(JsonObject):
    """Answer of `GET /simulation-jobs`, one page of the user's jobs."""

    jobs: list[SimulationJobInfo] = attrs.field(metadata={"stand_in": []})
    """The jobs of this page."""
    total: int = attrs.field(metadata={"stand_in": 0})
    """Number of jobs on all pages."""
    limit: int = attrs.field(metadata={"stand_in": 0})
    """Largest number of jobs on this page."""
    offset: int = attrs.field(metadata={"stand_in": 0})
    """Number of jobs before this page."""


@attrs.frozen(kw_only=True)
class CancelledSimulation(JsonObject):
    """Answer of `DELETE /simulation-jobs/{job_id}`: the cancelled job. Only its identifier and status are
    always present.
    """

    job_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Identifier of the job."""
    status: SimulationJobStatus = attrs.field(metadata={"stand_in": "cancelled"})
    """Status of the job now."""
    priority: str | None = None
    """Priority of the job in the queue."""
    created_at: str | None = None
    """Time of creation, ISO 8601."""
    completed_at: str | None = None
    """Time at which the job ended, ISO 8601."""
    error_message: str | None = None
    """Reason for the failure, if the job had failed."""
