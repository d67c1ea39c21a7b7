// Reads lines of JSON with the functions that openapi-generator made (typescript-fetch), and writes them back.

import { createInterface } from "node:readline";

const models = await import(process.argv[2]);

for await (const line of createInterface({ input: process.stdin })) {
  const [[name, value]] = Object.entries(JSON.parse(line));
  const read = models[`${name}FromJSON`](value);
  console.log(JSON.stringify({ [name]: models[`${name}ToJSON`](read) }));
}
