// Runs the SDK for tests. A line of JSON comes in, with calls, each `[method, ...arguments]`, for one client; a line with
// their answers goes out.

import { createInterface } from "node:readline";
import { Odyssey, OdysseyError } from "./sdk.js";

interface Question {
  apiUrl: string;
  apiKey: string;
  calls: [keyof Odyssey, ...never[]][];
}

for await (const line of createInterface({ input: process.stdin })) {
  const { apiUrl, apiKey, calls } = JSON.parse(line) as Question;
  const client = new Odyssey(apiKey, apiUrl);
  const answers: unknown[] = [];
  for (const [method, ...values] of calls) {
    const call = client[method] as (...values: never[]) => Promise<unknown>;
    const answer = await call(...values).catch((error: unknown) => {
      if (!(error instanceof OdysseyError)) throw error;
      return { error: error.message, status: error.status, usage: error.usage?.error ?? error.usage?.code ?? null };
    });
    answers.push(answer);
  }
  console.log(JSON.stringify(answers));
}
