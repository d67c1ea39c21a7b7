// Asks the guards of the generated package about values. `[name of the definition, value]` becomes true or false.

import { createInterface } from "node:readline";
import * as models from "odyssey-models";

for await (const line of createInterface({ input: process.stdin })) {
  const [name, value] = JSON.parse(line);
  console.log(JSON.stringify(models[`is${name}`](value)));
}
