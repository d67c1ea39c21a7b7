# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""Scripted streams that run without a viewer: the REST bodies of `/simulation-jobs`."""

from __future__ import annotations

import re

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum

__all__ = [
    "CancelledSimulation",
    "EndAction",
    "InteractAction",
    "ScriptEntry",
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
    """Begins a stream within a script."""

    prompt: str
    """What to show."""
    image: str | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.matches_re("^data:", func=re.search)),
        repr=False,
    )
    """Picture to start from, as a data URL."""


@attrs.frozen(kw_only=True)
class InteractAction(JsonObject):
    """Changes the prompt within a script."""

    prompt: str
    """What should happen."""


@attrs.frozen(kw_only=True)
class EndAction(JsonObject):
    """Ends the stream within a script. It has no fields."""


@attrs.frozen(kw_only=True)
class ScriptEntry(JsonObject):
    """One step of a script: a moment, and what happens then. The documentation shows one action per entry;
    what the service does with none, or with several, was not observed.
    """

    timestamp_ms: int = attrs.field(validator=attrs.validators.ge(0))
    """When it happens, in ms from the start of the script."""
    start: StartAction | None = None
    """Begin a stream."""
    interact: InteractAction | None = None
    """Change its prompt."""
    end: EndAction | None = None
    """End it."""


@attrs.frozen(kw_only=True)
class SimulationRequest(JsonObject):
    """Body of `POST /simulation-jobs`. Exactly one of `script`, `scripts` and `script_url` is given."""

    portrait: bool
    """Portrait (704×1280 px) or landscape (1280×704 px)."""
    output_video: bool = True
    """Whether to keep a video. The official clients always send true."""
    bypass_vlm_expansion: bool | None = None
    """Take the prompts as they are. Needs a privilege of the account."""
    script: list[ScriptEntry] | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.min_len(1))
    )
    """One script, by ascending time."""
    scripts: list[list[ScriptEntry]] | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.min_len(1))
    )
    """Several scripts for one job; each makes a stream of its own."""
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
    """Where a job stands. `completed`, `failed` and `cancelled` are final."""

    PENDING = "pending"
    """It waits in the queue."""
    DISPATCHED = "dispatched"
    """A worker was chosen."""
    PROCESSING = "processing"
    """It is being worked on."""
    COMPLETED = "completed"
    """It is done."""
    FAILED = "failed"
    """It ended with an error."""
    CANCELLED = "cancelled"
    """The user took it back."""


@attrs.frozen(kw_only=True)
class SimulationStream(JsonObject):
    """One stream that a job made, with its artifacts as presigned addresses. The service once sent a smaller
    shape with `status` and `error_message` and no artifacts; all but the identifier may be absent.
    """

    stream_id: str
    """Identifier of the stream."""
    video_url: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Presigned address of the video (MP4)."""
    events_url: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Presigned address of the event log (JSONL)."""
    thumbnail_url: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Presigned address of a still picture (JPEG)."""
    preview_url: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Presigned address of a short preview (MP4)."""
    frame_count: int | None = attrs.field(default=None, metadata={"write_null": True})
    """Number of frames in the video."""
    duration_seconds: float | None = attrs.field(default=None, metadata={"write_null": True})
    """Length of the video in s."""
    script_index: int = 0
    """Which of `SimulationRequest.scripts` made it, from 0; 0 for a single script."""
    status: str | None = None
    """Where the stream stands. Only in the older shape."""
    error_message: str | None = None
    """Why it failed. Only in the older shape."""


@attrs.frozen(kw_only=True)
class SimulationJobDetail(JsonObject):
    """Answer of `POST /simulation-jobs`, where `streams` and `retry_count` may be absent, and of `GET
    /simulation-jobs/{job_id}`.
    """

    job_id: str
    """Identifier of the job."""
    status: SimulationJobStatus
    """Where the job stands."""
    priority: str
    """Priority of the job in the queue."""
    created_at: str
    """When it was created, ISO 8601."""
    dispatched_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """When a worker was chosen, ISO 8601."""
    started_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """When the work began, ISO 8601."""
    completed_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """When it came to its end, ISO 8601."""
    error_message: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Why it failed."""
    assigned_region: str | None = attrs.field(default=None, metadata={"write_null": True})
    """The `Region.id` where it runs."""
    retry_count: int = 0
    """How often the service began anew."""
    streams: list[SimulationStream] = attrs.field(factory=list[SimulationStream])
    """The streams made so far."""
    estimated_wait_minutes: float | None = attrs.field(default=None, metadata={"write_null": True})
    """Estimated wait until the work begins, in min."""


@attrs.frozen(kw_only=True)
class SimulationJobInfo(JsonObject):
    """One line of the list of jobs."""

    job_id: str
    """Identifier of the job, for `GET /simulation-jobs/{job_id}`."""
    status: SimulationJobStatus
    """Where the job stands."""
    priority: str
    """Priority of the job in the queue."""
    created_at: str
    """When it was created, ISO 8601."""
    completed_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """When it came to its end, ISO 8601."""
    error_message: str | None = attrs.field(default=None, metadata={"write_null": True})
    """Why it failed."""


@attrs.frozen(kw_only=True)
class SimulationJobsList(JsonObject):
    """Answer of `GET /simulation-jobs`, one page of the user's jobs."""

    jobs: list[SimulationJobInfo]
    """The jobs of this page."""
    total: int
    """Number of jobs on all pages."""
    limit: int
    """Largest number of jobs on this page."""
    offset: int
    """Number of jobs before this page."""


@attrs.frozen(kw_only=True)
class CancelledSimulation(JsonObject):
    """Answer of `DELETE /simulation-jobs/{job_id}`: the job taken back. Only its identifier and status are
    sure to be there.
    """

    job_id: str
    """Identifier of the job."""
    status: SimulationJobStatus
    """Where the job stands now."""
    priority: str | None = None
    """Priority of the job in the queue."""
    created_at: str | None = None
    """When it was created, ISO 8601."""
    completed_at: str | None = None
    """When it came to its end, ISO 8601."""
    error_message: str | None = None
    """Why it failed, if it had."""
