// Writes the classes that AsyncAPI's modelina makes of a document (JSON), with methods for JSON, into a folder.

import { readFileSync } from "node:fs";
import { TS_COMMON_PRESET, TypeScriptFileGenerator } from "@asyncapi/modelina";

const [document, folder] = process.argv.slice(2);
const generator = new TypeScriptFileGenerator({
  moduleSystem: "ESM",
  modelType: "class",
  enumType: "enum",
  rawPropertyNames: false,
  presets: [{ preset: TS_COMMON_PRESET, options: { marshalling: true } }],
});
const models = await generator.generateToFiles(JSON.parse(readFileSync(document, "utf8")), folder, { exportType: "named" });
console.log(JSON.stringify(models.map((model) => model.modelName)));
