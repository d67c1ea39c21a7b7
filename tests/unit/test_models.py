"""The generated models as a user of `odyssey_models` alone sees them."""

from __future__ import annotations

import ast
import copy
import doctest
import inspect
import json
import pickle
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import odyssey_models as models
import pytest

from odyssey_proto._model import codec

CLASSES = [cls for name in models.__all__ if attrs.has(cls := getattr(models, name))]
ENUMS = [
    cls
    for name in models.__all__
    if isinstance(cls := getattr(models, name), type) and issubclass(cls, Enum) and cls is not models.OpenStrEnum
]
UNIONS = {
    "SignalingServerMessage": {"offer", "ice_candidate", "error"},
    "SignalingClientMessage": {
        *("answer", "ice_candidate", "keepalive", "client_disconnecting"),
        "interactive_stream_start",
    },
    "DataChannelStreamerMessage": {
        *("stream_started", "update_acknowledged", "stream_ended"),
        *("broadcast_ready", "interactive_stream_error"),
    },
    "DataChannelClientMessage": {"interactive_stream_start", "update", "interactive_stream_end"},
}
START = models.StartAction(prompt="A cat")
SCRIPT = [models.ScriptEntry(timestamp_ms=0, start=START)]


@attrs.frozen(kw_only=True)
class Wrapped(models.JsonObject):
    """A model in a model: only some generated models contain another, and none has a list in the inner one."""

    text: str = ""
    inner: models.ErrorBody


every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
every_enum = pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


class TestThePackage:
    def test_importing_it_imports_attrs_and_nothing_else(self) -> None:
        added = modules_after("import odyssey_models") - modules_after("import attrs, enum, re, typing")
        assert {name for name in added if name.partition(".")[0] != "odyssey_models"} == set()

    def test_it_says_that_it_is_typed(self) -> None:
        assert Path(str(models.__file__)).with_name("py.typed").exists()

    def test_all_is_sorted_and_bound(self) -> None:
        assert sorted(models.__all__) == models.__all__
        assert [name for name in models.__all__ if not hasattr(models, name)] == []

    def test_every_class_and_every_field_has_a_text(self) -> None:
        for path in Path(str(models.__file__)).parent.glob("*.py"):
            for node in ast.parse(path.read_text("utf-8")).body:
                if not isinstance(node, ast.ClassDef):
                    continue
                assert ast.get_docstring(node), node.name
                for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
                    if isinstance(statement, ast.AnnAssign | ast.Assign) and "__slots__" not in ast.unparse(
                        statement
                    ):
                        assert isinstance(following, ast.Expr), f"{node.name}: {ast.unparse(statement)}"

    @pytest.mark.parametrize("name", UNIONS)
    def test_a_union_has_the_messages_of_its_direction(self, name: str) -> None:
        assert {attrs.fields(cls).type.default for cls in get_args(getattr(models, name))} == UNIONS[name]


class TestAClass:
    @every_class
    def test_is_frozen(self, cls: type[Any]) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            object.__new__(cls).anything = 1

    @every_class
    def test_has_no_dict(self, cls: type[Any]) -> None:
        assert cls.__dictoffset__ == 0

    @every_class
    def test_takes_keywords_only(self, cls: type[Any]) -> None:
        assert all(field.kw_only for field in attrs.fields(cls))

    @every_class
    def test_has_annotations_that_resolve(self, cls: type[Any]) -> None:
        assert set(get_type_hints(cls)) == {field.name for field in attrs.fields(cls)}

    @every_class
    def test_has_none_for_whatever_may_be_absent_and_null(self, cls: type[Any]) -> None:
        hints = get_type_hints(cls)
        for field in attrs.fields(cls):
            if field.default is None:
                assert type(None) in get_args(hints[field.name]) or hints[field.name] is Any

    def test_equals_another_of_the_same_content(self) -> None:
        assert models.StartAction(prompt="A cat") == START

    def test_hashes_like_its_equals(self) -> None:
        one, other = (
            models.ScriptEntry(timestamp_ms=0, start=models.StartAction(prompt="A cat")) for _ in range(2)
        )
        assert hash(one) == hash(other)
        assert {one: 1}[other] == 1

    @pytest.mark.parametrize(
        ("model", "reason"),
        [
            (models.SignalingConfig(ice_servers=[]), "SignalingConfig cannot be hashed: `ice_servers` is a list"),
            (models.IceServer(urls=["stun:a"]), "IceServer cannot be hashed: `urls` is a list"),
            (models.SessionRequest(region_latencies={}), "`region_latencies` is a dict"),
            (codec.decode(models.SignalingConfig, '{"iceServers": [3]}'), "`ice_servers` is a list"),
            (
                Wrapped(inner=models.ErrorBody(detail={"a": 1})),
                "Wrapped cannot be hashed: `inner.detail` is a dict, which can change",
            ),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_says_what_in_it_has_no_hash(self, model: models.JsonObject, reason: str) -> None:
        with pytest.raises(TypeError, match=re.escape(reason)):
            hash(model)

    def test_survives_pickling(self) -> None:
        request = models.SimulationRequest(portrait=True, script=SCRIPT)
        assert pickle.loads(pickle.dumps(request)) == request

    @every_class
    def test_shows_the_text_of_every_field_in_help(self, cls: type[Any]) -> None:
        assert [field.name for field in attrs.fields(cls) if not inspect.getdoc(getattr(cls, field.name))] == []

    def test_is_json_ready_as_the_wire_has_it(self) -> None:
        candidate = models.IceCandidate(candidate="c", sdp_mid="0")
        assert candidate.to_dict() == {
            "type": "ice_candidate",
            "candidate": "c",
            "sdpMid": "0",
            "sdpMLineIndex": None,
        }
        request = models.SimulationRequest(portrait=True, script=SCRIPT).to_dict()
        assert request["script"] == [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}]
        assert models.Recording(stream_id="s").to_dict()["video_url"] is None

    def test_carries_its_tag_by_default(self) -> None:
        assert models.Update(prompt="Pet the cat").type == "update"

    def test_gives_the_wire_name_of_a_field_if_it_differs(self) -> None:
        wire = {f.name: f.metadata.get("wire") for f in attrs.fields(models.IceCandidate)}
        assert wire == {
            "type": None,
            "candidate": None,
            "sdp_mid": "sdpMid",
            "sdp_mline_index": "sdpMLineIndex",
        }

    def test_marks_the_fields_that_are_written_as_null(self) -> None:
        fields = attrs.fields(models.StreamRecordingInfo)
        assert [f.name for f in fields if f.metadata.get("write_null")] == ["ended_at", "duration_seconds"]

    def test_gets_a_list_of_its_own_for_an_absent_one(self) -> None:
        status = models.SimulationJobStatus.PENDING
        one, other = (
            models.SimulationJobDetail(job_id=job_id, status=status, priority="normal", created_at="")
            for job_id in ("one", "other")
        )
        assert one.streams == []
        assert one.streams is not other.streams

    @pytest.mark.parametrize(
        "secretive",
        [
            models.TokenRequest(api_key="hush"),
            models.TokenResponse(access_token="hush"),
            models.SessionTokenResponse(session_token="hush"),
            models.IceServer(urls="turn:turn.example.org", credential="hush"),
            models.BroadcastReady(spectator_token="hush"),
        ],
        ids=lambda model: type(model).__name__,
    )
    def test_does_not_print_a_secret(self, secretive: object) -> None:
        assert "hush" not in repr(secretive)

    def test_does_not_print_an_image(self) -> None:
        assert "AAAA" not in repr(models.StartAction(prompt="A cat", image="data:image/png;base64,AAAA"))


class TestARequest:
    def test_refuses_a_moment_before_the_start(self) -> None:
        with pytest.raises(ValueError, match="timestamp_ms"):
            models.ScriptEntry(timestamp_ms=-1)

    def test_refuses_an_image_that_is_no_data_url(self) -> None:
        with pytest.raises(ValueError, match="image"):
            models.StartAction(prompt="A cat", image="cat.jpg")

    def test_for_a_simulation_needs_a_script(self) -> None:
        with pytest.raises(ValueError, match="exactly one of script, scripts, script_url is needed"):
            models.SimulationRequest(portrait=True)

    def test_for_a_simulation_takes_one_kind_of_script_only(self) -> None:
        with pytest.raises(ValueError, match="exactly one of script, scripts, script_url is needed"):
            models.SimulationRequest(portrait=True, script=SCRIPT, script_url="https://files.example.org/s.json")

    def test_for_telemetry_refuses_an_overlong_error_text(self) -> None:
        with pytest.raises(ValueError, match="error_message"):
            models.TelemetryEvent(
                sdk_version="1.3.0",
                sdk_platform="python",
                platform_info="Linux",
                error_type=models.TelemetryErrorType.AUTH,
                error_message="x" * 2001,
            )


class TestAnOpenEnum:
    @every_enum
    def test_gives_its_listed_members_by_value(self, enum: type[models.OpenStrEnum]) -> None:
        assert [enum(member.value) for member in enum] == list(enum)

    @every_enum
    def test_keeps_a_value_that_it_does_not_list(self, enum: type[models.OpenStrEnum]) -> None:
        assert enum("brand-new").value == "brand-new"

    @every_enum
    def test_says_whether_it_lists_a_text(self, enum: type[models.OpenStrEnum]) -> None:
        listed = next(iter(enum))
        assert (listed in enum, str(listed) in enum) == (True, True)
        assert ("not listed" in enum, enum("not listed") in enum, 3 in enum) == (False, False, False)

    @every_enum
    def test_does_not_grow_by_unlisted_values(self, enum: type[models.OpenStrEnum]) -> None:
        before = len(enum), set(enum._value2member_map_)
        enum("brand-new")
        assert (len(enum), set(enum._value2member_map_)) == before

    def test_knows_which_values_are_listed(self) -> None:
        status = models.SimulationJobStatus
        assert (status("pending").is_known, status("paused").is_known) == (True, False)

    def test_tells_the_listed_value_unknown_from_an_unlisted_one(self) -> None:
        assert models.SignalingErrorReason("unknown") is models.SignalingErrorReason.UNKNOWN
        assert models.SignalingErrorReason("unknown").is_known

    @pytest.mark.parametrize("text", ["pending", "paused", ""])
    def test_member_is_its_text(self, text: str) -> None:
        member = models.SimulationJobStatus(text)
        assert (member, str(member), f"{member}", hash(member)) == (text, text, text, hash(text))

    def test_unlisted_member_has_no_name(self) -> None:
        assert models.SimulationJobStatus("paused").name == ""

    def test_unlisted_member_is_found_by_its_text(self) -> None:
        assert {models.SimulationJobStatus("paused"): 1}["paused"] == 1  # type: ignore[index]

    def test_two_unlisted_members_of_one_text_are_equal(self) -> None:
        assert models.SimulationJobStatus("paused") == models.SimulationJobStatus("paused")

    @pytest.mark.parametrize("text", ["pending", "paused"])
    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_member_survives_duplication(self, text: str, duplicate: Any) -> None:
        member = models.SimulationJobStatus(text)
        other = duplicate(member)
        assert (other, type(other), other.is_known) == (member, type(member), member.is_known)

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_unlisted_member_survives_every_pickle_protocol(self, protocol: int) -> None:
        member = models.SimulationJobStatus("paused")
        assert pickle.loads(pickle.dumps(member, protocol)) == member

    def test_unlisted_member_is_written_to_json_as_its_text(self) -> None:
        assert json.dumps([models.SimulationJobStatus("paused")]) == '["paused"]'

    def test_unlisted_member_of_another_enum_is_taken_by_its_text(self) -> None:
        member = models.SimulationJobStatus(models.StreamErrorReason("paused"))
        assert (type(member), type(member.value), member) == (models.SimulationJobStatus, str, "paused")

    @pytest.mark.parametrize("value", [None, 3, b"pending", ["pending"]])
    def test_refuses_what_is_no_text(self, value: Any) -> None:
        with pytest.raises(ValueError, match="is not a valid SimulationJobStatus"):
            models.SimulationJobStatus(value)

    def test_example_in_its_docstring_runs(self) -> None:
        assert doctest.testmod(sys.modules[models.OpenStrEnum.__module__]) == (0, 4)

    def test_members_print_as_the_code_that_gives_them(self) -> None:
        members = [models.SimulationJobStatus.PENDING, models.SimulationJobStatus("paused")]
        assert repr(members) == "[SimulationJobStatus.PENDING, SimulationJobStatus('paused')]"
