"""What programs hand over: scripts and credentials, from a user's file or from another machine."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from hypothesis import strategies as st

from odyssey_proto import ClientCredentials, OdysseyConfigError
from odyssey_proto._rest.simulation_request import simulation_request
from odyssey_proto.emulator._jobs.simulation_script import ScriptError, check_request, plan
from tests.support.fuzzing import json_like, mutated, mutated_text, target

ACTION: Final = json_like(5) | st.fixed_dictionaries(
    {"prompt": st.text(max_size=10) | json_like(3)}, optional={"image": json_like(2), "more": json_like(4)}
)
ENTRY: Final = st.fixed_dictionaries(
    {"timestamp_ms": st.integers(0, 10_000) | st.floats() | json_like(2)},
    optional={"start": ACTION, "interact": ACTION, "end": st.just({}) | ACTION, "later": json_like(4)},
)
SCRIPT: Final = st.lists(ENTRY | json_like(4), max_size=6) | json_like()
IN_ORDER: Final = st.lists(st.text(max_size=8), max_size=4).map(
    lambda prompts: [
        {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
        *({"timestamp_ms": at, "interact": {"prompt": prompt}} for at, prompt in enumerate(prompts)),
        {"timestamp_ms": 9, "end": {}},
    ]
)


@target(
    SCRIPT | IN_ORDER,
    st.lists(SCRIPT, max_size=3) | json_like(),
    st.booleans(),
    refuses=(OdysseyConfigError, TypeError),
)
def test_a_script(script: Any, scripts: Any, several: bool) -> None:
    body = simulation_request(scripts=scripts) if several else simulation_request(script=script)
    assert check_request(json.loads(json.dumps(body))) == [], "what is sent is what a service takes"


@target(
    mutated_text(["https://scripts.example/1.json", "http://localhost/"]), refuses=(OdysseyConfigError, TypeError)
)
def test_the_address_of_a_script(url: str) -> None:
    json.dumps(simulation_request(script_url=url)).encode()


@target(
    st.dictionaries(st.sampled_from(["script", "scripts", "script_url", "portrait", "output_video"]), SCRIPT),
    refuses=(ScriptError,),
)
def test_a_script_at_the_emulator(body: dict[str, Any]) -> None:
    if not check_request(body) and "script_url" not in body:
        for index, script in enumerate(body.get("scripts") or [body["script"]]):
            plan(script, index)


def _token(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.sig"


PAYLOADS: Final = mutated(
    [
        json.dumps(claims).encode()
        for claims in ({"session_id": "s-1", "exp": 1893456000}, {"session_id": 7}, {"exp": 1e300})
    ],
    (b'"session_id"', b'"exp":', b"9" * 5000, b"1e400", b"NaN", b"[" * 3000, b"\\ud800", b"-1", b"null"),
)
TOKENS: Final = PAYLOADS.map(_token) | mutated_text([_token(b'{"session_id": "s-1"}')], (".", "=", "-", "_"))
FIELDS: Final = st.fixed_dictionaries(
    {
        "signaling_url": mutated_text(["wss://eu.example/s", "127.0.0.1:8000"]) | json_like(2),
        "session_token": TOKENS | json_like(2),
        "expires_in": st.integers() | json_like(2) | st.sampled_from(["600", 600.7, 10**400, float("inf")]),
    },
    optional={"capabilities": json_like(4), "session_id": json_like(2), "more": json_like(3)},
)


@target(FIELDS | json_like(), refuses=(OdysseyConfigError,), examples=150)
def test_credentials(data: Any) -> None:
    credentials = ClientCredentials.from_dict(data)
    assert credentials.session_id.isprintable()
    assert isinstance(credentials.remaining_s, float)
    assert str(credentials.session_token) not in repr(credentials)
    assert ClientCredentials.from_dict(credentials.to_dict()) == credentials
