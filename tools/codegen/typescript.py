"""Writes the npm package `odyssey-models` from the specification: types, guards and lists of values.

`typescript_types` makes the declarations, `typescript_guards` the code, `typescript_documented` the interfaces
that the JavaScript documentation shows. This module gives them the specification and lays out the package, which
needs no build step.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tools.codegen.project import copy_licence, version
from tools.codegen.typescript_documented import documented
from tools.codegen.typescript_guards import guards
from tools.codegen.typescript_types import Declarations, rest_calls

if TYPE_CHECKING:
    from pathlib import Path

    from tools.codegen.sources import Schema

__all__ = ["write_package"]

_NAME = "odyssey-models"

_README = """\
# odyssey-models

The Odyssey wire protocol for TypeScript and JavaScript: the type of every REST body and of every live message. The
only code is guards and lists of values. It is generated from the schemas of the project.

```ts
import { isDataChannelStreamerMessage, type SimulationJobDetail } from "odyssey-models";

channel.onmessage = ({ data }) => {
  const message: unknown = JSON.parse(data);
  if (!isDataChannelStreamerMessage(message)) return; // of a newer service
  switch (message.type) {
    case "stream_started":
      return console.log(message.stream_id);
    case "interactive_stream_error":
      return console.error(message.reason, message.message);
  }
};
```

- Objects may have fields that are not listed; ignore them.
- Enums are open. `SimulationJobStatus` is `KnownSimulationJobStatus | UnknownSimulationJobStatus`: comparing it
  with a text that is not listed does not compile, and a `switch` over all known values is not complete. For a text
  that is not listed, write `"paused" as UnknownSimulationJobStatus`. `simulationJobStatusValues` lists the rest.
- `isRecording(value)` reports whether `value` has the type `Recording`: the fields that it must have, and the type
  of each field that is listed. It does not check bounds and patterns.
- The service writes null for what it does not have yet, so such fields are required. An answer that lacks them has
  another type: add the nulls before you call the guard, if your reader accepts such answers.
- `RestCalls` has the method, path, parameters, body and answer of each REST call. `LiveChannels` has what a client
  sends and receives on each channel.
- `odyssey-models/documented` has the interfaces of the JavaScript documentation, for SDKs with the same surface.
- The version is that of `odyssey-proto` from the same sources. Before 1.0, the second number rises with breaking
  changes, the third with all others.
"""

_HEADER = "// Made from spec/ by `python -m tools.codegen`. Do not edit.\n\n"


def write_package(files: dict[str, Schema], openapi: Schema, asyncapi: Schema, folder: Path) -> None:
    """Create `folder` and write the package into it, for the schemas `files` and the documents that use them."""
    declarations = Declarations(files)
    types = declarations.text() + rest_calls(openapi) + declarations.live_channels(asyncapi)
    folder.mkdir(parents=True)
    for name, text in {
        "package.json": _manifest(),
        "README.md": _README,
        "index.d.ts": _HEADER + types,
        "index.js": _HEADER + guards(files),
        "documented.d.ts": _HEADER + documented(files),
        "documented.js": _HEADER + "export {};\n",
    }.items():
        (folder / name).write_text(text, "utf-8", newline="\n")
    copy_licence(folder)


def _manifest() -> str:
    entries = {
        "name": _NAME,
        "version": version(),
        "description": "The Odyssey wire protocol: types, guards and lists of values",
        "license": "MIT",
        "type": "module",
        "sideEffects": False,
        "types": "./index.d.ts",
        "exports": {
            ".": {"types": "./index.d.ts", "default": "./index.js"},
            "./documented": {"types": "./documented.d.ts", "default": "./documented.js"},
            "./package.json": "./package.json",
        },
        "files": ["index.js", "index.d.ts", "documented.js", "documented.d.ts"],
    }
    return json.dumps(entries, indent=2) + "\n"
