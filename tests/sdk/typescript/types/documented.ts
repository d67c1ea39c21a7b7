// The interfaces as the public JavaScript documentation (v1.3) states them, each assigned to ours and back.

import type * as ours from "odyssey-models/documented";
import type * as wire from "odyssey-models";

interface OdysseyEventHandlers {
  onConnected?: (mediaStream: MediaStream) => void;
  onDisconnected?: () => void;
  onStreamStarted?: (streamId: string) => void;
  onStreamEnded?: () => void;
  onInteractAcknowledged?: (prompt: string) => void;
  onStreamError?: (reason: string, message: string) => void;
  onError?: (error: Error, fatal: boolean) => void;
  onStatusChange?: (status: ConnectionStatus, message?: string) => void;
  onBroadcastReady?: (info: BroadcastInfo) => void;
}
type UseOdysseyHandlers = OdysseyEventHandlers;
interface UseOdysseyOptions {
  apiKey: string;
  handlers?: UseOdysseyHandlers;
}
interface ClientConfig {
  apiKey: string;
}
type ConnectionStatus =
  "authenticating" | "connecting" | "reconnecting" | "connected" | "disconnected" | "failed";
interface Recording {
  stream_id: string;
  video_url: string | null;
  events_url: string | null;
  thumbnail_url: string | null;
  preview_url: string | null;
  frame_count: number | null;
  duration_seconds: number | null;
}
interface StreamRecordingSummary {
  stream_id: string;
  width: number;
  height: number;
  started_at: string;
  ended_at: string | null;
  duration_seconds: number | null;
}
interface ListStreamRecordingsOptions {
  limit?: number;
  offset?: number;
}
interface StreamRecordingsListResponse {
  recordings: StreamRecordingSummary[];
  total: number;
  limit: number;
  offset: number;
}
type SimulationJobStatus = "pending" | "dispatched" | "processing" | "completed" | "failed" | "cancelled";
interface ScriptEntry {
  timestamp_ms: number;
  start?: {
    prompt: string;
    image?: File | Blob | string;
  };
  interact?: {
    prompt: string;
  };
  end?: Record<string, never>;
}
interface SimulateOptions {
  script?: ScriptEntry[];
  scripts?: ScriptEntry[][];
  script_url?: string;
  portrait?: boolean;
  bypassPromptExpansion?: boolean;
}
interface SimulationStream {
  stream_id: string;
  video_url: string | null;
  events_url: string | null;
  thumbnail_url: string | null;
  preview_url: string | null;
  frame_count: number | null;
  duration_seconds: number | null;
  script_index: number;
}
interface SimulationJob {
  job_id: string;
  status: SimulationJobStatus;
  priority: string;
  created_at: string;
  estimated_wait_minutes: number | null;
}
interface SimulationJobDetail {
  job_id: string;
  status: SimulationJobStatus;
  priority: string;
  created_at: string;
  dispatched_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  error_message: string | null;
  assigned_region: string | null;
  retry_count: number;
  streams: SimulationStream[];
}
interface SimulationJobInfo {
  job_id: string;
  status: SimulationJobStatus;
  priority: string;
  created_at: string;
  completed_at: string | null;
  error_message: string | null;
}
interface ListSimulationsOptions {
  status?: SimulationJobStatus;
  active?: boolean;
  limit?: number;
  offset?: number;
}
interface SimulationJobsList {
  jobs: SimulationJobInfo[];
  total: number;
  limit: number;
  offset: number;
}
interface StartStreamOptions {
  prompt?: string;
  portrait?: boolean;
  image?: File | Blob;
  bypassPromptExpansion?: boolean;
  broadcast?: boolean;
}
interface BroadcastInfo {
  webrtcUrl: string;
  spectatorToken: string;
  hlsUrl: string | null;
}

interface Documented {
  OdysseyEventHandlers: OdysseyEventHandlers;
  UseOdysseyHandlers: UseOdysseyHandlers;
  UseOdysseyOptions: UseOdysseyOptions;
  ClientConfig: ClientConfig;
  ConnectionStatus: ConnectionStatus;
  Recording: Recording;
  StreamRecordingSummary: StreamRecordingSummary;
  ListStreamRecordingsOptions: ListStreamRecordingsOptions;
  StreamRecordingsListResponse: StreamRecordingsListResponse;
  SimulationJobStatus: SimulationJobStatus;
  ScriptEntry: ScriptEntry;
  SimulateOptions: SimulateOptions;
  SimulationStream: SimulationStream;
  SimulationJob: SimulationJob;
  SimulationJobDetail: SimulationJobDetail;
  SimulationJobInfo: SimulationJobInfo;
  ListSimulationsOptions: ListSimulationsOptions;
  SimulationJobsList: SimulationJobsList;
  StartStreamOptions: StartStreamOptions;
  BroadcastInfo: BroadcastInfo;
}

interface Ours {
  OdysseyEventHandlers: ours.OdysseyEventHandlers;
  UseOdysseyHandlers: ours.UseOdysseyHandlers;
  UseOdysseyOptions: ours.UseOdysseyOptions;
  ClientConfig: ours.ClientConfig;
  ConnectionStatus: ours.ConnectionStatus;
  Recording: ours.Recording;
  StreamRecordingSummary: ours.StreamRecordingSummary;
  ListStreamRecordingsOptions: ours.ListStreamRecordingsOptions;
  StreamRecordingsListResponse: ours.StreamRecordingsListResponse;
  SimulationJobStatus: ours.SimulationJobStatus;
  ScriptEntry: ours.ScriptEntry;
  SimulateOptions: ours.SimulateOptions;
  SimulationStream: ours.SimulationStream;
  SimulationJob: ours.SimulationJob;
  SimulationJobDetail: ours.SimulationJobDetail;
  SimulationJobInfo: ours.SimulationJobInfo;
  ListSimulationsOptions: ours.ListSimulationsOptions;
  SimulationJobsList: ours.SimulationJobsList;
  StartStreamOptions: ours.StartStreamOptions;
  BroadcastInfo: ours.BroadcastInfo;
}

// Whether the types have the same names of fields, too: an optional field more or less would still be assignable.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = T extends (infer Item)[]
  ? Flat<Item>[]
  : T extends (...values: never[]) => unknown
    ? T
    : { [Field in keyof T]: T[Field] };
type Check = { [Name in keyof Documented]: Same<keyof Flat<Documented[Name]>, keyof Flat<Ours[Name]>> };
type AllTrue = { [Name in keyof Documented]: true };

export const to = (theirs: Documented): Ours => theirs;
export const from = (mine: Ours): Documented => mine;
export const sameFields = (checked: Check): AllTrue => checked;

// What an SDK returns as documented can be handed to whatever takes the types of the wire. Recordings are the same
// type; enums of the wire are open, and `streams` may be absent there.
export const recordingTo = (theirs: Recording): wire.Recording => theirs;
export const recordingFrom = (mine: wire.Recording): Recording => mine;
export const listTo = (theirs: StreamRecordingsListResponse): wire.StreamRecordingsList => theirs;
export const listFrom = (mine: wire.StreamRecordingsList): StreamRecordingsListResponse => mine;
export const streamTo = (theirs: SimulationStream): wire.SimulationStream => theirs;
export const jobTo = (theirs: SimulationJob): wire.SimulationJob => theirs;
export const infoTo = (theirs: SimulationJobInfo): wire.SimulationJobInfo => theirs;
export const jobsTo = (theirs: SimulationJobsList): wire.SimulationJobsList => theirs;
// @ts-expect-error the wire's status may be one that is not listed
export const infoFrom = (mine: wire.SimulationJobInfo): SimulationJobInfo => mine;
export const knownFrom = (mine: wire.SimulationJobInfo & { status: SimulationJobStatus }): SimulationJobInfo => mine;
