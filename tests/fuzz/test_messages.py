"""Every body and every message, as they come from a service, from a streamer and from a client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs
import odyssey_models as models
from hypothesis import strategies as st

from odyssey_proto import MalformedMessageError, OdysseyConfigError, OdysseyError
from odyssey_proto._model import codec
from odyssey_proto._rest.event_log import read_event_log
from odyssey_proto.conformance._documents import spec_folder
from odyssey_proto.core.refusals import REFUSALS, HttpAnswer, refusal
from tests.support.fuzzing import json_like, mutated, mutated_text, target

if TYPE_CHECKING:
    from collections.abc import Callable


def _cases(folder: str) -> dict[str, list[bytes]]:
    """Return the data of the vectors in ``folder`` as JSON text, by the name of their schema."""
    found: dict[str, list[bytes]] = {}
    for path in sorted((spec_folder() / "vectors" / folder).glob("*.json")):
        file = json.loads(path.read_text("utf-8"))
        name = file["schema"].rpartition("/")[2]
        found.setdefault(name, []).extend(json.dumps(case["data"]).encode() for case in file["cases"])
    return found


VALID: Final = _cases("valid")
MODELS: Final = {name: getattr(models, name) for name in VALID if attrs.has(getattr(models, name, type(None)))}
MESSAGES: Final = [
    text
    for name, texts in VALID.items()
    for text in texts
    if isinstance(data := json.loads(text), dict) and "type" in data
]
TOKENS: Final = (
    *(b"null", b"true", b"NaN", b"1e999", b"9" * 5000, b'"\\ud83d"', b"\xff", b"\xef\xbb\xbf", b"{}", b"[]"),
    *(b"[" * 2000, b'{"a":' * 2000, b'"type"', b'"session_id":"",', b'"600"', b"-0", b"0.1e-400"),
)


def bodies() -> st.SearchStrategy[tuple[type[Any], bytes]]:
    """Return a strategy for a model and a text that is meant to fit it."""
    return st.sampled_from(sorted(MODELS)).flatmap(
        lambda name: st.tuples(st.just(MODELS[name]), mutated(VALID[name], TOKENS))
    )


@target(bodies(), refuses=(MalformedMessageError,), examples=200)
def test_a_body_from_the_service(given: tuple[type[Any], bytes]) -> None:
    cls, text = given
    written = codec.encode(codec.decode(cls, text))
    # The order of keys may differ: text that was not UTF-8 is repaired now, and may fit the documented form.
    assert json.loads(codec.encode(codec.decode(cls, written.encode()))) == json.loads(written)


@target(bodies(), refuses=(MalformedMessageError,))
def test_a_body_from_a_client(given: tuple[type[Any], bytes]) -> None:
    codec.decode_request(*given)


@target(st.sampled_from(sorted(MODELS)), json_like(), refuses=(MalformedMessageError,))
def test_data_of_any_shape(name: str, data: Any) -> None:
    codec.encode(codec.from_dict(MODELS[name], data)).encode()


READERS: Final[list[Callable[[bytes], Any]]] = [
    codec.signaling_from_server,
    codec.signaling_from_client,
    codec.channel_from_streamer,
    codec.channel_from_client,
]


@target(mutated(MESSAGES, TOKENS), refuses=(), examples=150)
def test_a_message_in_either_direction(text: bytes) -> None:
    for read in READERS:
        try:
            message = read(text)
        except MalformedMessageError:
            continue
        if not isinstance(message, codec.UnknownMessage):
            codec.encode(message).encode(errors="surrogatepass")


ERRORS: Final = [*VALID["ErrorBody"], *VALID["UsageErrorBody"], b"<html><h1>502 Bad Gateway</h1></html>", b""]
HEADERS: Final = ["3", "0.5", "-1", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 +9999", "r-1"]


@target(
    st.sampled_from(sorted(REFUSALS)),
    st.integers(100, 999),
    mutated(ERRORS, TOKENS),
    st.dictionaries(
        st.sampled_from(["Retry-After", "Date", "X-Request-Id", "Content-Type"]), mutated_text(HEADERS)
    ),
    examples=150,
)
def test_an_answer_that_refuses(operation: str, status: int, body: bytes, headers: dict[str, str]) -> None:
    answer = HttpAnswer(
        operation=operation, status=status, body=body, headers=headers, secrets=("secret",), about="x"
    )
    error = refusal(answer)
    assert isinstance(error, OdysseyError)
    assert error.retry_after is None or error.retry_after >= 0
    raise error


@target(mutated(VALID["RecordedEvent"], (*TOKENS, b"\n", b"\r")), refuses=(OdysseyConfigError,))
def test_an_event_log(text: bytes) -> None:
    for event in read_event_log(text.splitlines(keepends=True)):
        assert isinstance(event, dict)
