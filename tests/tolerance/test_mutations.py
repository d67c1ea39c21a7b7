"""The codec reads thousands of mutations of all that the service sends, each as the schemas say."""

from __future__ import annotations

import json
from typing import Any, Final

import odyssey_models
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._model import codec
from tools.vectors.mutations import Mutation, UnreadableError, definition, json_text, mutations, right, served

REFUSED: Final = "refused"
READERS: Final = {
    **dict.fromkeys(("Offer", "IceCandidate", "SignalingError"), codec.signaling_from_server),
    **dict.fromkeys(("StreamStarted", "UpdateAcknowledged", "StreamEnded"), codec.channel_from_streamer),
    **dict.fromkeys(("BroadcastReady", "InteractiveStreamError"), codec.channel_from_streamer),
}


def expected(name: str, mutation: Mutation) -> Any:
    try:
        return right(definition(name), mutation.data)
    except UnreadableError:
        return REFUSED


def read(name: str, mutation: Mutation) -> str:
    """Return what the codec makes of a mutation, as text: there, 1 is neither True nor 1.0."""
    try:
        model = codec.decode(getattr(odyssey_models, name), json_text(mutation.data))
        return json.dumps(model.to_dict(), sort_keys=True)
    except MalformedMessageError as exc:
        return json.dumps(REFUSED if exc.problems else "refused without a reason")


@pytest.mark.parametrize("name", served())
def test_an_object_is_read_as_its_schema_says(name: str) -> None:
    wrong = {
        mutation.name: (found, wanted)
        for mutation in mutations(name)
        if (found := read(name, mutation)) != (wanted := json.dumps(expected(name, mutation), sort_keys=True))
    }
    assert wrong == {}


@pytest.mark.parametrize("name", READERS)
def test_a_message_is_read_like_its_object_or_refused_with_its_type(name: str) -> None:
    tag = definition(name)["properties"]["type"]["const"]
    for mutation in mutations(name):
        if not isinstance(mutation.data, dict) or mutation.data.get("type") != tag:
            continue
        wanted = expected(name, mutation)
        if wanted != REFUSED:
            assert codec.to_dict(READERS[name](json_text(mutation.data))) == wanted, mutation.name
            continue
        with pytest.raises(MalformedMessageError) as refusal:
            READERS[name](json_text(mutation.data))
        assert refusal.value.message_type == tag, mutation.name


def test_what_is_wrong_with_the_answer_never_loses_the_session() -> None:
    for mutation in mutations("SessionResponse"):
        text = json_text(mutation.data)
        if not mutation.name.startswith(("/session_id", "/signalling_url", ":")):
            assert codec.decode(odyssey_models.SessionResponse, text).session_id == "sess_3f6c", mutation.name
        elif mutation.name.startswith("/signalling_url") and expected("SessionResponse", mutation) == REFUSED:
            with pytest.raises(MalformedMessageError) as refusal:
                codec.decode(odyssey_models.SessionResponse, text)
            assert refusal.value.session_id == "sess_3f6c", mutation.name


def test_there_are_thousands() -> None:
    assert sum(1 for name in served() for _ in mutations(name)) > 5000
