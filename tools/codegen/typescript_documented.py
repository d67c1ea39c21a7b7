"""Writes the interfaces of the JavaScript documentation (v1.3): by hand, or from schemas that have their fields.

These interfaces differ from the types of the wire: enums are closed, and every field of an answer is present.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from tools.codegen.marked import fault_in
from tools.codegen.sources import Schema, SpecError, definitions
from tools.codegen.typescript_schemas import located, members, referenced
from tools.codegen.typescript_types import comment, field_type, note

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["documented"]


@attrs.frozen
class _Documented:
    """An interface of the documentation: its name there, the definition that it shows, and its fields."""

    name: str
    definition: str
    fields: tuple[str, ...]


_SHOWN = (
    _Documented(
        "Recording",
        "Recording",
        (
            "stream_id",
            "video_url",
            "events_url",
            "thumbnail_url",
            "preview_url",
            "frame_count",
            "duration_seconds",
        ),
    ),
    _Documented(
        "StreamRecordingSummary",
        "StreamRecordingInfo",
        ("stream_id", "width", "height", "started_at", "ended_at", "duration_seconds"),
    ),
    _Documented(
        "StreamRecordingsListResponse", "StreamRecordingsList", ("recordings", "total", "limit", "offset")
    ),
    _Documented(
        "SimulationStream",
        "SimulationStream",
        (
            "stream_id",
            "video_url",
            "events_url",
            "thumbnail_url",
            "preview_url",
            "frame_count",
            "duration_seconds",
            "script_index",
        ),
    ),
    _Documented(
        "SimulationJob",
        "SimulationJob",
        ("job_id", "status", "priority", "created_at", "estimated_wait_minutes"),
    ),
    _Documented(
        "SimulationJobDetail",
        "SimulationJobDetail",
        (
            "job_id",
            "status",
            "priority",
            "created_at",
            "dispatched_at",
            "started_at",
            "completed_at",
            "error_message",
            "assigned_region",
            "retry_count",
            "streams",
        ),
    ),
    _Documented(
        "SimulationJobInfo",
        "SimulationJobInfo",
        ("job_id", "status", "priority", "created_at", "completed_at", "error_message"),
    ),
    _Documented("SimulationJobsList", "SimulationJobsList", ("jobs", "total", "limit", "offset")),
)

_RENAMED = {shown.definition: shown.name for shown in _SHOWN}
"""Name of a definition -> its name in the documentation."""

_BY_HAND = """\
/// <reference lib="dom" />

/** Settings of a client. */
export interface ClientConfig {
  /** The user's API key. */
  apiKey: string;
}

/** Where a broadcast can be watched. */
export interface BroadcastInfo {
  /** Address of the WHEP endpoint. */
  webrtcUrl: string;
  /** Token that a spectator must present. Secret: do not log it. */
  spectatorToken: string;
  /** Address of the HLS playlist. */
  hlsUrl: string | null;
}

/** Handlers of what happens on a connection. */
export interface OdysseyEventHandlers {
  /** The video has come. */
  onConnected?: (mediaStream: MediaStream) => void;
  /** The connection has ended. */
  onDisconnected?: () => void;
  /** A stream runs; recordings are found by its identifier. */
  onStreamStarted?: (streamId: string) => void;
  /** The stream is over. */
  onStreamEnded?: () => void;
  /** The prompt has changed to this one. */
  onInteractAcknowledged?: (prompt: string) => void;
  /** A request failed, or the stream broke. */
  onStreamError?: (reason: string, message: string) => void;
  /** Anything else failed; after a fatal error, the connection is over. */
  onError?: (error: Error, fatal: boolean) => void;
  /** The state of the connection has changed. */
  onStatusChange?: (status: ConnectionStatus, message?: string) => void;
  /** Spectators may watch. */
  onBroadcastReady?: (info: BroadcastInfo) => void;
}

/** The same handlers, for the React hook. */
export type UseOdysseyHandlers = OdysseyEventHandlers;

/** Settings of the React hook. */
export interface UseOdysseyOptions {
  /** The user's API key. */
  apiKey: string;
  /** Handlers of what happens. */
  handlers?: UseOdysseyHandlers;
}

/** Settings of a stream. */
export interface StartStreamOptions {
  /** Prompt for the video. */
  prompt?: string;
  /** Portrait (704×1280 px) or landscape (1280×704 px). */
  portrait?: boolean;
  /** Picture to start from. */
  image?: File | Blob;
  /** Use the prompt unchanged. Needs a privilege of the account. */
  bypassPromptExpansion?: boolean;
  /** Whether spectators may watch. */
  broadcast?: boolean;
}

/** One step of a script. */
export interface ScriptEntry {
  /** Time of the action, in ms from the start of the script. */
  timestamp_ms: number;
  /** Start a stream; the picture is a file or a data URL. */
  start?: {
    prompt: string;
    image?: File | Blob | string;
  };
  /** Change the prompt of the stream. */
  interact?: {
    prompt: string;
  };
  /** End the stream. */
  end?: Record<string, never>;
}

/** What to simulate; exactly one of `script`, `scripts` and `script_url` is given. */
export interface SimulateOptions {
  /** One script, in order of time. */
  script?: ScriptEntry[];
  /** Several scripts for one job; each makes its own stream. */
  scripts?: ScriptEntry[][];
  /** Address of a JSON file that holds one script. */
  script_url?: string;
  /** Portrait (704×1280 px) or landscape (1280×704 px). */
  portrait?: boolean;
  /** Use the prompts unchanged. Needs a privilege of the account. */
  bypassPromptExpansion?: boolean;
}

/** Which recordings to list. */
export interface ListStreamRecordingsOptions {
  /** Largest number of recordings to return. */
  limit?: number;
  /** Number of recordings to skip. */
  offset?: number;
}

/** Which jobs to list. */
export interface ListSimulationsOptions {
  /** Only jobs in this state. */
  status?: SimulationJobStatus;
  /** Only jobs that are pending, dispatched or processing. */
  active?: boolean;
  /** Largest number of jobs to return. */
  limit?: number;
  /** Number of jobs to skip. */
  offset?: number;
}
"""


def documented(files: dict[str, Schema]) -> str:
    """Return the module of the documented interfaces. Raises `SpecError` if a documented field is missing."""
    found = {name: schema for _, name, schema in definitions(files)}
    parts = [_BY_HAND, *(_closed_enum(name, found[name]) for name in ("ConnectionStatus", "SimulationJobStatus"))]
    missing = [
        fault_in(files, shown.definition, (), f"{shown.definition}: no {name}, which the documentation shows")
        for shown in _SHOWN
        for name in shown.fields
        if name not in found[shown.definition]["properties"]
    ]
    if missing:
        raise SpecError(missing)
    for shown in _SHOWN:
        with located(files, shown.definition):
            parts.append(_interface(shown, found[shown.definition]))
    return "\n".join(parts)


def _closed_enum(name: str, schema: Schema) -> str:
    lines = [line for value in members(schema) for line in (*comment(2, *note(value)), f'  | "{value["const"]}"')]
    doc = "\n".join(comment(0, *note(schema)))
    return f"{doc}\nexport type {name} =\n" + "\n".join(lines) + ";\n"


def _interface(shown: _Documented, schema: Schema) -> str:
    doc = "\n".join(comment(0, *note(schema)))
    return f"{doc}\nexport interface {shown.name} {{\n" + "\n".join(_fields(shown, schema)) + "\n}\n"


def _fields(shown: _Documented, schema: Schema) -> Iterator[str]:
    for name in shown.fields:
        field = schema["properties"][name]
        yield from comment(2, *note({**field, "default": None}))
        yield f"  {name}: {field_type(_renamed(field), shown.name)};"


def _renamed(field: Schema) -> Schema:
    if "$ref" in field:
        name = referenced(field["$ref"])
        return {"$ref": f"#/$defs/{_RENAMED.get(name, name)}"}
    return {**field, "items": _renamed(field["items"])} if "items" in field else field
