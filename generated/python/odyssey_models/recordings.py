# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""Artifacts of past streams: the REST bodies of `/recordings` and `/stream-recordings`."""

from __future__ import annotations

from typing import ClassVar

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum, listed

__all__ = ["RecordedEvent", "RecordedEventType", "Recording", "StreamRecordingInfo", "StreamRecordingsList"]


@attrs.frozen(kw_only=True)
class Recording(JsonObject):
    """Answer of `GET /recordings/{stream_id}`: the artifacts of one stream as presigned addresses, which are
    valid for about an hour.
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


@attrs.frozen(kw_only=True)
class StreamRecordingInfo(JsonObject):
    """One entry of the list of recordings."""

    stream_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Identifier of the stream, for `GET /recordings/{stream_id}`."""
    width: int = attrs.field(metadata={"stand_in": 0})
    """Width of the video in px."""
    height: int = attrs.field(metadata={"stand_in": 0})
    """Height of the video in px."""
    started_at: str = attrs.field(metadata={"stand_in": ""})
    """Start of the stream, ISO 8601."""
    ended_at: str | None = attrs.field(default=None, metadata={"write_null": True})
    """End of the stream, ISO 8601; null while it runs."""
    duration_seconds: float | None = attrs.field(default=None, metadata={"write_null": True})
    """Length in s; null while unknown."""


@attrs.frozen(kw_only=True)
class StreamRecordingsList(JsonObject):
    """Answer of `GET /stream-recordings`, one page of the user's recordings, newest first."""

    recordings: list[StreamRecordingInfo] = attrs.field(metadata={"stand_in": []})
    """The recordings of this page."""
    total: int = attrs.field(metadata={"stand_in": 0})
    """Number of recordings on all pages."""
    limit: int = attrs.field(metadata={"stand_in": 0})
    """Largest number of recordings on this page."""
    offset: int = attrs.field(metadata={"stand_in": 0})
    """Number of recordings before this page."""


class RecordedEventType(OpenStrEnum):
    """Kind of an event. The names are those of a script's actions."""

    START: ClassVar[RecordedEventType] = listed("start")
    """The stream began."""
    INTERACT: ClassVar[RecordedEventType] = listed("interact")
    """The prompt changed."""
    END: ClassVar[RecordedEventType] = listed("end")
    """The stream ended."""


@attrs.frozen(kw_only=True)
class RecordedEvent(JsonObject):
    """One line of the event log (`Recording.events_url`), which is JSONL. Its fields were not observed;
    readers accept any object.
    """

    timestamp_ms: int = attrs.field(metadata={"stand_in": 0})
    """Time of the event, in ms from the start of the stream."""
    type: RecordedEventType = attrs.field(metadata={"stand_in": "unknown"})
    """Kind of the event."""
    prompt: str | None = None
    """`start` and `interact`: the prompt as given."""
    applied_prompt: str | None = None
    """`start` and `interact`: the prompt as the service rewrote it."""
    reason: str | None = None
    """`end`: the reason."""
