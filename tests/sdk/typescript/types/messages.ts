// Unions of messages are told apart by `type`, and requests with a choice take exactly one. Each line marked as an
// error must be one.

import { isDataChannelStreamerMessage } from "odyssey-models";
import type {
  DataChannelClientMessage,
  DataChannelStreamerMessage,
  IceServer,
  LiveChannels,
  RestCalls,
  SimulationJobDetail,
  SimulationRequest,
} from "odyssey-models";

export function identifier(message: DataChannelStreamerMessage): string {
  switch (message.type) {
    case "stream_started":
      return message.stream_id;
    case "update_acknowledged":
      return message.prompt;
    case "interactive_stream_error":
      return message.reason;
    case "broadcast_ready":
      return message.webrtc_url ?? "";
    case "stream_ended":
      // @ts-expect-error it has no prompt
      return message.prompt;
  }
}

export function read(data: unknown): DataChannelStreamerMessage | undefined {
  return isDataChannelStreamerMessage(data) ? data : undefined;
}

// @ts-expect-error a message of the other direction
export const answer: DataChannelClientMessage = { type: "stream_ended" };
// @ts-expect-error an update has a prompt
export const update: DataChannelClientMessage = { type: "update" };
export const sent: LiveChannels["clientToStreamer"]["send"] = { type: "update", prompt: "A cat" };
export const candidate: LiveChannels["signaling"]["receive"] = {
  type: "ice_candidate",
  candidate: "",
  sdpMid: null,
  sdpMLineIndex: 0,
};
// @ts-expect-error nobody sends to a client on the channel of its requests
export const received: LiveChannels["clientToStreamer"]["receive"] = { type: "stream_ended" };

const script = [{ timestamp_ms: 0, start: { prompt: "A cat" } }];
export const one: SimulationRequest = { portrait: true, script };
// @ts-expect-error none of the three
export const none: SimulationRequest = { portrait: true };
// @ts-expect-error two of the three
export const two: SimulationRequest = { portrait: true, script, scripts: [script] };
// @ts-expect-error an optional field of a request is absent or has a value
export const absent: SimulationRequest = { portrait: true, script, output_video: undefined };
// @ts-expect-error no address at all
export const server: IceServer = { username: "me" };
export const old: IceServer = { url: "stun:stun.example.org" };

// An answer has null for what the service does not know yet; what may be absent is optional.
declare const job: SimulationJobDetail;
export const region: string | null = job.assigned_region;
// @ts-expect-error an answer may lack it
export const retries: number = job.retry_count;

export const call: RestCalls["getSimulation"]["method"] = "GET";
export const query: RestCalls["listSimulations"]["queryParameters"] = { status: "pending", limit: 5 };
// @ts-expect-error another parameter
export const wrong: RestCalls["listSimulations"]["queryParameters"] = { page: 5 };
