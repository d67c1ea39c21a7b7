// Made from spec/ by `python -m tools.codegen`. Do not edit.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isListOf = (value, isItem) => Array.isArray(value) && value.every(isItem);
const isMapOf = (value, isItem) => isObject(value) && Object.values(value).every(isItem);

export function isInteractiveStreamStart(value) {
  return (
    isObject(value) &&
    value.type === "interactive_stream_start" &&
    typeof value.prompt === "string" &&
    typeof value.portrait === "boolean" &&
    (value.input_image_base64 === undefined || (typeof value.input_image_base64 === "string" || value.input_image_base64 === null)) &&
    typeof value.broadcast === "boolean" &&
    (value.bypass_vlm_expansion === undefined || (typeof value.bypass_vlm_expansion === "boolean" || value.bypass_vlm_expansion === null))
  );
}

export function isUpdate(value) {
  return (
    isObject(value) &&
    value.type === "update" &&
    typeof value.prompt === "string"
  );
}

export function isInteractiveStreamEnd(value) {
  return (
    isObject(value) &&
    value.type === "interactive_stream_end"
  );
}

export function isStreamStarted(value) {
  return (
    isObject(value) &&
    value.type === "stream_started" &&
    typeof value.stream_id === "string" &&
    (value.applied_prompt === undefined || (typeof value.applied_prompt === "string" || value.applied_prompt === null))
  );
}

export function isUpdateAcknowledged(value) {
  return (
    isObject(value) &&
    value.type === "update_acknowledged" &&
    typeof value.prompt === "string"
  );
}

export function isStreamEnded(value) {
  return (
    isObject(value) &&
    value.type === "stream_ended"
  );
}

export function isBroadcastReady(value) {
  return (
    isObject(value) &&
    value.type === "broadcast_ready" &&
    (value.broadcast_url === undefined || (typeof value.broadcast_url === "string" || value.broadcast_url === null)) &&
    (value.webrtc_url === undefined || (typeof value.webrtc_url === "string" || value.webrtc_url === null)) &&
    (value.spectator_token === undefined || (typeof value.spectator_token === "string" || value.spectator_token === null))
  );
}

export const streamErrorReasonValues = Object.freeze([
  "quota_exceeded",
  "concurrent_limit_exceeded",
  "session_timeout",
  "lease_denied",
  "moderation",
  "bypass_not_allowed",
  "image_not_supported",
  "no_active_stream",
  "stream_already_active",
]);

export function isKnownStreamErrorReason(value) {
  return streamErrorReasonValues.includes(value);
}

export function isStreamErrorReason(value) {
  return typeof value === "string";
}

export function isInteractiveStreamError(value) {
  return (
    isObject(value) &&
    value.type === "interactive_stream_error" &&
    isStreamErrorReason(value.reason) &&
    typeof value.message === "string"
  );
}

export const dataChannelStreamerMessageTypes = Object.freeze([
  "stream_started",
  "update_acknowledged",
  "stream_ended",
  "broadcast_ready",
  "interactive_stream_error",
]);

export function isDataChannelStreamerMessage(value) {
  return (isStreamStarted(value) || isUpdateAcknowledged(value) || isStreamEnded(value) || isBroadcastReady(value) || isInteractiveStreamError(value));
}

export const dataChannelClientMessageTypes = Object.freeze([
  "interactive_stream_start",
  "update",
  "interactive_stream_end",
]);

export function isDataChannelClientMessage(value) {
  return (isInteractiveStreamStart(value) || isUpdate(value) || isInteractiveStreamEnd(value));
}

export const connectionStatusValues = Object.freeze([
  "authenticating",
  "connecting",
  "reconnecting",
  "connected",
  "disconnected",
  "failed",
]);

export function isKnownConnectionStatus(value) {
  return connectionStatusValues.includes(value);
}

export function isConnectionStatus(value) {
  return typeof value === "string";
}

export function isClientCredentials(value) {
  return (
    isObject(value) &&
    typeof value.signaling_url === "string" &&
    typeof value.session_token === "string" &&
    Number.isInteger(value.expires_in) &&
    (isStreamerCapabilities(value.capabilities) || value.capabilities === null) &&
    (value.session_id === undefined || (typeof value.session_id === "string" || value.session_id === null))
  );
}

export function isBroadcastInfo(value) {
  return (
    isObject(value) &&
    typeof value.webrtc_url === "string" &&
    typeof value.spectator_token === "string" &&
    (typeof value.hls_url === "string" || value.hls_url === null)
  );
}

export const usageErrorCodeValues = Object.freeze([
  "MONTHLY_LIMIT_REACHED",
  "CONCURRENT_LIMIT_REACHED",
  "STREAM_DURATION_EXCEEDED",
  "ACCOUNT_SUSPENDED",
  "RATE_LIMITED",
]);

export function isKnownUsageErrorCode(value) {
  return usageErrorCodeValues.includes(value);
}

export function isUsageErrorCode(value) {
  return typeof value === "string";
}

export function isUsageErrorDetails(value) {
  return (
    isObject(value) &&
    (value.used_hours === undefined || (Number.isFinite(value.used_hours) || value.used_hours === null)) &&
    (value.limit_hours === undefined || (Number.isFinite(value.limit_hours) || value.limit_hours === null)) &&
    (value.reset_date === undefined || (typeof value.reset_date === "string" || value.reset_date === null)) &&
    (value.active_count === undefined || (Number.isInteger(value.active_count) || value.active_count === null)) &&
    (value.limit === undefined || (Number.isInteger(value.limit) || value.limit === null)) &&
    (value.max_duration_seconds === undefined || (Number.isFinite(value.max_duration_seconds) || value.max_duration_seconds === null)) &&
    (value.reason === undefined || (typeof value.reason === "string" || value.reason === null)) &&
    (value.retry_after_seconds === undefined || (Number.isFinite(value.retry_after_seconds) || value.retry_after_seconds === null))
  );
}

export function isUsageErrorBody(value) {
  return (
    isObject(value) &&
    (value.error === undefined || (isUsageErrorCode(value.error) || value.error === null)) &&
    (value.code === undefined || (isUsageErrorCode(value.code) || value.code === null)) &&
    typeof value.message === "string" &&
    typeof value.action === "string" &&
    (value.action_url === undefined || (typeof value.action_url === "string" || value.action_url === null)) &&
    (value.details === undefined || (isUsageErrorDetails(value.details) || value.details === null))
  );
}

export function isValidationIssue(value) {
  return (
    isObject(value) &&
    isListOf(value.loc, (item) => (typeof item === "string" || Number.isInteger(item))) &&
    typeof value.msg === "string" &&
    typeof value.type === "string"
  );
}

export function isErrorBody(value) {
  return (
    isObject(value) &&
    (typeof value.detail === "string" || isUsageErrorBody(value.detail) || isListOf(value.detail, (item) => isValidationIssue(item)) || isObject(value.detail) || value.detail === null)
  );
}

export function isIceServer(value) {
  return (
    isObject(value) &&
    (value.urls === undefined || (typeof value.urls === "string" || isListOf(value.urls, (item) => typeof item === "string") || value.urls === null)) &&
    (value.url === undefined || (typeof value.url === "string" || isListOf(value.url, (item) => typeof item === "string") || value.url === null)) &&
    (value.username === undefined || (typeof value.username === "string" || value.username === null)) &&
    (value.credential === undefined || (typeof value.credential === "string" || value.credential === null)) &&
    ["urls", "url"].filter((name) => value[name] !== undefined).length > 0
  );
}

export function isSignalingConfig(value) {
  return (
    isObject(value) &&
    isListOf(value.iceServers, (item) => isIceServer(item))
  );
}

export function isRecording(value) {
  return (
    isObject(value) &&
    typeof value.stream_id === "string" &&
    (typeof value.video_url === "string" || value.video_url === null) &&
    (typeof value.events_url === "string" || value.events_url === null) &&
    (typeof value.thumbnail_url === "string" || value.thumbnail_url === null) &&
    (typeof value.preview_url === "string" || value.preview_url === null) &&
    (Number.isInteger(value.frame_count) || value.frame_count === null) &&
    (Number.isFinite(value.duration_seconds) || value.duration_seconds === null)
  );
}

export function isStreamRecordingInfo(value) {
  return (
    isObject(value) &&
    typeof value.stream_id === "string" &&
    Number.isInteger(value.width) &&
    Number.isInteger(value.height) &&
    typeof value.started_at === "string" &&
    (typeof value.ended_at === "string" || value.ended_at === null) &&
    (Number.isFinite(value.duration_seconds) || value.duration_seconds === null)
  );
}

export function isStreamRecordingsList(value) {
  return (
    isObject(value) &&
    isListOf(value.recordings, (item) => isStreamRecordingInfo(item)) &&
    Number.isInteger(value.total) &&
    Number.isInteger(value.limit) &&
    Number.isInteger(value.offset)
  );
}

export const recordedEventTypeValues = Object.freeze([
  "start",
  "interact",
  "end",
]);

export function isKnownRecordedEventType(value) {
  return recordedEventTypeValues.includes(value);
}

export function isRecordedEventType(value) {
  return typeof value === "string";
}

export function isRecordedEvent(value) {
  return (
    isObject(value) &&
    Number.isInteger(value.timestamp_ms) &&
    isRecordedEventType(value.type) &&
    (value.prompt === undefined || (typeof value.prompt === "string" || value.prompt === null)) &&
    (value.applied_prompt === undefined || (typeof value.applied_prompt === "string" || value.applied_prompt === null)) &&
    (value.reason === undefined || (typeof value.reason === "string" || value.reason === null))
  );
}

export function isTokenRequest(value) {
  return (
    isObject(value) &&
    typeof value.api_key === "string"
  );
}

export function isTokenResponse(value) {
  return (
    isObject(value) &&
    typeof value.access_token === "string" &&
    (value.expires_in === undefined || (Number.isInteger(value.expires_in) || value.expires_in === null))
  );
}

export function isRegion(value) {
  return (
    isObject(value) &&
    typeof value.id === "string" &&
    typeof value.ping_url === "string"
  );
}

export function isRegionsResponse(value) {
  return (
    isObject(value) &&
    isListOf(value.regions, (item) => isRegion(item))
  );
}

export function isSessionRequest(value) {
  return (
    isObject(value) &&
    (value.region_latencies === undefined || isMapOf(value.region_latencies, (item) => Number.isInteger(item)))
  );
}

export function isStreamerCapabilities(value) {
  return (
    isObject(value) &&
    (value.image_to_video === undefined || typeof value.image_to_video === "boolean")
  );
}

export function isSessionResponse(value) {
  return (
    isObject(value) &&
    typeof value.session_id === "string" &&
    typeof value.signalling_url === "string" &&
    (value.capabilities === undefined || (isStreamerCapabilities(value.capabilities) || value.capabilities === null)) &&
    (value.streamer_id === undefined || (typeof value.streamer_id === "string" || value.streamer_id === null)) &&
    (value.model === undefined || (typeof value.model === "string" || value.model === null)) &&
    (value.region === undefined || (typeof value.region === "string" || value.region === null))
  );
}

export function isSessionTokenRequest(value) {
  return (
    isObject(value) &&
    typeof value.session_id === "string"
  );
}

export function isSessionTokenResponse(value) {
  return (
    isObject(value) &&
    typeof value.session_token === "string" &&
    (value.expires_in === undefined || (Number.isInteger(value.expires_in) || value.expires_in === null))
  );
}

export function isSessionTokenClaims(value) {
  return (
    isObject(value) &&
    typeof value.session_id === "string" &&
    (value.exp === undefined || (Number.isFinite(value.exp) || value.exp === null)) &&
    (value.iat === undefined || (Number.isFinite(value.iat) || value.iat === null))
  );
}

export function isOffer(value) {
  return (
    isObject(value) &&
    value.type === "offer" &&
    typeof value.sdp === "string"
  );
}

export function isAnswer(value) {
  return (
    isObject(value) &&
    value.type === "answer" &&
    typeof value.sdp === "string"
  );
}

export function isIceCandidate(value) {
  return (
    isObject(value) &&
    value.type === "ice_candidate" &&
    typeof value.candidate === "string" &&
    (typeof value.sdpMid === "string" || value.sdpMid === null) &&
    (Number.isInteger(value.sdpMLineIndex) || value.sdpMLineIndex === null)
  );
}

export const signalingErrorReasonValues = Object.freeze([
  "streamer_not_available",
  "streamer_disconnected",
  "duration_limit_reached",
  "unknown",
]);

export function isKnownSignalingErrorReason(value) {
  return signalingErrorReasonValues.includes(value);
}

export function isSignalingErrorReason(value) {
  return typeof value === "string";
}

export function isSignalingError(value) {
  return (
    isObject(value) &&
    value.type === "error" &&
    isSignalingErrorReason(value.reason)
  );
}

export function isKeepalive(value) {
  return (
    isObject(value) &&
    value.type === "keepalive"
  );
}

export function isClientDisconnecting(value) {
  return (
    isObject(value) &&
    value.type === "client_disconnecting"
  );
}

export const signalingServerMessageTypes = Object.freeze([
  "offer",
  "ice_candidate",
  "error",
]);

export function isSignalingServerMessage(value) {
  return (isOffer(value) || isIceCandidate(value) || isSignalingError(value));
}

export const signalingClientMessageTypes = Object.freeze([
  "answer",
  "ice_candidate",
  "keepalive",
  "client_disconnecting",
  "interactive_stream_start",
]);

export function isSignalingClientMessage(value) {
  return (isAnswer(value) || isIceCandidate(value) || isKeepalive(value) || isClientDisconnecting(value) || isInteractiveStreamStart(value));
}

export function isStartAction(value) {
  return (
    isObject(value) &&
    typeof value.prompt === "string" &&
    (value.image === undefined || typeof value.image === "string")
  );
}

export function isInteractAction(value) {
  return (
    isObject(value) &&
    typeof value.prompt === "string"
  );
}

export function isEndAction(value) {
  return isObject(value);
}

export function isScriptEntry(value) {
  return (
    isObject(value) &&
    Number.isFinite(value.timestamp_ms) &&
    (value.start === undefined || isStartAction(value.start)) &&
    (value.interact === undefined || isInteractAction(value.interact)) &&
    (value.end === undefined || isEndAction(value.end))
  );
}

export function isSimulationRequest(value) {
  return (
    isObject(value) &&
    typeof value.portrait === "boolean" &&
    (value.output_video === undefined || typeof value.output_video === "boolean") &&
    (value.bypass_vlm_expansion === undefined || typeof value.bypass_vlm_expansion === "boolean") &&
    (value.script === undefined || isListOf(value.script, (item) => isScriptEntry(item))) &&
    (value.scripts === undefined || isListOf(value.scripts, (item) => isListOf(item, (item) => isScriptEntry(item)))) &&
    (value.script_url === undefined || typeof value.script_url === "string") &&
    ["script", "scripts", "script_url"].filter((name) => value[name] !== undefined).length === 1
  );
}

export const simulationJobStatusValues = Object.freeze([
  "pending",
  "dispatched",
  "processing",
  "completed",
  "failed",
  "cancelled",
]);

export function isKnownSimulationJobStatus(value) {
  return simulationJobStatusValues.includes(value);
}

export function isSimulationJobStatus(value) {
  return typeof value === "string";
}

export function isSimulationStream(value) {
  return (
    isObject(value) &&
    typeof value.stream_id === "string" &&
    (typeof value.video_url === "string" || value.video_url === null) &&
    (typeof value.events_url === "string" || value.events_url === null) &&
    (typeof value.thumbnail_url === "string" || value.thumbnail_url === null) &&
    (typeof value.preview_url === "string" || value.preview_url === null) &&
    (Number.isInteger(value.frame_count) || value.frame_count === null) &&
    (Number.isFinite(value.duration_seconds) || value.duration_seconds === null) &&
    (value.script_index === undefined || Number.isInteger(value.script_index)) &&
    (value.status === undefined || (typeof value.status === "string" || value.status === null)) &&
    (value.error_message === undefined || (typeof value.error_message === "string" || value.error_message === null))
  );
}

export function isSimulationJob(value) {
  return (
    isObject(value) &&
    typeof value.job_id === "string" &&
    isSimulationJobStatus(value.status) &&
    typeof value.priority === "string" &&
    typeof value.created_at === "string" &&
    (Number.isFinite(value.estimated_wait_minutes) || value.estimated_wait_minutes === null) &&
    (value.dispatched_at === undefined || (typeof value.dispatched_at === "string" || value.dispatched_at === null)) &&
    (value.started_at === undefined || (typeof value.started_at === "string" || value.started_at === null)) &&
    (value.completed_at === undefined || (typeof value.completed_at === "string" || value.completed_at === null)) &&
    (value.error_message === undefined || (typeof value.error_message === "string" || value.error_message === null)) &&
    (value.assigned_region === undefined || (typeof value.assigned_region === "string" || value.assigned_region === null)) &&
    (value.retry_count === undefined || Number.isInteger(value.retry_count)) &&
    (value.streams === undefined || isListOf(value.streams, (item) => isSimulationStream(item)))
  );
}

export function isSimulationJobDetail(value) {
  return (
    isObject(value) &&
    typeof value.job_id === "string" &&
    isSimulationJobStatus(value.status) &&
    typeof value.priority === "string" &&
    typeof value.created_at === "string" &&
    (typeof value.dispatched_at === "string" || value.dispatched_at === null) &&
    (typeof value.started_at === "string" || value.started_at === null) &&
    (typeof value.completed_at === "string" || value.completed_at === null) &&
    (typeof value.error_message === "string" || value.error_message === null) &&
    (typeof value.assigned_region === "string" || value.assigned_region === null) &&
    (value.retry_count === undefined || Number.isInteger(value.retry_count)) &&
    (value.streams === undefined || isListOf(value.streams, (item) => isSimulationStream(item))) &&
    (Number.isFinite(value.estimated_wait_minutes) || value.estimated_wait_minutes === null)
  );
}

export function isSimulationJobInfo(value) {
  return (
    isObject(value) &&
    typeof value.job_id === "string" &&
    isSimulationJobStatus(value.status) &&
    typeof value.priority === "string" &&
    typeof value.created_at === "string" &&
    (typeof value.completed_at === "string" || value.completed_at === null) &&
    (typeof value.error_message === "string" || value.error_message === null)
  );
}

export function isSimulationJobsList(value) {
  return (
    isObject(value) &&
    isListOf(value.jobs, (item) => isSimulationJobInfo(item)) &&
    Number.isInteger(value.total) &&
    Number.isInteger(value.limit) &&
    Number.isInteger(value.offset)
  );
}

export function isCancelledSimulation(value) {
  return (
    isObject(value) &&
    typeof value.job_id === "string" &&
    isSimulationJobStatus(value.status) &&
    (value.priority === undefined || (typeof value.priority === "string" || value.priority === null)) &&
    (value.created_at === undefined || (typeof value.created_at === "string" || value.created_at === null)) &&
    (value.completed_at === undefined || (typeof value.completed_at === "string" || value.completed_at === null)) &&
    (value.error_message === undefined || (typeof value.error_message === "string" || value.error_message === null))
  );
}

export const telemetryEventNameValues = Object.freeze([
  "session_connecting",
  "session_connected",
  "session_disconnected",
]);

export function isKnownTelemetryEventName(value) {
  return telemetryEventNameValues.includes(value);
}

export function isTelemetryEventName(value) {
  return typeof value === "string";
}

export const telemetryErrorTypeValues = Object.freeze([
  "auth",
  "connection",
  "stream",
  "usage",
  "unknown",
]);

export function isKnownTelemetryErrorType(value) {
  return telemetryErrorTypeValues.includes(value);
}

export function isTelemetryErrorType(value) {
  return typeof value === "string";
}

export function isTelemetryEvent(value) {
  return (
    isObject(value) &&
    typeof value.sdk_version === "string" &&
    typeof value.sdk_platform === "string" &&
    typeof value.platform_info === "string" &&
    (value.session_id === undefined || (typeof value.session_id === "string" || value.session_id === null)) &&
    (value.api_key_prefix === undefined || (typeof value.api_key_prefix === "string" || value.api_key_prefix === null)) &&
    (value.event === undefined || (isTelemetryEventName(value.event) || value.event === null)) &&
    (value.connect_duration_ms === undefined || (Number.isInteger(value.connect_duration_ms) || value.connect_duration_ms === null)) &&
    (value.session_duration_seconds === undefined || (Number.isFinite(value.session_duration_seconds) || value.session_duration_seconds === null)) &&
    (value.error_type === undefined || (isTelemetryErrorType(value.error_type) || value.error_type === null)) &&
    (value.error_message === undefined || (typeof value.error_message === "string" || value.error_message === null)) &&
    (value.error_code === undefined || (typeof value.error_code === "string" || value.error_code === null)) &&
    (value.connection_status === undefined || (typeof value.connection_status === "string" || value.connection_status === null)) &&
    ["event", "error_type"].filter((name) => value[name] !== undefined).length === 1
  );
}

export function isTelemetryRequest(value) {
  return (
    isObject(value) &&
    isListOf(value.events, (item) => isTelemetryEvent(item))
  );
}
