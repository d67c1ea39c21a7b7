"""The vectors of `spec/vectors/` against the schemas, and against the reader and writer of this library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import odyssey_models
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._model import codec
from tools.vectors.mutations import served

VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors"
SERVED = served()
READERS = {
    "SignalingServerMessage": codec.signaling_from_server,
    "SignalingClientMessage": codec.signaling_from_client,
    "DataChannelStreamerMessage": codec.channel_from_streamer,
    "DataChannelClientMessage": codec.channel_from_client,
}


def read(reference: str, data: Any) -> Any:
    """Read `data` as the library does: a union by its reader, everything else by its class.

    Messages that only a client sends are read as a server reads them.
    """
    name = reference.rpartition("/")[2]
    if name in READERS:
        return READERS[name](json.dumps(data))
    decode = codec.decode if name in SERVED else codec.decode_request
    return decode(getattr(odyssey_models, name), json.dumps(data))


def test_a_valid_vector_fits_its_schema(valid: Any, validator: Any) -> None:
    reference, case = valid
    assert [error.message for error in validator(reference).iter_errors(case["data"])] == []


def test_an_invalid_vector_breaks_its_schema_where_it_says(invalid: Any, validator: Any) -> None:
    reference, case = invalid
    errors = validator(reference).iter_errors(case["data"])
    found = {("".join(f"/{key}" for key in error.absolute_path), error.validator) for error in errors}
    assert (case["at"], case["keyword"]) in found


def test_what_was_read_from_a_valid_vector_is_written_as_it_says(valid: Any) -> None:
    reference, case = valid
    assert codec.to_dict(read(reference, case["data"])) == case.get("written", case["data"])


def test_a_message_says_itself_what_is_written_of_it(valid: Any) -> None:
    message = read(valid[0], valid[1]["data"])
    assert message.to_dict() == codec.to_dict(message)


def test_what_was_written_fits_the_schema(valid: Any, validator: Any) -> None:
    reference, case = valid
    written = codec.to_dict(read(reference, case["data"]))
    assert [error.message for error in validator(reference).iter_errors(written)] == []


def test_what_was_written_is_read_as_the_same(valid: Any) -> None:
    reference, case = valid
    message = read(reference, case["data"])
    assert read(reference, codec.to_dict(message)) == message


def test_an_invalid_vector_is_refused_unless_it_says_otherwise(invalid: Any) -> None:
    reference, case = invalid
    match case.get("reader", "refuses"):
        case "accepts":
            assert codec.to_dict(read(reference, case["data"])) == case["written"]
        case "unknown message":
            assert isinstance(read(reference, case["data"]), codec.UnknownMessage)
        case "refuses":
            with pytest.raises(MalformedMessageError):
                read(reference, case["data"])
        case other:
            pytest.fail(f"`reader` is {other!r}")


@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_every_body_and_every_message_has_vectors(kind: str, schema_files: dict[str, Any]) -> None:
    bodies = {
        f"{file}#/$defs/{name}"
        for file, document in schema_files.items()
        for name, schema in document["$defs"].items()
        if not any("const" in branch for branch in schema.get("anyOf", []))  # enums occur inside bodies
    }
    assert bodies == {json.loads(path.read_text("utf-8"))["schema"] for path in (VECTORS / kind).glob("*.json")}
