"""`odyssey_models.converter()` on the vectors of `spec/vectors/`, and the tables of tags against asyncapi.yaml."""

from __future__ import annotations

import doctest
import importlib
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import attrs
import cattrs
import odyssey_models as models
import pytest

ROOT = Path(__file__).resolve().parents[2]
ONE = models.converter()
TABLES = {
    ("signaling", "receive"): models.SIGNALING_FROM_SERVER,
    ("signaling", "send"): models.SIGNALING_FROM_CLIENT,
    ("clientToStreamer", "send"): models.CLIENT_TO_STREAMER,
    ("streamerToClient", "receive"): models.STREAMER_TO_CLIENT,
}
UNIONS: dict[str, Any] = {
    "SIGNALING_FROM_SERVER": models.SignalingServerMessage,
    "SIGNALING_FROM_CLIENT": models.SignalingClientMessage,
    "CLIENT_TO_STREAMER": models.DataChannelClientMessage,
    "STREAMER_TO_CLIENT": models.DataChannelStreamerMessage,
}


def read(reference: str, data: Any) -> Any:
    return ONE.structure(data, getattr(models, reference.rpartition("/")[2]))


class TestTheConverter:
    def test_writes_a_valid_vector_back_as_it_says(self, valid: Any) -> None:
        reference, case = valid
        assert ONE.unstructure(read(reference, case["data"])) == case.get("written", case["data"])

    def test_writes_what_the_model_itself_writes(self, valid: Any) -> None:
        message = read(valid[0], valid[1]["data"])
        assert ONE.unstructure(message) == message.to_dict()

    def test_writes_what_fits_the_schema(self, valid: Any, validator: Any) -> None:
        reference, case = valid
        written = ONE.unstructure(read(reference, case["data"]))
        assert [error.message for error in validator(reference).iter_errors(written)] == []

    def test_refuses_an_invalid_vector_or_reads_it_as_tolerant_readers_do(self, invalid: Any) -> None:
        reference, case = invalid
        try:
            message = read(reference, case["data"])
        except (cattrs.BaseValidationError, ValueError, TypeError):
            return
        assert (case.get("reader"), ONE.unstructure(message)) == ("accepts", case["written"])

    @pytest.mark.parametrize("union", UNIONS.values(), ids=UNIONS)
    def test_refuses_a_message_with_an_unknown_tag_and_names_it(self, union: Any) -> None:
        with pytest.raises(models.UnknownTagError) as unknown:
            ONE.structure({"type": "party", "more": 1}, union)
        assert unknown.value.tag == "party"
        assert pickle.loads(pickle.dumps(unknown.value)).tag == "party"

    @pytest.mark.parametrize("data", [[], "offer", None, {}, {"type": 3}, {"type": None}])
    def test_refuses_a_message_without_a_tag(self, data: Any) -> None:
        with pytest.raises(TypeError, match="an object with a string `type` was expected"):
            ONE.structure(data, UNIONS["SIGNALING_FROM_SERVER"])

    def test_says_where_a_message_of_a_union_is_wrong(self) -> None:
        with pytest.raises(cattrs.ClassValidationError) as refusal:
            ONE.structure({"type": "offer", "sdp": 3}, UNIONS["SIGNALING_FROM_SERVER"])
        (problem,) = cattrs.transform_error(refusal.value)
        assert problem.endswith(" @ $.sdp")

    def test_reads_and_writes_lists_and_dicts_of_models(self) -> None:
        kind = dict[str, list[models.Region]]
        data = {"near": [{"id": "us-west", "ping_url": "https://us-west.example.org/ping"}], "far": []}
        regions = ONE.structure({**data, "near": [{**data["near"][0], "new": 1}]}, kind)
        assert regions["near"] == [models.Region(id="us-west", ping_url="https://us-west.example.org/ping")]
        assert ONE.unstructure(regions) == data

    def test_keeps_enums_open(self) -> None:
        status = ONE.structure(["pending", "paused"], list[models.SimulationJobStatus])
        assert status == [models.SimulationJobStatus.PENDING, models.SimulationJobStatus("paused")]
        assert [json.dumps(ONE.unstructure(one)) for one in status] == ['"pending"', '"paused"']

    def test_reads_and_writes_classes_that_have_models_in_them(self) -> None:
        @attrs.frozen
        class Logged:
            at_s: float
            message: models.JsonObject
            answer: models.StreamEnded | None = None

        logged = Logged(1.5, models.IceCandidate(candidate="", sdp_mid="0"), models.StreamEnded())
        assert ONE.unstructure(logged) == {
            "at_s": 1.5,
            "message": {"type": "ice_candidate", "candidate": "", "sdpMid": "0", "sdpMLineIndex": None},
            "answer": {"type": "stream_ended"},
        }

    def test_is_new_every_time(self) -> None:
        mine = models.converter()
        mine.register_unstructure_hook(models.StreamEnded, lambda _: "over")
        assert (mine.unstructure(models.StreamEnded()), ONE.unstructure(models.StreamEnded())) == (
            "over",
            {"type": "stream_ended"},
        )

    def test_names_the_extra_if_cattrs_is_missing(self) -> None:
        code = "import sys; sys.modules['cattrs'] = None; import odyssey_models; odyssey_models.converter()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stderr.splitlines()[-1] == (
            "ImportError: converter() needs cattrs: pip install 'odyssey-models[cattrs]'"
        )

    def test_has_annotations_that_resolve_without_cattrs(self) -> None:
        code = (
            "import odyssey_models, sys, typing; "
            "print(typing.get_type_hints(odyssey_models.converter), 'cattrs' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "{'return': typing.Any} False\n"

    def test_does_not_load_cattrs_before_it_is_asked_for(self) -> None:
        code = "import sys; from odyssey_models import converter, UnknownTagError; print('cattrs' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"

    def test_example_runs(self) -> None:
        assert doctest.testmod(importlib.import_module("odyssey_models._converter")) == (0, 4)


class TestTheTables:
    def test_say_what_asyncapi_says(self, envelopes: dict[str, Any]) -> None:
        document = envelopes["asyncapi.yaml"]

        def target(node: Any) -> Any:
            while "$ref" in node and node["$ref"].startswith("#/"):
                found = document
                for key in node["$ref"].removeprefix("#/").split("/"):
                    found = found[key]
                node = found
            return node

        carried: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for operation in document["operations"].values():
            reply = operation.get("reply", {"channel": operation["channel"], "messages": []})
            other = {"send": "receive", "receive": "send"}[operation["action"]]
            for action, part in ((operation["action"], operation), (other, reply)):
                channel = part["channel"]["$ref"].removeprefix("#/channels/")
                for message in map(target, part["messages"]):
                    payload = target(message["payload"])["$ref"].rpartition("/")[2]
                    carried.setdefault((channel, action), set()).add((message["name"], payload))
        carried = {use: messages for use, messages in carried.items() if messages}
        tables = {use: {(tag, cls.__name__) for tag, cls in table.items()} for use, table in TABLES.items()}
        assert tables == carried

    @pytest.mark.parametrize("table", TABLES.values(), ids=map(str, TABLES))
    def test_have_each_model_under_its_own_tag(self, table: Any) -> None:
        assert {tag: attrs.fields(cls).type.default for tag, cls in table.items()} == {tag: tag for tag in table}

    @pytest.mark.parametrize("name", UNIONS)
    def test_have_the_messages_of_their_unions(self, name: str) -> None:
        assert set(getattr(models, name).values()) == set(get_args(UNIONS[name]))

    @pytest.mark.parametrize("name", UNIONS)
    def test_cannot_be_changed(self, name: str) -> None:
        assert isinstance(getattr(models, name), MappingProxyType)

    def test_are_all_that_the_package_has(self) -> None:
        module = importlib.import_module("odyssey_models._tables")
        assert {id(getattr(models, name)) for name in module.__all__} == {id(table) for table in TABLES.values()}


def test_the_examples_of_the_readme_run() -> None:
    text = (ROOT / "generated" / "python" / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == text.count("```python")
    namespace: dict[str, Any] = {}
    for block in blocks:
        exec(block, namespace)
