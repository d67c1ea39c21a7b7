// Writes what AsyncAPI's parser finds in a document: its messages by channel and direction, and its complaints.

import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const operations = document?.operations().all() ?? [];
console.log(
  JSON.stringify({
    errors: diagnostics.filter(({ severity }) => severity === 0).map(({ message, path }) => `${path}: ${message}`),
    operations: Object.fromEntries(
      operations.map((operation) => [
        operation.id(),
        {
          action: operation.action(),
          channels: operation.channels().all().map((channel) => channel.id()),
          messages: operation.messages().all().map((message) => message.name()),
        },
      ]),
    ),
  }),
);
