// Reads lines of JSON with the classes that modelina made, and writes them back.

import { createInterface } from "node:readline";

const models = await import(process.argv[2]);

for await (const line of createInterface({ input: process.stdin })) {
  const [[name, value]] = Object.entries(JSON.parse(line));
  console.log(JSON.stringify({ [name]: JSON.parse(models[name].unmarshal(value).marshal()) }));
}
