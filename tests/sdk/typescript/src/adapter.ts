// The SDK in the live scenarios of `odyssey-proto conformance`: one line of JSON says what to do. It supports those
// without a session.

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { ScriptEntry } from "odyssey-models";
import { Odyssey, OdysseyError } from "./sdk.js";

interface Step {
  do: string;
  seconds: number;
  script: ScriptEntry[];
  portrait: boolean;
}

const { ODYSSEY_API_URL: apiUrl = "", ODYSSEY_API_KEY: apiKey = "" } = process.env;
const odyssey = new Odyssey(apiKey, apiUrl);
let job = "";

const supported: Record<string, (step: Step) => Promise<object>> = {
  async wait({ seconds }) {
    await sleep(seconds * 1000);
    return {};
  },
  async list_recordings() {
    return { total: (await odyssey.listRecordings()).total };
  },
  async simulate({ script, portrait }) {
    job = (await odyssey.simulate({ script, portrait })).job_id;
    return { job_id: job };
  },
  async wait_job() {
    for (;;) {
      const { status } = await odyssey.getSimulation(job);
      if (status === "completed" || status === "failed" || status === "cancelled") return { status };
      await sleep(500);
    }
  },
  async download() {
    const { streams = [] } = await odyssey.getSimulation(job);
    const address = streams.find((stream) => stream?.video_url)?.video_url;
    if (!address) throw new Error("the job has no video");
    const answer = await fetch(address); // presigned: without a token
    if (!answer.ok) throw new OdysseyError(answer.status, await answer.text());
    return { bytes: (await answer.arrayBuffer()).byteLength };
  },
};

async function report(step: Step): Promise<object> {
  try {
    return { outcome: "ok", value: await supported[step.do]?.(step) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const usage = error instanceof OdysseyError ? error.usage : undefined;
    return { outcome: "error", error: { code: usage?.error ?? usage?.code ?? error.name, message: error.message } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line) as { steps: Step[] };
  const missing = steps.find((step) => !(step.do in supported));
  if (missing) {
    console.log(JSON.stringify({ step: 0, outcome: "unsupported", why: missing.do }));
    break;
  }
  for (const [number, step] of steps.entries()) console.log(JSON.stringify({ step: number, ...(await report(step)) }));
}
