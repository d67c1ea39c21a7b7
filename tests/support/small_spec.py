"""A small valid spec, for tests that spoil it: one schema file with the envelopes around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tools.codegen.marked import Document, parse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ASYNCAPI", "OPENAPI", "SCHEMAS", "SEQUENCES", "documents", "spoilt", "written"]

SCHEMAS = """\
$schema: https://json-schema.org/draft/2020-12/schema
title: Cats
description: A small protocol.
$defs:
  Order:
    description: Ask for a cat.
    type: object
    required: [type, prompt]
    properties:
      type: {const: order, description: Tag of the message.}
      prompt:
        description: What to draw.
        type: string
        maxLength: 80
        examples: [A cat]
      colours:
        description: Colours to use.
        type: array
        items: {type: string}
      sizes:
        description: Pixels, by direction.
        type: object
        additionalProperties: {type: integer}
      image:
        description: An image to start from.
        anyOf:
          - type: string
          - $ref: '#/$defs/Picture'
          - type: 'null'
    examples:
      - {type: order, prompt: A cat}
  Done:
    description: The cat is drawn.
    type: object
    required: [type, mood]
    properties:
      type: {const: done, description: Tag of the message.}
      mood:
        description: Its mood.
        $ref: '#/$defs/Mood'
        x-stand-in: calm
      picture:
        description: The picture.
        type: [string, 'null']
        format: uri
        x-write-null: true
    examples:
      - {type: done, mood: calm, picture: null}
  Picture:
    description: A picture, or where it is.
    type: object
    properties:
      data:
        description: The picture.
        type: string
        x-large: true
      url:
        description: Its address.
        type: string
      count:
        description: How many times it was seen.
        type: integer
        minimum: 0
        default: 0
    oneOf:
      - required: [data]
      - required: [url]
    examples:
      - {url: https://example.org/cat.png}
  Mood:
    description: The mood of a cat.
    anyOf:
      - {const: calm, description: It sleeps.}
      - {const: angry, description: It hisses.}
      - {type: string, description: Any other.}
    examples: [calm]
  SignalingServerMessage:
    description: What the server sends.
    oneOf:
      - $ref: '#/$defs/Done'
  SignalingClientMessage:
    description: What the client sends.
    oneOf:
      - $ref: '#/$defs/Order'
  DataChannelStreamerMessage:
    description: What the streamer sends.
    oneOf:
      - $ref: '#/$defs/Done'
  DataChannelClientMessage:
    description: What the client sends to it.
    oneOf:
      - $ref: '#/$defs/Order'
"""

OPENAPI = """\
openapi: 3.1.0
info: {title: Cats, version: 1.0.0}
tags: [{name: cats, description: About cats.}]
paths:
  /pictures:
    post:
      operationId: addPicture
      tags: [cats]
      summary: Add a picture.
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: 'schemas/cats.yaml#/$defs/Picture'}}}
      parameters:
        - {name: limit, in: query, description: How many., schema: {type: integer, minimum: 1, maximum: 100}}
      responses:
        '200':
          description: The mood.
          content: {application/json: {schema: {$ref: 'schemas/cats.yaml#/$defs/Mood'}}}
        '404': {description: No cat., x-assumed: true}
components:
  schemas:
    DataChannelClientMessage: {$ref: 'schemas/cats.yaml#/$defs/DataChannelClientMessage'}
    DataChannelStreamerMessage: {$ref: 'schemas/cats.yaml#/$defs/DataChannelStreamerMessage'}
    SignalingClientMessage: {$ref: 'schemas/cats.yaml#/$defs/SignalingClientMessage'}
    SignalingServerMessage: {$ref: 'schemas/cats.yaml#/$defs/SignalingServerMessage'}
"""

ASYNCAPI = """\
asyncapi: 3.0.0
info: {title: Cats, version: 1.0.0}
channels:
  signaling:
    title: Signaling
    address: /cats
    messages:
      order: {$ref: '#/components/messages/order'}
      done: {$ref: '#/components/messages/done'}
  clientToStreamer:
    title: Orders
    address: orders
    messages:
      order: {$ref: '#/components/messages/order'}
  streamerToClient:
    title: Answers
    address: answers
    messages:
      done: {$ref: '#/components/messages/done'}
operations:
  hear:
    action: receive
    channel: {$ref: '#/channels/signaling'}
    messages: [{$ref: '#/channels/signaling/messages/done'}]
  say:
    action: send
    channel: {$ref: '#/channels/signaling'}
    messages: [{$ref: '#/channels/signaling/messages/order'}]
  order:
    action: send
    channel: {$ref: '#/channels/clientToStreamer'}
    messages: [{$ref: '#/channels/clientToStreamer/messages/order'}]
  answer:
    action: receive
    channel: {$ref: '#/channels/streamerToClient'}
    messages: [{$ref: '#/channels/streamerToClient/messages/done'}]
components:
  messages:
    order: {name: order, payload: {$ref: 'schemas/cats.yaml#/$defs/Order'}}
    done: {name: done, payload: {$ref: 'schemas/cats.yaml#/$defs/Done'}}
"""

SEQUENCES = """\
participants:
  client: Client
  server: Server
sequences:
  draw:
    title: Draw a cat
    see: [cats]
    text: The client orders a cat.
    participants: [client, server]
    steps:
      - {from: client, to: server, message: order}
      - {from: server, to: client, message: done}
"""

_FILES = {
    "schemas/cats.yaml": SCHEMAS,
    "openapi.yaml": OPENAPI,
    "asyncapi.yaml": ASYNCAPI,
    "sequences.yaml": SEQUENCES,
}


def written(folder: Path) -> Path:
    """Write the spec below `folder`; return its own folder."""
    spec = folder / "spec"
    for file, text in _FILES.items():
        (spec / file).parent.mkdir(parents=True, exist_ok=True)
        (spec / file).write_text(text, "utf-8")
    return spec


def documents(files: dict[str, Any]) -> dict[str, Any]:
    """Return documents with this content, by file, as if read from files: each key has a line number."""
    return {file: Document(parse(yaml.safe_dump(data, sort_keys=False), file)) for file, data in files.items()}


def spoilt(spec: Path, good: str, bad: str, *, file: str = "schemas/cats.yaml") -> None:
    """Replace `good`, which a file must contain exactly once, with `bad`."""
    text = (spec / file).read_text("utf-8")
    assert text.count(good) == 1, f"{good!r} is there {text.count(good)} times"
    (spec / file).write_text(text.replace(good, bad), "utf-8")
