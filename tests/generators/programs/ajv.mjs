// Validates lines of JSON with ajv in strict mode against the bundled JSON Schema named on the command line.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import Ajv from "ajv/dist/2020.js";

const [path, ...vocabulary] = process.argv.slice(2);
const schema = JSON.parse(readFileSync(path, "utf8"));
// It does not see, in a choice of required fields, the fields that are defined beside the choice.
const ajv = new Ajv.default({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true });
ajv.addVocabulary(vocabulary);
ajv.addSchema(schema);

for await (const line of createInterface({ input: process.stdin })) {
  const [[name, value]] = Object.entries(JSON.parse(line));
  const validate = ajv.getSchema(`${schema.$id}#/$defs/${name}`);
  console.log(JSON.stringify({ [name]: validate(value) ? null : validate.errors.map(({ keyword }) => keyword) }));
}
