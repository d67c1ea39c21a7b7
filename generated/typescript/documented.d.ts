// Made from spec/ by `python -m tools.codegen`. Do not edit.

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

/** Status of a client's connection, as SDKs report it. */
export type ConnectionStatus =
  /** The client exchanges its API key for a bearer token. */
  | "authenticating"
  /** The client waits for a streamer, or sets up signaling and video. */
  | "connecting"
  /** The connection was lost; the client rejoins the session. */
  | "reconnecting"
  /** The video track was received and `clientToStreamer` is open. */
  | "connected"
  /** Never connected, or cleanly disconnected. */
  | "disconnected"
  /** An error ended the connection. */
  | "failed";

/** Status of a job. `completed`, `failed` and `cancelled` are final. */
export type SimulationJobStatus =
  /** The job waits in the queue. */
  | "pending"
  /** A worker has been chosen. */
  | "dispatched"
  /** A worker is running the job. */
  | "processing"
  /** The job is done. */
  | "completed"
  /** The job ended with an error. */
  | "failed"
  /** The user cancelled the job. */
  | "cancelled";

/**
 * Answer of `GET /recordings/{stream_id}`: the artifacts of one stream as presigned addresses, which are
 * valid for about an hour.
 */
export interface Recording {
  /** Identifier of the stream. */
  stream_id: string;
  /** Presigned address of the video (MP4). */
  video_url: string | null;
  /** Presigned address of the event log (JSONL). */
  events_url: string | null;
  /** Presigned address of a still picture (JPEG). */
  thumbnail_url: string | null;
  /** Presigned address of a short preview (MP4). */
  preview_url: string | null;
  /** Number of frames in the video. */
  frame_count: number | null;
  /** Length of the video in s. */
  duration_seconds: number | null;
}

/** One entry of the list of recordings. */
export interface StreamRecordingSummary {
  /** Identifier of the stream, for `GET /recordings/{stream_id}`. */
  stream_id: string;
  /** Width of the video in px. */
  width: number;
  /** Height of the video in px. */
  height: number;
  /** Start of the stream, ISO 8601. */
  started_at: string;
  /** End of the stream, ISO 8601; null while it runs. */
  ended_at: string | null;
  /** Length in s; null while unknown. */
  duration_seconds: number | null;
}

/** Answer of `GET /stream-recordings`, one page of the user's recordings, newest first. */
export interface StreamRecordingsListResponse {
  /** The recordings of this page. */
  recordings: StreamRecordingSummary[];
  /** Number of recordings on all pages. */
  total: number;
  /** Largest number of recordings on this page. */
  limit: number;
  /** Number of recordings before this page. */
  offset: number;
}

/**
 * One stream that a job made, with its artifacts as presigned addresses. An older service sent `status` and
 * `error_message` and no artifacts; all fields but the identifier may be absent.
 */
export interface SimulationStream {
  /** Identifier of the stream. */
  stream_id: string;
  /** Presigned address of the video (MP4). */
  video_url: string | null;
  /** Presigned address of the event log (JSONL). */
  events_url: string | null;
  /** Presigned address of a still picture (JPEG). */
  thumbnail_url: string | null;
  /** Presigned address of a short preview (MP4). */
  preview_url: string | null;
  /** Number of frames in the video. */
  frame_count: number | null;
  /** Length of the video in s. */
  duration_seconds: number | null;
  /** Index in `SimulationRequest.scripts` of the script that made it; 0 for a single script. */
  script_index: number;
}

/**
 * Answer of `POST /simulation-jobs`: the new job. Of a `SimulationJobDetail`, it surely has the documented
 * fields; the others are optional.
 */
export interface SimulationJob {
  /** Identifier of the job. */
  job_id: string;
  /** Status of the job. */
  status: SimulationJobStatus;
  /** Priority of the job in the queue. */
  priority: string;
  /** Time of creation, ISO 8601. */
  created_at: string;
  /** Estimated time until the job starts, in min. */
  estimated_wait_minutes: number | null;
}

/** Answer of `GET /simulation-jobs/{job_id}`. */
export interface SimulationJobDetail {
  /** Identifier of the job. */
  job_id: string;
  /** Status of the job. */
  status: SimulationJobStatus;
  /** Priority of the job in the queue. */
  priority: string;
  /** Time of creation, ISO 8601. */
  created_at: string;
  /** Time at which a worker was chosen, ISO 8601. */
  dispatched_at: string | null;
  /** Time at which a worker started, ISO 8601. */
  started_at: string | null;
  /** Time at which the job ended, ISO 8601. */
  completed_at: string | null;
  /** Reason for the failure. */
  error_message: string | null;
  /** The `Region.id` where the job runs. */
  assigned_region: string | null;
  /** How often the service started the job again. */
  retry_count: number;
  /** The streams made so far. */
  streams: SimulationStream[];
}

/** One entry of the list of jobs. */
export interface SimulationJobInfo {
  /** Identifier of the job, for `GET /simulation-jobs/{job_id}`. */
  job_id: string;
  /** Status of the job. */
  status: SimulationJobStatus;
  /** Priority of the job in the queue. */
  priority: string;
  /** Time of creation, ISO 8601. */
  created_at: string;
  /** Time at which the job ended, ISO 8601. */
  completed_at: string | null;
  /** Reason for the failure. */
  error_message: string | null;
}

/** Answer of `GET /simulation-jobs`, one page of the user's jobs. */
export interface SimulationJobsList {
  /** The jobs of this page. */
  jobs: SimulationJobInfo[];
  /** Number of jobs on all pages. */
  total: number;
  /** Largest number of jobs on this page. */
  limit: number;
  /** Number of jobs before this page. */
  offset: number;
}
