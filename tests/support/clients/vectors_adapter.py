"""The answers of this library to all vectors; `tests.support.clients.adapter` is the command."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any, Final

import odyssey_models as models
from jsonschema import Draft202012Validator

from odyssey_proto import AdvancedConfig, MalformedMessageError, OdysseyError
from odyssey_proto._model import codec
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.protocol import Protocol
from tests.support.clients.schemas import registry

__all__ = ["serve"]

READERS: Final = {
    "SignalingServerMessage": codec.signaling_from_server,
    "SignalingClientMessage": codec.signaling_from_client,
    "DataChannelStreamerMessage": codec.channel_from_streamer,
    "DataChannelClientMessage": codec.channel_from_client,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request."""
    if request["op"] == "play":
        return {"outcome": "played", "steps": Player().play(request["steps"])}
    raw = base64.b64decode(request["base64"]) if "base64" in request else request["text"].encode()
    return validated(request["schema"], raw) if request["op"] == "validate" else read(request, raw)


def validated(schema: str, raw: bytes) -> dict[str, Any]:
    fits = Draft202012Validator({"$ref": f"bundle#/$defs/{schema}"}, registry=registry()).is_valid(json.loads(raw))
    return {"outcome": "accepted" if fits else "refused"}


def read(request: dict[str, Any], raw: bytes) -> dict[str, Any]:
    name = request["schema"]
    decode = codec.decode if request["sender"] == "service" else codec.decode_request
    try:
        found = READERS[name](raw) if name in READERS else decode(getattr(models, name), raw)
    except MalformedMessageError as exc:
        return {"outcome": "refused", "error": str(exc)}
    if isinstance(found, codec.UnknownMessage):
        return {"outcome": "unknown message"}
    return {"outcome": "accepted", "value": codec.to_dict(found)}


class Player:
    """A connected session of the core, which plays a transcript."""

    def __init__(self) -> None:
        self._core = Protocol(AdvancedConfig())
        self._now = 0.0
        granted = models.SessionResponse(session_id="sess_1", signalling_url="wss://h")
        for item in (
            inputs.Connect(0),
            inputs.Authenticated(),
            inputs.SessionGranted(granted),
            inputs.SignalingOpened(1),
            inputs.Received(1, models.Offer(sdp="v=0")),
            inputs.Answered(1, "v=0"),
            inputs.VideoReceived(1),
            inputs.ChannelOpened(1, 16384),
        ):
            self._core.receive(item, self._now)
        self._core.outputs()

    def play(self, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._step(step) for step in steps]

    def _step(self, step: dict[str, Any]) -> dict[str, Any]:
        if "waits_s" in step:
            until = self._now + step["waits_s"]
            while (due := self._core.next_due) is not None and due <= until:
                self._core.advance(due)
            self._now = until
        elif "hears" in step:
            self._core.receive(self._heard(**step["hears"]), self._now)
        else:
            try:
                self._core.receive(self._command(**step["does"]), self._now)
            except OdysseyError as exc:
                return {"sends": [], "calls": [failed(step["does"]["call"], exc)]}
        return self._outcome()

    def _heard(self, place: str, message: Any = None, text: str | None = None) -> inputs.Input:
        reader: Any = codec.signaling_from_server if place == "signaling" else codec.channel_from_streamer
        try:
            found = reader(json.dumps(message) if text is None else text)
        except MalformedMessageError as exc:
            return inputs.Unreadable(1, exc)
        return inputs.Received(1, found)

    def _command(self, command: str, call: int = 0, **arguments: Any) -> inputs.Input:
        match command:
            case "start":
                message = models.InteractiveStreamStart(
                    prompt=arguments["prompt"],
                    portrait=arguments["portrait"],
                    broadcast=False,
                    input_image_base64=arguments.get("image"),
                )
                return inputs.Start(call, message, len(codec.encode(message).encode()))
            case "interact":
                update = models.Update(prompt=arguments["prompt"])
                return inputs.Interact(call, update, len(codec.encode(update).encode()))
            case "end":
                return inputs.End(call)
            case "abandon":
                return inputs.Abandon(call)
            case _:
                return inputs.Disconnect()

    def _outcome(self) -> dict[str, Any]:
        sends, calls = [], []
        for output in self._core.outputs():
            match output:
                case effects.SendChannel():
                    sends.append({"place": "clientToStreamer", "message": codec.to_dict(output.message)})
                case effects.SendSignaling():
                    sends.append({"place": "signaling", "message": codec.to_dict(output.message)})
                case effects.SayGoodbye():
                    sends.append({"place": "signaling", "message": codec.to_dict(models.ClientDisconnecting())})
                case effects.Succeed():
                    calls.append({"call": output.call, "outcome": "ok", "value": output.value})
                case effects.Fail():
                    calls.append(failed(output.call, output.error))
        return {"sends": sends, "calls": calls}


def failed(call: int, error: OdysseyError) -> dict[str, Any]:
    return {"call": call, "outcome": "error", "reason": error.code}


def serve(request: dict[str, Any]) -> None:
    """Answer a request, and then those on stdin; the answers go to stdout."""
    print(json.dumps({"id": request["id"], **answer(request)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"id": request["id"], **answer(request)}), flush=True)
