"""Every mutation of everything that the service sends is read as the schemas say: thousands, through the codec."""

from __future__ import annotations

from typing import Any, Final

import odyssey_models
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._model import codec
from tests.tolerance.mutations import Mutation, UnreadableError, definition, json_text, mutations, right, served

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


def read(name: str, mutation: Mutation) -> Any:
    try:
        return codec.to_dict(codec.decode(getattr(odyssey_models, name), json_text(mutation.data)))
    except MalformedMessageError as exc:
        assert exc.problems
        return REFUSED


@pytest.mark.parametrize("name", served())
def test_an_object_is_read_as_its_schema_says(name: str) -> None:
    wrong = {
        mutation.name: (found, wanted)
        for mutation in mutations(name)
        if (found := read(name, mutation)) != (wanted := expected(name, mutation))
        or (type(found), repr(found)) != (type(wanted), repr(wanted))
    }
    assert wrong == {}


@pytest.mark.parametrize("name", READERS)
def test_a_message_is_read_like_its_object_or_refused_with_its_type(name: str) -> None:
    tag = definition(name)["properties"]["type"]["const"]
    for mutation in mutations(name):
        if not isinstance(mutation.data, dict) or mutation.data.get("type") != tag:
            continue
        wanted = expected(name, mutation)
        try:
            message = READERS[name](json_text(mutation.data))
        except MalformedMessageError as exc:
            assert (wanted, exc.message_type) == (REFUSED, tag), mutation.name
        else:
            assert codec.to_dict(message) == wanted, mutation.name


def test_what_is_wrong_with_the_answer_never_loses_the_session() -> None:
    for mutation in mutations("SessionResponse"):
        try:
            session_id = codec.decode(odyssey_models.SessionResponse, json_text(mutation.data)).session_id
        except MalformedMessageError as exc:
            if mutation.name.startswith("/signalling_url"):
                assert exc.session_id == "sess_3f6c", mutation.name
        else:
            assert session_id, mutation.name


def test_there_are_thousands() -> None:
    assert sum(1 for name in served() for _ in mutations(name)) > 5000
