// Made from spec/ by `python -m tools.codegen`. Do not edit.

export {}; // only what is marked as exported is exported

/**
 * The texts that an enum of the protocol does not list: a type for each of these enums, and no value at run time.
 * An enum of TypeScript is the one kind of text that cannot be compared with any other text.
 */
declare enum Unlisted {
  StreamErrorReason = "any other StreamErrorReason",
  ConnectionStatus = "any other ConnectionStatus",
  UsageErrorCode = "any other UsageErrorCode",
  RecordedEventType = "any other RecordedEventType",
  SignalingErrorReason = "any other SignalingErrorReason",
  SimulationJobStatus = "any other SimulationJobStatus",
  TelemetryEventName = "any other TelemetryEventName",
  TelemetryErrorType = "any other TelemetryErrorType",
}

/** A JSON object with any fields. */
export type JsonObject = { [field: string]: unknown };

type NoFields = Record<string, never>;

// Data channels: schemas/channel.yaml

/**
 * Client to streamer. Start a stream. The only request that may be sent over signaling instead: if it has an
 * image, is too large for the data channel, or that channel is not open.
 * @example
 * ```json
 * {
 *   "type": "interactive_stream_start",
 *   "prompt": "A cat",
 *   "portrait": true,
 *   "broadcast": false
 * }
 * ```
 */
export interface InteractiveStreamStart {
  /** Tag of the message. */
  type: "interactive_stream_start";
  /** Prompt for the video; may be empty. */
  prompt: string;
  /** Portrait (704×1280 px) or landscape (1280×704 px). */
  portrait: boolean;
  /** Picture to start from, as a data URL. */
  input_image_base64?: string | null;
  /** Whether spectators may watch. */
  broadcast: boolean;
  /** Use the prompt unchanged. Needs a privilege of the account. */
  bypass_vlm_expansion?: boolean | null;
}

/** Returns whether `value` has the type {@link InteractiveStreamStart}. */
export declare function isInteractiveStreamStart(value: unknown): value is InteractiveStreamStart;

/**
 * Client to streamer. Change the prompt (`interact`).
 * @example
 * ```json
 * {
 *   "type": "update",
 *   "prompt": "Pet the cat"
 * }
 * ```
 */
export interface Update {
  /** Tag of the message. */
  type: "update";
  /** What should happen. */
  prompt: string;
}

/** Returns whether `value` has the type {@link Update}. */
export declare function isUpdate(value: unknown): value is Update;

/**
 * Client to streamer. End the stream.
 * @example
 * ```json
 * {
 *   "type": "interactive_stream_end"
 * }
 * ```
 */
export interface InteractiveStreamEnd {
  /** Tag of the message. */
  type: "interactive_stream_end";
}

/** Returns whether `value` has the type {@link InteractiveStreamEnd}. */
export declare function isInteractiveStreamEnd(value: unknown): value is InteractiveStreamEnd;

/**
 * Streamer to client. The stream runs.
 * @example
 * ```json
 * {
 *   "type": "stream_started",
 *   "stream_id": "stream_81d2"
 * }
 * ```
 */
export interface StreamStarted {
  /** Tag of the message. */
  type: "stream_started";
  /** Identifier of the stream and of its recording. */
  stream_id: string;
  /** The prompt as the service rewrote it. */
  applied_prompt?: string | null;
}

/** Returns whether `value` has the type {@link StreamStarted}. */
export declare function isStreamStarted(value: unknown): value is StreamStarted;

/**
 * Streamer to client. The prompt has changed.
 * @example
 * ```json
 * {
 *   "type": "update_acknowledged",
 *   "prompt": "A hand strokes the cat"
 * }
 * ```
 */
export interface UpdateAcknowledged {
  /** Tag of the message. */
  type: "update_acknowledged";
  /** The prompt now applied, as the service rewrote it. */
  prompt: string;
}

/** Returns whether `value` has the type {@link UpdateAcknowledged}. */
export declare function isUpdateAcknowledged(value: unknown): value is UpdateAcknowledged;

/**
 * Streamer to client. The stream is over.
 * @example
 * ```json
 * {
 *   "type": "stream_ended"
 * }
 * ```
 */
export interface StreamEnded {
  /** Tag of the message. */
  type: "stream_ended";
}

/** Returns whether `value` has the type {@link StreamEnded}. */
export declare function isStreamEnded(value: unknown): value is StreamEnded;

/**
 * Streamer to client. Spectators may watch. Without `webrtc_url` and `spectator_token`, the client itself
 * reports the stream error `broadcast_error`.
 * @example
 * ```json
 * {
 *   "type": "broadcast_ready",
 *   "broadcast_url": "https://live.example.org/stream_81d2/index.m3u8",
 *   "webrtc_url": "https://live.example.org/stream_81d2",
 *   "spectator_token": "spectator_9c1e"
 * }
 * ```
 */
export interface BroadcastReady {
  /** Tag of the message. */
  type: "broadcast_ready";
  /** Address of the HLS playlist, which is 5 s to 10 s behind. */
  broadcast_url?: string | null;
  /** Address to which `/whep` is appended to watch by WebRTC. */
  webrtc_url?: string | null;
  /** Token that a spectator must present. Secret: do not log it. */
  spectator_token?: string | null;
}

/** Returns whether `value` has the type {@link BroadcastReady}. */
export declare function isBroadcastReady(value: unknown): value is BroadcastReady;

/** Reason why a request on the data channel failed. */
export type StreamErrorReason = KnownStreamErrorReason | UnknownStreamErrorReason;

/** The listed values of {@link StreamErrorReason}. */
export type KnownStreamErrorReason =
  /** The hours of this month are used up. */
  | "quota_exceeded"
  /** The account has the maximum number of open sessions. */
  | "concurrent_limit_exceeded"
  /** The stream reached the maximum length. */
  | "session_timeout"
  /** The service does not grant the streamer to this session. */
  | "lease_denied"
  /**
   * The prompt or the image was refused. The case is documented, the exact text is not. Assumed: not
   * observed.
   */
  | "moderation"
  /** The account may not bypass the expansion of prompts. Assumed: not observed. */
  | "bypass_not_allowed"
  /** The streamer cannot start from an image. Assumed: not observed. */
  | "image_not_supported"
  /** No stream is running. Assumed: not observed. */
  | "no_active_stream"
  /** A stream is already running. Assumed: not observed. */
  | "stream_already_active";

/** A value of {@link StreamErrorReason} that is not listed. */
export type UnknownStreamErrorReason = Unlisted.StreamErrorReason;

/** The listed values of {@link StreamErrorReason}. */
export declare const streamErrorReasonValues: readonly [
  "quota_exceeded",
  "concurrent_limit_exceeded",
  "session_timeout",
  "lease_denied",
  "moderation",
  "bypass_not_allowed",
  "image_not_supported",
  "no_active_stream",
  "stream_already_active",
];

/** Returns whether `value` is a listed value of {@link StreamErrorReason}. */
export declare function isKnownStreamErrorReason(value: unknown): value is KnownStreamErrorReason;

/** Returns whether `value` has the type {@link StreamErrorReason}. */
export declare function isStreamErrorReason(value: unknown): value is StreamErrorReason;

/**
 * Streamer to client. The pending request (a start, an update) failed, or the stream broke.
 * @example
 * ```json
 * {
 *   "type": "interactive_stream_error",
 *   "reason": "session_timeout",
 *   "message": "The session has reached its longest duration"
 * }
 * ```
 */
export interface InteractiveStreamError {
  /** Tag of the message. */
  type: "interactive_stream_error";
  /** The reason. */
  reason: StreamErrorReason;
  /** The reason, for people. */
  message: string;
}

/** Returns whether `value` has the type {@link InteractiveStreamError}. */
export declare function isInteractiveStreamError(value: unknown): value is InteractiveStreamError;

/** Any message from the streamer, on `streamerToClient`. */
export type DataChannelStreamerMessage = StreamStarted | UpdateAcknowledged | StreamEnded | BroadcastReady | InteractiveStreamError;

/** Returns whether `value` has the type {@link DataChannelStreamerMessage}. */
export declare function isDataChannelStreamerMessage(value: unknown): value is DataChannelStreamerMessage;

/** The `type` of each {@link DataChannelStreamerMessage}. */
export declare const dataChannelStreamerMessageTypes: readonly [
  "stream_started",
  "update_acknowledged",
  "stream_ended",
  "broadcast_ready",
  "interactive_stream_error",
];

/** Any message from the client, on `clientToStreamer`. */
export type DataChannelClientMessage = InteractiveStreamStart | Update | InteractiveStreamEnd;

/** Returns whether `value` has the type {@link DataChannelClientMessage}. */
export declare function isDataChannelClientMessage(value: unknown): value is DataChannelClientMessage;

/** The `type` of each {@link DataChannelClientMessage}. */
export declare const dataChannelClientMessageTypes: readonly [
  "interactive_stream_start",
  "update",
  "interactive_stream_end",
];

// Client: schemas/client.yaml

/** Status of a client's connection, as SDKs report it. */
export type ConnectionStatus = KnownConnectionStatus | UnknownConnectionStatus;

/** The listed values of {@link ConnectionStatus}. */
export type KnownConnectionStatus =
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

/** A value of {@link ConnectionStatus} that is not listed. */
export type UnknownConnectionStatus = Unlisted.ConnectionStatus;

/** The listed values of {@link ConnectionStatus}. */
export declare const connectionStatusValues: readonly [
  "authenticating",
  "connecting",
  "reconnecting",
  "connected",
  "disconnected",
  "failed",
];

/** Returns whether `value` is a listed value of {@link ConnectionStatus}. */
export declare function isKnownConnectionStatus(value: unknown): value is KnownConnectionStatus;

/** Returns whether `value` has the type {@link ConnectionStatus}. */
export declare function isConnectionStatus(value: unknown): value is ConnectionStatus;

/**
 * Access to one session without an API key. A program that has the key creates them and sends them to the
 * program that connects.
 * @example
 * ```json
 * {
 *   "signaling_url": "wss://signal.example.org/signaling",
 *   "session_token": "eyJhbGciOiJIUzI1NiJ9.eyJzZXNzaW9uX2lkIjoic2Vzc18zZjZjIn0.c2ln",
 *   "expires_in": 600,
 *   "capabilities": {
 *     "image_to_video": true
 *   },
 *   "session_id": "sess_3f6c"
 * }
 * ```
 */
export interface ClientCredentials {
  /** The `SessionResponse.signalling_url`, here with one l. */
  signaling_url: string;
  /** The `SessionTokenResponse.session_token`. Whoever has it can use the session. Secret: do not log it. */
  session_token: string;
  /** Lifetime of the token in s, from its creation. */
  expires_in: number;
  /** Capabilities of the streamer; null means no image-to-video. */
  capabilities: StreamerCapabilities | null;
  /** Identifier of the session, for information. Readers take it from the token, which the service signed. */
  session_id?: string | null;
}

/** Returns whether `value` has the type {@link ClientCredentials}. */
export declare function isClientCredentials(value: unknown): value is ClientCredentials;

/**
 * What a spectator needs: a `BroadcastReady` that has both `webrtc_url` and `spectator_token`. A client
 * reports any other as the stream error `broadcast_error`.
 * @example
 * ```json
 * {
 *   "webrtc_url": "https://live.example.org/stream_81d2",
 *   "spectator_token": "spectator_9c1e",
 *   "hls_url": "https://live.example.org/stream_81d2/index.m3u8"
 * }
 * ```
 */
export interface BroadcastInfo {
  /** The `BroadcastReady.webrtc_url`, to which `/whep` is appended. */
  webrtc_url: string;
  /** The `BroadcastReady.spectator_token`. Secret: do not log it. */
  spectator_token: string;
  /** The `BroadcastReady.broadcast_url`; null if there is none. */
  hls_url: string | null;
}

/** Returns whether `value` has the type {@link BroadcastInfo}. */
export declare function isBroadcastInfo(value: unknown): value is BroadcastInfo;

// Errors: schemas/errors.yaml

/** The limit of the account that was reached. */
export type UsageErrorCode = KnownUsageErrorCode | UnknownUsageErrorCode;

/** The listed values of {@link UsageErrorCode}. */
export type KnownUsageErrorCode =
  /** The hours of this month are used up. */
  | "MONTHLY_LIMIT_REACHED"
  /** The account has the maximum number of open sessions. */
  | "CONCURRENT_LIMIT_REACHED"
  /** The stream reached the maximum length. */
  | "STREAM_DURATION_EXCEEDED"
  /** The account is suspended. */
  | "ACCOUNT_SUSPENDED"
  /** Too many calls in too short a time. */
  | "RATE_LIMITED";

/** A value of {@link UsageErrorCode} that is not listed. */
export type UnknownUsageErrorCode = Unlisted.UsageErrorCode;

/** The listed values of {@link UsageErrorCode}. */
export declare const usageErrorCodeValues: readonly [
  "MONTHLY_LIMIT_REACHED",
  "CONCURRENT_LIMIT_REACHED",
  "STREAM_DURATION_EXCEEDED",
  "ACCOUNT_SUSPENDED",
  "RATE_LIMITED",
];

/** Returns whether `value` is a listed value of {@link UsageErrorCode}. */
export declare function isKnownUsageErrorCode(value: unknown): value is KnownUsageErrorCode;

/** Returns whether `value` has the type {@link UsageErrorCode}. */
export declare function isUsageErrorCode(value: unknown): value is UsageErrorCode;

/**
 * The figures behind a usage error. Its code determines which are present.
 * @example
 * ```json
 * {
 *   "active_count": 1,
 *   "limit": 1
 * }
 * ```
 */
export interface UsageErrorDetails {
  /** `MONTHLY_LIMIT_REACHED`: hours used this month, in h. */
  used_hours?: number | null;
  /** `MONTHLY_LIMIT_REACHED`: hours granted per month, in h. */
  limit_hours?: number | null;
  /** `MONTHLY_LIMIT_REACHED`: when the count starts again, ISO 8601. */
  reset_date?: string | null;
  /** `CONCURRENT_LIMIT_REACHED`: sessions open now. */
  active_count?: number | null;
  /** `CONCURRENT_LIMIT_REACHED`: sessions that may be open at once. */
  limit?: number | null;
  /** `STREAM_DURATION_EXCEEDED`: longest stream, in s. */
  max_duration_seconds?: number | null;
  /** `ACCOUNT_SUSPENDED`: the reason. */
  reason?: string | null;
  /** `RATE_LIMITED`: how long to wait, in s. */
  retry_after_seconds?: number | null;
}

/** Returns whether `value` has the type {@link UsageErrorDetails}. */
export declare function isUsageErrorDetails(value: unknown): value is UsageErrorDetails;

/**
 * A limit of the account was reached (429). It is the whole body or the `detail` of an `ErrorBody`. The code
 * is in `error` or in `code`; `error` takes precedence. A 429 without `message` and `action` is not a usage
 * error.
 * @example
 * ```json
 * {
 *   "error": "CONCURRENT_LIMIT_REACHED",
 *   "message": "You already have a session open",
 *   "action": "Close the other session",
 *   "details": {
 *     "active_count": 1,
 *     "limit": 1
 *   }
 * }
 * ```
 */
export interface UsageErrorBody {
  /** The limit that was reached. */
  error?: UsageErrorCode | null;
  /** The limit that was reached, if `error` is absent. */
  code?: UsageErrorCode | null;
  /** What happened, for people. */
  message: string;
  /** How to resolve it, for people. */
  action: string;
  /** Address of the page to do so. */
  action_url?: string | null;
  /** The figures behind the error. */
  details?: UsageErrorDetails | null;
}

/** Returns whether `value` has the type {@link UsageErrorBody}. */
export declare function isUsageErrorBody(value: unknown): value is UsageErrorBody;

/**
 * One problem that the service found in a request (422).
 * @example
 * ```json
 * {
 *   "loc": [
 *     "body",
 *     "api_key"
 *   ],
 *   "msg": "Field required",
 *   "type": "missing"
 * }
 * ```
 */
export interface ValidationIssue {
  /** Path to the faulty value, as keys and indices. */
  loc: (string | number)[];
  /** What is wrong, for people. */
  msg: string;
  /** What is wrong, for programs. */
  type: string;
}

/** Returns whether `value` has the type {@link ValidationIssue}. */
export declare function isValidationIssue(value: unknown): value is ValidationIssue;

/**
 * Body of a REST answer that reports an error. Its `detail` is a text, an object (most often a
 * `UsageErrorBody`), or for 422 a list of problems.
 * @example
 * ```json
 * {
 *   "detail": "Invalid API key"
 * }
 * ```
 */
export interface ErrorBody {
  /** What went wrong. */
  detail: string | UsageErrorBody | ValidationIssue[] | JsonObject | null;
}

/** Returns whether `value` has the type {@link ErrorBody}. */
export declare function isErrorBody(value: unknown): value is ErrorBody;

// ICE: schemas/ice.yaml

/**
 * One STUN or TURN server, or several with the same credentials. For sessions, the addresses are in `urls`;
 * for spectators, they may be in `url`, the old name.
 * @example
 * ```json
 * {
 *   "urls": [
 *     "turn:turn.example.org:3478"
 *   ],
 *   "username": "1767225600:session",
 *   "credential": "c2VjcmV0"
 * }
 * ```
 */
export type IceServer = {
  /**
   * User name for TURN; short-lived. Absent for STUN. It may name the session, and is half of what opens a
   * relay. Secret: do not log it.
   */
  username?: string | null;
  /** Password for TURN; short-lived. Absent for STUN. Secret: do not log it. */
  credential?: string | null;
} & (
  | {
      /** Addresses as ICE URIs (`stun:`, `turn:`, `turns:`), in order of preference. */
      urls: string | string[] | null;
      url?: string | string[] | null;
    }
  | {
      urls?: string | string[] | null;
      /** The old name of `urls`, seen only in the answer to spectators. */
      url: string | string[] | null;
    }
);

/** Returns whether `value` has the type {@link IceServer}. */
export declare function isIceServer(value: unknown): value is IceServer;

/**
 * Answer of `GET /config`: the ICE servers to use. Clients request it before every attempt, because TURN
 * credentials are short-lived. If that fails, they fall back to a public STUN server.
 * @example
 * ```json
 * {
 *   "iceServers": [
 *     {
 *       "urls": "stun:stun.example.org:3478"
 *     }
 *   ]
 * }
 * ```
 */
export interface SignalingConfig {
  /**
   * The servers, in order of preference. The official clients disagree about an empty list: Python uses a
   * public STUN server, JavaScript uses none.
   */
  iceServers: IceServer[];
}

/** Returns whether `value` has the type {@link SignalingConfig}. */
export declare function isSignalingConfig(value: unknown): value is SignalingConfig;

// Recordings: schemas/recordings.yaml

/**
 * Answer of `GET /recordings/{stream_id}`: the artifacts of one stream as presigned addresses, which are
 * valid for about an hour.
 * @example
 * ```json
 * {
 *   "stream_id": "stream_81d2",
 *   "video_url": "https://files.example.org/stream_81d2/video.mp4?sig=1",
 *   "events_url": null,
 *   "thumbnail_url": null,
 *   "preview_url": null,
 *   "frame_count": 412,
 *   "duration_seconds": 20.6
 * }
 * ```
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

/** Returns whether `value` has the type {@link Recording}. */
export declare function isRecording(value: unknown): value is Recording;

/**
 * One entry of the list of recordings.
 * @example
 * ```json
 * {
 *   "stream_id": "stream_81d2",
 *   "width": 704,
 *   "height": 1280,
 *   "started_at": "2026-01-01T00:00:00Z",
 *   "ended_at": null,
 *   "duration_seconds": null
 * }
 * ```
 */
export interface StreamRecordingInfo {
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

/** Returns whether `value` has the type {@link StreamRecordingInfo}. */
export declare function isStreamRecordingInfo(value: unknown): value is StreamRecordingInfo;

/**
 * Answer of `GET /stream-recordings`, one page of the user's recordings, newest first.
 * @example
 * ```json
 * {
 *   "recordings": [
 *     {
 *       "stream_id": "stream_81d2",
 *       "width": 704,
 *       "height": 1280,
 *       "started_at": "2026-01-01T00:00:00Z",
 *       "ended_at": "2026-01-01T00:00:20Z",
 *       "duration_seconds": 20.6
 *     }
 *   ],
 *   "total": 1,
 *   "limit": 50,
 *   "offset": 0
 * }
 * ```
 */
export interface StreamRecordingsList {
  /** The recordings of this page. */
  recordings: StreamRecordingInfo[];
  /** Number of recordings on all pages. */
  total: number;
  /** Largest number of recordings on this page. */
  limit: number;
  /** Number of recordings before this page. */
  offset: number;
}

/** Returns whether `value` has the type {@link StreamRecordingsList}. */
export declare function isStreamRecordingsList(value: unknown): value is StreamRecordingsList;

/** Kind of an event. The names are those of a script's actions. Assumed: not observed. */
export type RecordedEventType = KnownRecordedEventType | UnknownRecordedEventType;

/** The listed values of {@link RecordedEventType}. */
export type KnownRecordedEventType =
  /** The stream began. */
  | "start"
  /** The prompt changed. */
  | "interact"
  /** The stream ended. */
  | "end";

/** A value of {@link RecordedEventType} that is not listed. */
export type UnknownRecordedEventType = Unlisted.RecordedEventType;

/** The listed values of {@link RecordedEventType}. */
export declare const recordedEventTypeValues: readonly [
  "start",
  "interact",
  "end",
];

/** Returns whether `value` is a listed value of {@link RecordedEventType}. */
export declare function isKnownRecordedEventType(value: unknown): value is KnownRecordedEventType;

/** Returns whether `value` has the type {@link RecordedEventType}. */
export declare function isRecordedEventType(value: unknown): value is RecordedEventType;

/**
 * One line of the event log (`Recording.events_url`), which is JSONL. Its fields were not observed; readers
 * accept any object. Assumed: not observed.
 * @example
 * ```json
 * {
 *   "timestamp_ms": 3000,
 *   "type": "interact",
 *   "prompt": "The cat stretches",
 *   "applied_prompt": "The cat stretches slowly."
 * }
 * ```
 */
export interface RecordedEvent {
  /** Time of the event, in ms from the start of the stream. */
  timestamp_ms: number;
  /** Kind of the event. */
  type: RecordedEventType;
  /** `start` and `interact`: the prompt as given. */
  prompt?: string | null;
  /** `start` and `interact`: the prompt as the service rewrote it. */
  applied_prompt?: string | null;
  /** `end`: the reason. */
  reason?: string | null;
}

/** Returns whether `value` has the type {@link RecordedEvent}. */
export declare function isRecordedEvent(value: unknown): value is RecordedEvent;

// Sessions: schemas/sessions.yaml

/**
 * Body of `POST /auth/token`, which needs no bearer token.
 * @example
 * ```json
 * {
 *   "api_key": "ody_0123456789abcdef"
 * }
 * ```
 */
export interface TokenRequest {
  /** The user's API key. It starts with `ody_`; the answer to a malformed key is 422. Secret: do not log it. */
  api_key: string;
}

/** Returns whether `value` has the type {@link TokenRequest}. */
export declare function isTokenRequest(value: unknown): value is TokenRequest;

/**
 * Answer of `POST /auth/token`, a bearer token for all other calls.
 * @example
 * ```json
 * {
 *   "access_token": "eyJhbGciOi.access.token",
 *   "expires_in": 3600
 * }
 * ```
 */
export interface TokenResponse {
  /** Opaque bearer token, sent as `Authorization: Bearer <access_token>`. Secret: do not log it. */
  access_token: string;
  /**
   * Lifetime in s; 3600 when absent. Clients treat the token as expired 60 s early. A server always sends it,
   * since the JavaScript client has no default.
   */
  expires_in?: number | null;
}

/** Returns whether `value` has the type {@link TokenResponse}. */
export declare function isTokenResponse(value: unknown): value is TokenResponse;

/**
 * A location where streamers run.
 * @example
 * ```json
 * {
 *   "id": "us-west",
 *   "ping_url": "https://us-west.example.org/ping"
 * }
 * ```
 */
export interface Region {
  /** Name of the region, the key of `SessionRequest.region_latencies`. */
  id: string;
  /**
   * Address to `GET` without a bearer token. Any 2xx counts, and its round trip in whole ms is the latency of
   * the region.
   */
  ping_url: string;
}

/** Returns whether `value` has the type {@link Region}. */
export declare function isRegion(value: unknown): value is Region;

/**
 * Answer of `GET /regions`. All regions are pinged at once; on any failure, clients continue without
 * latencies.
 * @example
 * ```json
 * {
 *   "regions": [
 *     {
 *       "id": "us-west",
 *       "ping_url": "https://us-west.example.org/ping"
 *     }
 *   ]
 * }
 * ```
 */
export interface RegionsResponse {
  /** The regions, in no given order. */
  regions: Region[];
}

/** Returns whether `value` has the type {@link RegionsResponse}. */
export declare function isRegionsResponse(value: unknown): value is RegionsResponse;

/**
 * Body of `POST /sessions/request`, which asks for a streamer.
 * @example
 * ```json
 * {
 *   "region_latencies": {
 *     "us-west": 24,
 *     "eu-central": 9999
 *   }
 * }
 * ```
 */
export interface SessionRequest {
  /**
   * Round trip to each region in ms, by `Region.id`; 9999 for one that did not answer in time. Omitted if
   * nothing was measured.
   */
  region_latencies?: { [key: string]: number };
}

/** Returns whether `value` has the type {@link SessionRequest}. */
export declare function isSessionRequest(value: unknown): value is SessionRequest;

/**
 * Capabilities of a session's streamer.
 * @example
 * ```json
 * {
 *   "image_to_video": true
 * }
 * ```
 */
export interface StreamerCapabilities {
  /**
   * Whether a stream may start from an image.
   * @defaultValue `false`
   */
  image_to_video?: boolean;
}

/** Returns whether `value` has the type {@link StreamerCapabilities}. */
export declare function isStreamerCapabilities(value: unknown): value is StreamerCapabilities;

/**
 * Answer of `POST /sessions/request`, a session and the address of its streamer.
 * @example
 * ```json
 * {
 *   "session_id": "sess_3f6c",
 *   "signalling_url": "wss://signal.example.org/signaling",
 *   "capabilities": {
 *     "image_to_video": true
 *   },
 *   "region": "us-west"
 * }
 * ```
 */
export interface SessionResponse {
  /** Identifier of the session. */
  session_id: string;
  /**
   * Base of the signaling addresses (two l's on the wire). Clients accept ws(s), http(s) and bare forms and
   * build other addresses by replacing text, so a server gives ws(s) and no trailing slash.
   */
  signalling_url: string;
  /** Capabilities of the streamer; absent means no image-to-video. */
  capabilities?: StreamerCapabilities | null;
  /** Identifier of the streamer. */
  streamer_id?: string | null;
  /** Name of the world model that the streamer runs. */
  model?: string | null;
  /** The `Region.id` where the streamer runs. */
  region?: string | null;
}

/** Returns whether `value` has the type {@link SessionResponse}. */
export declare function isSessionResponse(value: unknown): value is SessionResponse;

/**
 * Body of `POST /sessions/token`. Several tokens per session, and several handshakes per token, are valid.
 * @example
 * ```json
 * {
 *   "session_id": "sess_3f6c"
 * }
 * ```
 */
export interface SessionTokenRequest {
  /** The session to get a token for; 404 if it is unknown or another user's. */
  session_id: string;
}

/** Returns whether `value` has the type {@link SessionTokenRequest}. */
export declare function isSessionTokenRequest(value: unknown): value is SessionTokenRequest;

/**
 * Answer of `POST /sessions/token`, the token of the signaling handshake.
 * @example
 * ```json
 * {
 *   "session_token": "eyJhbGciOiJIUzI1NiJ9.eyJzZXNzaW9uX2lkIjoic2Vzc18zZjZjIn0.c2ln",
 *   "expires_in": 600
 * }
 * ```
 */
export interface SessionTokenResponse {
  /**
   * A JWT (HS256, which clients cannot verify) with `SessionTokenClaims` as its payload. Secret: do not log
   * it.
   */
  session_token: string;
  /** Lifetime in s; 600 when absent. */
  expires_in?: number | null;
}

/** Returns whether `value` has the type {@link SessionTokenResponse}. */
export declare function isSessionTokenResponse(value: unknown): value is SessionTokenResponse;

/**
 * Payload of a session token, from which clients read the session's identifier.
 * @example
 * ```json
 * {
 *   "session_id": "sess_3f6c",
 *   "exp": 1767226200,
 *   "iat": 1767225600
 * }
 * ```
 */
export interface SessionTokenClaims {
  /** The session that the token opens. */
  session_id: string;
  /** End of validity in s since 1970, as in RFC 7519. Assumed: not observed. */
  exp?: number | null;
  /** Time of issue in s since 1970, as in RFC 7519. Assumed: not observed. */
  iat?: number | null;
}

/** Returns whether `value` has the type {@link SessionTokenClaims}. */
export declare function isSessionTokenClaims(value: unknown): value is SessionTokenClaims;

// Signaling: schemas/signaling.yaml

/**
 * Server to client. The streamer's offer, which creates both data channels.
 * @example
 * ```json
 * {
 *   "type": "offer",
 *   "sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
 * }
 * ```
 */
export interface Offer {
  /** Tag of the message. */
  type: "offer";
  /** Session description (RFC 8866). */
  sdp: string;
}

/** Returns whether `value` has the type {@link Offer}. */
export declare function isOffer(value: unknown): value is Offer;

/**
 * Client to server. The answer to the offer. A browser's answer has no candidates: the browser sends them one
 * by one, possibly before the answer.
 * @example
 * ```json
 * {
 *   "type": "answer",
 *   "sdp": "v=0\r\no=- 2 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
 * }
 * ```
 */
export interface Answer {
  /** Tag of the message. */
  type: "answer";
  /** Session description (RFC 8866). */
  sdp: string;
}

/** Returns whether `value` has the type {@link Answer}. */
export declare function isAnswer(value: unknown): value is Answer;

/**
 * Both directions. One ICE candidate of the sender, or the end of its candidates.
 * @example
 * ```json
 * {
 *   "type": "ice_candidate",
 *   "candidate": "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",
 *   "sdpMid": "0",
 *   "sdpMLineIndex": 0
 * }
 * ```
 */
export interface IceCandidate {
  /** Tag of the message. */
  type: "ice_candidate";
  /**
   * The candidate, with or without the `candidate:` prefix; browsers need the prefix. Empty at the end of the
   * candidates, a message that may never come.
   */
  candidate: string;
  /** The media section it belongs to, by `a=mid`. */
  sdpMid: string | null;
  /** The media section it belongs to, counted from 0. */
  sdpMLineIndex: number | null;
}

/** Returns whether `value` has the type {@link IceCandidate}. */
export declare function isIceCandidate(value: unknown): value is IceCandidate;

/** Reason why signaling ended. */
export type SignalingErrorReason = KnownSignalingErrorReason | UnknownSignalingErrorReason;

/** The listed values of {@link SignalingErrorReason}. */
export type KnownSignalingErrorReason =
  /** The streamer of the session does not respond. */
  | "streamer_not_available"
  /** The streamer is gone. */
  | "streamer_disconnected"
  /** The session reached the maximum length. */
  | "duration_limit_reached"
  /** The server gives no reason. */
  | "unknown";

/** A value of {@link SignalingErrorReason} that is not listed. */
export type UnknownSignalingErrorReason = Unlisted.SignalingErrorReason;

/** The listed values of {@link SignalingErrorReason}. */
export declare const signalingErrorReasonValues: readonly [
  "streamer_not_available",
  "streamer_disconnected",
  "duration_limit_reached",
  "unknown",
];

/** Returns whether `value` is a listed value of {@link SignalingErrorReason}. */
export declare function isKnownSignalingErrorReason(value: unknown): value is KnownSignalingErrorReason;

/** Returns whether `value` has the type {@link SignalingErrorReason}. */
export declare function isSignalingErrorReason(value: unknown): value is SignalingErrorReason;

/**
 * Server to client. The session has ended for good.
 * @example
 * ```json
 * {
 *   "type": "error",
 *   "reason": "streamer_not_available"
 * }
 * ```
 */
export interface SignalingError {
  /** Tag of the message. */
  type: "error";
  /** The reason. */
  reason: SignalingErrorReason;
}

/** Returns whether `value` has the type {@link SignalingError}. */
export declare function isSignalingError(value: unknown): value is SignalingError;

/**
 * Client to server, every 10 s. After 40 s without one, the session is cleared.
 * @example
 * ```json
 * {
 *   "type": "keepalive"
 * }
 * ```
 */
export interface Keepalive {
  /** Tag of the message. */
  type: "keepalive";
}

/** Returns whether `value` has the type {@link Keepalive}. */
export declare function isKeepalive(value: unknown): value is Keepalive;

/**
 * Client to server. A goodbye, followed by close 1000 `Client disconnect`; it frees the session at once.
 * @example
 * ```json
 * {
 *   "type": "client_disconnecting"
 * }
 * ```
 */
export interface ClientDisconnecting {
  /** Tag of the message. */
  type: "client_disconnecting";
}

/** Returns whether `value` has the type {@link ClientDisconnecting}. */
export declare function isClientDisconnecting(value: unknown): value is ClientDisconnecting;

/** Any message that the signaling server sends. */
export type SignalingServerMessage = Offer | IceCandidate | SignalingError;

/** Returns whether `value` has the type {@link SignalingServerMessage}. */
export declare function isSignalingServerMessage(value: unknown): value is SignalingServerMessage;

/** The `type` of each {@link SignalingServerMessage}. */
export declare const signalingServerMessageTypes: readonly [
  "offer",
  "ice_candidate",
  "error",
];

/**
 * Any message that the client sends to the signaling server. A start is sent here if it has an image, is too
 * large for the data channel, or that channel is not open.
 */
export type SignalingClientMessage = Answer | IceCandidate | Keepalive | ClientDisconnecting | InteractiveStreamStart;

/** Returns whether `value` has the type {@link SignalingClientMessage}. */
export declare function isSignalingClientMessage(value: unknown): value is SignalingClientMessage;

/** The `type` of each {@link SignalingClientMessage}. */
export declare const signalingClientMessageTypes: readonly [
  "answer",
  "ice_candidate",
  "keepalive",
  "client_disconnecting",
  "interactive_stream_start",
];

// Simulations: schemas/simulations.yaml

/**
 * Starts a stream within a script. A client passes on fields that it does not know.
 * @example
 * ```json
 * {
 *   "prompt": "A cat on a windowsill"
 * }
 * ```
 */
export interface StartAction {
  /** Prompt for the video. */
  prompt: string;
  /** Picture to start from, as a data URL. */
  image?: string;
}

/** Returns whether `value` has the type {@link StartAction}. */
export declare function isStartAction(value: unknown): value is StartAction;

/**
 * Changes the prompt within a script. A client passes on fields that it does not know.
 * @example
 * ```json
 * {
 *   "prompt": "The cat stretches"
 * }
 * ```
 */
export interface InteractAction {
  /** What should happen. */
  prompt: string;
}

/** Returns whether `value` has the type {@link InteractAction}. */
export declare function isInteractAction(value: unknown): value is InteractAction;

/** Ends the stream within a script. No fields are known. */
export type EndAction = JsonObject;

/** Returns whether `value` has the type {@link EndAction}. */
export declare function isEndAction(value: unknown): value is EndAction;

/**
 * One step of a script: a time and an action. The documentation shows one action per entry; the effect of
 * none, or of several, was not observed. A client passes on fields that it does not know.
 * @example
 * ```json
 * {
 *   "timestamp_ms": 0,
 *   "start": {
 *     "prompt": "A cat on a windowsill"
 *   }
 * }
 * ```
 */
export interface ScriptEntry {
  /** Time of the action, in ms from the start of the script. The documentation shows integers. */
  timestamp_ms: number;
  /** Start a stream. */
  start?: StartAction;
  /** Change the prompt of the stream. */
  interact?: InteractAction;
  /** End the stream. */
  end?: EndAction;
}

/** Returns whether `value` has the type {@link ScriptEntry}. */
export declare function isScriptEntry(value: unknown): value is ScriptEntry;

/**
 * Body of `POST /simulation-jobs`. Exactly one of `script`, `scripts` and `script_url` is given.
 * @example
 * ```json
 * {
 *   "portrait": true,
 *   "output_video": true,
 *   "script": [
 *     {
 *       "timestamp_ms": 0,
 *       "start": {
 *         "prompt": "A cat on a windowsill"
 *       }
 *     },
 *     {
 *       "timestamp_ms": 9000,
 *       "end": {}
 *     }
 *   ]
 * }
 * ```
 */
export type SimulationRequest = {
  /** Portrait (704×1280 px) or landscape (1280×704 px). */
  portrait: boolean;
  /**
   * Whether to keep a video. The official clients always send true.
   * @defaultValue `true`
   */
  output_video?: boolean;
  /** Use the prompts unchanged. Needs a privilege of the account. */
  bypass_vlm_expansion?: boolean;
} & (
  | {
      /** One script, in order of time. */
      script: ScriptEntry[];
      scripts?: never;
      script_url?: never;
    }
  | {
      script?: never;
      /** Several scripts for one job; each makes its own stream. */
      scripts: ScriptEntry[][];
      script_url?: never;
    }
  | {
      script?: never;
      scripts?: never;
      /** Address of a JSON file that holds one script. */
      script_url: string;
    }
);

/** Returns whether `value` has the type {@link SimulationRequest}. */
export declare function isSimulationRequest(value: unknown): value is SimulationRequest;

/** Status of a job. `completed`, `failed` and `cancelled` are final. */
export type SimulationJobStatus = KnownSimulationJobStatus | UnknownSimulationJobStatus;

/** The listed values of {@link SimulationJobStatus}. */
export type KnownSimulationJobStatus =
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

/** A value of {@link SimulationJobStatus} that is not listed. */
export type UnknownSimulationJobStatus = Unlisted.SimulationJobStatus;

/** The listed values of {@link SimulationJobStatus}. */
export declare const simulationJobStatusValues: readonly [
  "pending",
  "dispatched",
  "processing",
  "completed",
  "failed",
  "cancelled",
];

/** Returns whether `value` is a listed value of {@link SimulationJobStatus}. */
export declare function isKnownSimulationJobStatus(value: unknown): value is KnownSimulationJobStatus;

/** Returns whether `value` has the type {@link SimulationJobStatus}. */
export declare function isSimulationJobStatus(value: unknown): value is SimulationJobStatus;

/**
 * One stream that a job made, with its artifacts as presigned addresses. An older service sent `status` and
 * `error_message` and no artifacts; all fields but the identifier may be absent.
 * @example
 * ```json
 * {
 *   "stream_id": "stream_81d2",
 *   "video_url": "https://files.example.org/stream_81d2/video.mp4?sig=1",
 *   "events_url": null,
 *   "thumbnail_url": null,
 *   "preview_url": null,
 *   "frame_count": 412,
 *   "duration_seconds": 20.6,
 *   "script_index": 0
 * }
 * ```
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
  /**
   * Index in `SimulationRequest.scripts` of the script that made it; 0 for a single script.
   * @defaultValue `0`
   */
  script_index?: number;
  /** Status of the stream. Only from an older service. */
  status?: string | null;
  /** Reason for the failure. Only from an older service. */
  error_message?: string | null;
}

/** Returns whether `value` has the type {@link SimulationStream}. */
export declare function isSimulationStream(value: unknown): value is SimulationStream;

/**
 * Answer of `POST /simulation-jobs`: the new job. Of a `SimulationJobDetail`, it surely has the documented
 * fields; the others are optional.
 * @example
 * ```json
 * {
 *   "job_id": "job_5aa0",
 *   "status": "pending",
 *   "priority": "normal",
 *   "created_at": "2026-01-01T00:00:00Z",
 *   "estimated_wait_minutes": 2.5
 * }
 * ```
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
  /** Time at which a worker was chosen, ISO 8601. */
  dispatched_at?: string | null;
  /** Time at which a worker started, ISO 8601. */
  started_at?: string | null;
  /** Time at which the job ended, ISO 8601. */
  completed_at?: string | null;
  /** Reason for the failure. */
  error_message?: string | null;
  /** The `Region.id` where the job runs. */
  assigned_region?: string | null;
  /**
   * How often the service started the job again.
   * @defaultValue `0`
   */
  retry_count?: number;
  /**
   * The streams made so far.
   * @defaultValue `[]`
   */
  streams?: SimulationStream[];
}

/** Returns whether `value` has the type {@link SimulationJob}. */
export declare function isSimulationJob(value: unknown): value is SimulationJob;

/**
 * Answer of `GET /simulation-jobs/{job_id}`.
 * @example
 * ```json
 * {
 *   "job_id": "job_5aa0",
 *   "status": "completed",
 *   "priority": "normal",
 *   "created_at": "2026-01-01T00:00:00Z",
 *   "dispatched_at": "2026-01-01T00:00:05Z",
 *   "started_at": "2026-01-01T00:00:06Z",
 *   "completed_at": "2026-01-01T00:01:00Z",
 *   "error_message": null,
 *   "assigned_region": "us-west",
 *   "retry_count": 0,
 *   "streams": [
 *     {
 *       "stream_id": "stream_81d2",
 *       "video_url": "https://files.example.org/stream_81d2/video.mp4?sig=1",
 *       "events_url": "https://files.example.org/stream_81d2/events.jsonl?sig=1",
 *       "thumbnail_url": "https://files.example.org/stream_81d2/thumbnail.jpg?sig=1",
 *       "preview_url": "https://files.example.org/stream_81d2/preview.mp4?sig=1",
 *       "frame_count": 412,
 *       "duration_seconds": 20.6,
 *       "script_index": 0
 *     }
 *   ],
 *   "estimated_wait_minutes": null
 * }
 * ```
 */
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
  /**
   * How often the service started the job again.
   * @defaultValue `0`
   */
  retry_count?: number;
  /**
   * The streams made so far.
   * @defaultValue `[]`
   */
  streams?: SimulationStream[];
  /** Estimated time until the job starts, in min. */
  estimated_wait_minutes: number | null;
}

/** Returns whether `value` has the type {@link SimulationJobDetail}. */
export declare function isSimulationJobDetail(value: unknown): value is SimulationJobDetail;

/**
 * One entry of the list of jobs.
 * @example
 * ```json
 * {
 *   "job_id": "job_5aa0",
 *   "status": "completed",
 *   "priority": "normal",
 *   "created_at": "2026-01-01T00:00:00Z",
 *   "completed_at": "2026-01-01T00:01:00Z",
 *   "error_message": null
 * }
 * ```
 */
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

/** Returns whether `value` has the type {@link SimulationJobInfo}. */
export declare function isSimulationJobInfo(value: unknown): value is SimulationJobInfo;

/**
 * Answer of `GET /simulation-jobs`, one page of the user's jobs.
 * @example
 * ```json
 * {
 *   "jobs": [
 *     {
 *       "job_id": "job_5aa0",
 *       "status": "completed",
 *       "priority": "normal",
 *       "created_at": "2026-01-01T00:00:00Z",
 *       "completed_at": "2026-01-01T00:01:00Z",
 *       "error_message": null
 *     }
 *   ],
 *   "total": 1,
 *   "limit": 20,
 *   "offset": 0
 * }
 * ```
 */
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

/** Returns whether `value` has the type {@link SimulationJobsList}. */
export declare function isSimulationJobsList(value: unknown): value is SimulationJobsList;

/**
 * Answer of `DELETE /simulation-jobs/{job_id}`: the cancelled job. Only its identifier and status are always
 * present.
 * @example
 * ```json
 * {
 *   "job_id": "job_5aa0",
 *   "status": "cancelled"
 * }
 * ```
 */
export interface CancelledSimulation {
  /** Identifier of the job. */
  job_id: string;
  /** Status of the job now. */
  status: SimulationJobStatus;
  /** Priority of the job in the queue. */
  priority?: string | null;
  /** Time of creation, ISO 8601. */
  created_at?: string | null;
  /** Time at which the job ended, ISO 8601. */
  completed_at?: string | null;
  /** Reason for the failure, if the job had failed. */
  error_message?: string | null;
}

/** Returns whether `value` has the type {@link CancelledSimulation}. */
export declare function isCancelledSimulation(value: unknown): value is CancelledSimulation;

// Telemetry: schemas/telemetry.yaml

/** Name of an event. */
export type TelemetryEventName = KnownTelemetryEventName | UnknownTelemetryEventName;

/** The listed values of {@link TelemetryEventName}. */
export type KnownTelemetryEventName =
  /** A connect started. */
  | "session_connecting"
  /** A connect succeeded. */
  | "session_connected"
  /** A session ended. */
  | "session_disconnected";

/** A value of {@link TelemetryEventName} that is not listed. */
export type UnknownTelemetryEventName = Unlisted.TelemetryEventName;

/** The listed values of {@link TelemetryEventName}. */
export declare const telemetryEventNameValues: readonly [
  "session_connecting",
  "session_connected",
  "session_disconnected",
];

/** Returns whether `value` is a listed value of {@link TelemetryEventName}. */
export declare function isKnownTelemetryEventName(value: unknown): value is KnownTelemetryEventName;

/** Returns whether `value` has the type {@link TelemetryEventName}. */
export declare function isTelemetryEventName(value: unknown): value is TelemetryEventName;

/** Kind of an error. */
export type TelemetryErrorType = KnownTelemetryErrorType | UnknownTelemetryErrorType;

/** The listed values of {@link TelemetryErrorType}. */
export type KnownTelemetryErrorType =
  /** The key or token was refused. */
  | "auth"
  /** The connection failed. */
  | "connection"
  /** A stream failed. */
  | "stream"
  /** A limit of the account was reached. */
  | "usage"
  /** Something else. */
  | "unknown";

/** A value of {@link TelemetryErrorType} that is not listed. */
export type UnknownTelemetryErrorType = Unlisted.TelemetryErrorType;

/** The listed values of {@link TelemetryErrorType}. */
export declare const telemetryErrorTypeValues: readonly [
  "auth",
  "connection",
  "stream",
  "usage",
  "unknown",
];

/** Returns whether `value` is a listed value of {@link TelemetryErrorType}. */
export declare function isKnownTelemetryErrorType(value: unknown): value is KnownTelemetryErrorType;

/** Returns whether `value` has the type {@link TelemetryErrorType}. */
export declare function isTelemetryErrorType(value: unknown): value is TelemetryErrorType;

/**
 * One event or one error; exactly one of `event` and `error_type` is given.
 * @example
 * ```json
 * {
 *   "sdk_version": "1.3.0",
 *   "sdk_platform": "python",
 *   "platform_info": "Linux 6.1.0 / Python 3.12.1",
 *   "session_id": "sess_3f6c",
 *   "api_key_prefix": "ody_0123",
 *   "event": "session_connected",
 *   "connect_duration_ms": 850
 * }
 * ```
 */
export type TelemetryEvent = {
  /** Version of the client. */
  sdk_version: string;
  /** Kind of client. */
  sdk_platform: string;
  /** System, its release, and the version of Python. */
  platform_info: string;
  /** The session concerned. */
  session_id?: string | null;
  /** First 8 characters of the API key; absent for a shorter key. */
  api_key_prefix?: string | null;
  /** `session_connected`: duration of the connect, in ms. */
  connect_duration_ms?: number | null;
  /** `session_disconnected`: duration of the session, in s. The observed client never sends it. */
  session_duration_seconds?: number | null;
  /** Text of the error, cut off after 2000 characters. */
  error_message?: string | null;
  /** Code of the error, if it has one. */
  error_code?: string | null;
  /** State of the client at that time. */
  connection_status?: string | null;
} & (
  | {
      /** Name of the event. */
      event: TelemetryEventName | null;
      error_type?: never;
    }
  | {
      event?: never;
      /** Kind of the error. */
      error_type: TelemetryErrorType | null;
    }
);

/** Returns whether `value` has the type {@link TelemetryEvent}. */
export declare function isTelemetryEvent(value: unknown): value is TelemetryEvent;

/**
 * Body of `POST /telemetry`. The observed client sends one event per call.
 * @example
 * ```json
 * {
 *   "events": [
 *     {
 *       "sdk_version": "1.3.0",
 *       "sdk_platform": "python",
 *       "platform_info": "Linux 6.1.0 / Python 3.12.1",
 *       "event": "session_connecting"
 *     }
 *   ]
 * }
 * ```
 */
export interface TelemetryRequest {
  /** The events. */
  events: TelemetryEvent[];
}

/** Returns whether `value` has the type {@link TelemetryRequest}. */
export declare function isTelemetryRequest(value: unknown): value is TelemetryRequest;

/** Each REST call: its method, path, parameters, body and answer. */
export interface RestCalls {
  /** Exchange an API key for a bearer token. */
  createToken: {
    method: "POST";
    path: "/auth/token";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: TokenRequest;
    answer: TokenResponse;
  };
  /** List the regions with their ping addresses. */
  listRegions: {
    method: "GET";
    path: "/regions";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: undefined;
    answer: RegionsResponse;
  };
  /** Request a streamer. */
  requestSession: {
    method: "POST";
    path: "/sessions/request";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: SessionRequest;
    answer: SessionResponse;
  };
  /** Get a token for the signaling handshake. */
  createSessionToken: {
    method: "POST";
    path: "/sessions/token";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: SessionTokenRequest;
    answer: SessionTokenResponse;
  };
  /** Get presigned addresses of a stream's artifacts. */
  getRecording: {
    method: "GET";
    path: "/recordings/{stream_id}";
    pathParameters: { stream_id: string };
    queryParameters: NoFields;
    body: undefined;
    answer: Recording;
  };
  /** List the user's recordings, newest first. */
  listStreamRecordings: {
    method: "GET";
    path: "/stream-recordings";
    pathParameters: NoFields;
    queryParameters: { limit?: number; offset?: number };
    body: undefined;
    answer: StreamRecordingsList;
  };
  /** List the user's simulation jobs. */
  listSimulations: {
    method: "GET";
    path: "/simulation-jobs";
    pathParameters: NoFields;
    queryParameters: { status?: SimulationJobStatus; active?: boolean; limit?: number; offset?: number };
    body: undefined;
    answer: SimulationJobsList;
  };
  /** Create a simulation job. */
  createSimulation: {
    method: "POST";
    path: "/simulation-jobs";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: SimulationRequest;
    answer: SimulationJob;
  };
  /** Get a simulation job with its streams. */
  getSimulation: {
    method: "GET";
    path: "/simulation-jobs/{job_id}";
    pathParameters: { job_id: string };
    queryParameters: NoFields;
    body: undefined;
    answer: SimulationJobDetail;
  };
  /** Cancel a simulation job. */
  cancelSimulation: {
    method: "DELETE";
    path: "/simulation-jobs/{job_id}";
    pathParameters: { job_id: string };
    queryParameters: NoFields;
    body: undefined;
    answer: CancelledSimulation;
  };
  /** Report an event or an error of the client. */
  sendTelemetry: {
    method: "POST";
    path: "/telemetry";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: TelemetryRequest;
    answer: undefined;
  };
  /** Measure the round trip to a region. */
  pingRegion: {
    method: "GET";
    path: "/";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: undefined;
    answer: undefined;
  };
  /** Get the ICE servers. */
  getSignalingConfig: {
    method: "GET";
    path: "/config";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: undefined;
    answer: SignalingConfig;
  };
  /** Offer to receive video and audio. */
  watchBroadcast: {
    method: "POST";
    path: "/whep";
    pathParameters: NoFields;
    queryParameters: { token: string };
    body: string;
    answer: string;
  };
  /** Leave. */
  leaveBroadcast: {
    method: "DELETE";
    path: "/whep/{resource}";
    pathParameters: { resource: string };
    queryParameters: NoFields;
    body: undefined;
    answer: undefined;
  };
  /** Get the playlist (RFC 8216). */
  playBroadcast: {
    method: "GET";
    path: "/index.m3u8";
    pathParameters: NoFields;
    queryParameters: NoFields;
    body: undefined;
    answer: string;
  };
}

/** What a client sends and receives on each channel. */
export interface LiveChannels {
  /** Signaling. */
  signaling: {
    send: SignalingClientMessage;
    receive: SignalingServerMessage;
  };
  /** Requests. */
  clientToStreamer: {
    send: DataChannelClientMessage;
    receive: never;
  };
  /** Answers. */
  streamerToClient: {
    send: never;
    receive: DataChannelStreamerMessage;
  };
}
