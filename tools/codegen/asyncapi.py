"""Makes a self-contained AsyncAPI document: `spec/asyncapi.yaml` with the schemas of the messages.

Each message gets a title, a summary, a description and examples from the schema of its payload.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools.codegen.components import PREFIX, Components, Dialect
from tools.codegen.directions import names_below, reached, sent_by_clients
from tools.codegen.documents import inward

if TYPE_CHECKING:
    from tools.codegen.sources import Schema

__all__ = ["asyncapi_document"]

_TEXT = """\
The signaling WebSocket and the two data channels, from the client's point of view. What was not observed is
marked `x-assumed: true`. Every enum is open: its values are in `x-extensible-enum`, and for constants in the enum
`Known…` beside it, which no message uses. Messages of the service may have other fields than those listed, which
readers ignore.
"""
# In AsyncAPI, a discriminator is only the name of the field; each message has its tag as a constant.
_DIALECT = Dialect(lambda _: "type", ref_has_siblings=False)
_ENDS_SENTENCE = re.compile(r"(?<=[.;]) ")
_SIDES = re.compile(r"^(Client to \w+|Server to client|Streamer to client|Both directions)\b[.,] ")


def asyncapi_document(files: dict[str, Schema], openapi: Schema, asyncapi: Schema) -> Schema:
    """Return the AsyncAPI document for the schemas `files` and the two envelopes."""
    schemas = Components(files, sent_by_clients(files, openapi, asyncapi), _DIALECT).schemas
    document: Schema = inward(asyncapi, PREFIX)
    document["info"]["description"] = _TEXT
    messages = document["components"]["messages"]
    document["components"]["messages"] = {key: _described(message, schemas) for key, message in messages.items()}
    names = reached(schemas, names_below([messages, document["components"]["schemas"]]))
    names |= {f"Known{name}" for name in names} & schemas.keys()
    document["components"]["schemas"] = {name: schema for name, schema in schemas.items() if name in names}
    return document


def _described(message: Schema, schemas: dict[str, Schema]) -> Schema:
    name = message["payload"]["$ref"].rpartition("/")[2]
    schema = schemas[name]
    summary = _ENDS_SENTENCE.split(_SIDES.sub("", schema["description"]), maxsplit=1)[0]
    return {
        "name": message["name"],
        "title": re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found[0].lower()}", name),
        "summary": summary,
        "description": schema["description"],
        "contentType": "application/json",
        "payload": message["payload"],
        "examples": [
            {"name": f"{message['name']}_{n}", "summary": f"As a {name}.", "payload": example}
            for n, example in enumerate(schema["examples"], 1)
        ],
    }
