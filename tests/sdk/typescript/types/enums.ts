// Enums are open to services that are newer, and closed to typing errors. Each line marked as an error must be one.

import { isKnownSimulationJobStatus, simulationJobStatusValues } from "odyssey-models";
import type {
  KnownSimulationJobStatus,
  SimulationJobDetail,
  StreamErrorReason,
  UnknownSimulationJobStatus,
} from "odyssey-models";

declare const job: SimulationJobDetail;

job.status === "completed";
// @ts-expect-error a value that is not listed
job.status === "complted";
job.status = "failed";
job.status = "paused" as UnknownSimulationJobStatus;
// @ts-expect-error a text that is not marked as unknown
job.status = "paused";
const text: string = job.status;
// @ts-expect-error any text may be a value that is not listed
job.status = text;

// @ts-expect-error a switch over all known values does not return for the others
export function incomplete(status: SimulationJobDetail["status"]): number {
  switch (status) {
    case "pending":
    case "dispatched":
    case "processing":
      return 0;
    case "completed":
    case "failed":
    case "cancelled":
      return 1;
  }
}

export function complete(status: SimulationJobDetail["status"]): number | UnknownSimulationJobStatus {
  switch (status) {
    case "pending":
    case "dispatched":
    case "processing":
      return 0;
    case "completed":
    case "failed":
    case "cancelled":
      return 1;
    // @ts-expect-error a case that is not listed
    case "canceled":
      return 2;
    default:
      return status;
  }
}

// @ts-expect-error an unknown value of one enum is none of another
const reason: StreamErrorReason = "paused" as UnknownSimulationJobStatus;

const known: readonly KnownSimulationJobStatus[] = simulationJobStatusValues;
if (isKnownSimulationJobStatus(text)) job.status = text;

export { known, reason };
