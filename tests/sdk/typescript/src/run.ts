// Runs the SDK for a test: one line of JSON comes in, one goes out. `[method, ...arguments]` becomes its answer.

import { createInterface } from "node:readline";
import { Odyssey, OdysseyError } from "./sdk.js";

const [apiUrl, apiKey] = process.argv.slice(2) as [string, string];
const client = new Odyssey(apiKey, apiUrl);

for await (const line of createInterface({ input: process.stdin })) {
  const [method, ...values] = JSON.parse(line) as [keyof Odyssey, ...never[]];
  const call = client[method] as (...values: never[]) => Promise<unknown>;
  const answer = await call(...values).catch((error: unknown) => {
    if (!(error instanceof OdysseyError)) throw error;
    return { error: error.message, status: error.status, usage: error.usage?.error ?? error.usage?.code ?? null };
  });
  console.log(JSON.stringify(answer));
}
