"""The tables of tags that the code generator makes from `asyncapi.yaml`, and what it refuses there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools.codegen.marked import load
from tools.codegen.sources import SpecError
from tools.codegen.tables import Table, read_tables

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS: dict[str, Any] = {
    "talk.yaml": {
        "$defs": {
            "Ask": {"properties": {"type": {"const": "ask"}}},
            "AskAgain": {"properties": {"type": {"const": "ask"}}},
            "Tell": {"properties": {"type": {"const": "tell"}}},
            "Hint": {"properties": {"type": {"const": "hint"}}},
            "Untagged": {"properties": {"type": {"type": "string"}}},
        }
    }
}


def refer(where: str) -> dict[str, str]:
    return {"$ref": f"#/{where}"}


def message(name: str) -> dict[str, str]:
    return refer(f"components/messages/{name}")


def payload(name: str) -> dict[str, Any]:
    return {"payload": {"$ref": f"schemas/talk.yaml#/$defs/{name}"}}


def tables(folder: Path, **operations: dict[str, Any]) -> list[Table]:
    document = {
        "channels": {"smallTalk": {}, "asides": {"messages": {"hint": message("Hint")}}},
        "operations": operations,
        "components": {
            "messages": {
                **{name: payload(name) for name in SCHEMAS["talk.yaml"]["$defs"]},
                "Inward": {"payload": refer("components/schemas/Tell")},
                "Odd": {"payload": {"type": "object"}},
                "Lost": payload("Nothing"),
            },
            "schemas": {"Tell": {"$ref": "schemas/talk.yaml#/$defs/Tell"}},
        },
    }
    path = folder / "asyncapi.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return read_tables(path, SCHEMAS)


def send(*messages: dict[str, str], channel: str = "smallTalk", **more: Any) -> dict[str, Any]:
    return {"action": "send", "channel": refer(f"channels/{channel}"), "messages": list(messages), **more}


def rows(found: list[Table]) -> dict[str, dict[str, str]]:
    return {table.name: table.messages for table in found}


def test_a_channel_on_which_one_side_sends_is_one_table(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ask=send(message("Ask")), more=send(message("Tell"), message("Ask")))
    assert table == Table(
        name="SMALL_TALK", channel="smallTalk", action="send", messages={"ask": "Ask", "tell": "Tell"}
    )


def test_a_channel_on_which_both_sides_send_is_two(tmp_path: Path) -> None:
    found = tables(tmp_path, ask=send(message("Ask")), tell={**send(message("Tell")), "action": "receive"})
    assert rows(found) == {"SMALL_TALK_FROM_SERVER": {"tell": "Tell"}, "SMALL_TALK_FROM_CLIENT": {"ask": "Ask"}}


def test_a_reply_goes_the_other_way_on_its_channel(tmp_path: Path) -> None:
    there = tables(
        tmp_path,
        ask=send(message("Ask"), reply={"channel": refer("channels/asides"), "messages": [message("Hint")]}),
    )
    assert rows(there) == {"SMALL_TALK": {"ask": "Ask"}, "ASIDES": {"hint": "Hint"}}
    here = tables(tmp_path, ask=send(message("Ask"), reply={"messages": [message("Tell")]}))
    assert rows(here) == {"SMALL_TALK_FROM_SERVER": {"tell": "Tell"}, "SMALL_TALK_FROM_CLIENT": {"ask": "Ask"}}


def test_references_are_followed_to_the_definition(tmp_path: Path) -> None:
    hint = refer("channels/asides/messages/hint")
    assert rows(tables(tmp_path, ask=send(hint, message("Inward"), channel="asides"))) == {
        "ASIDES": {"hint": "Hint", "tell": "Tell"}
    }


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        (send(message("Shout")), "`#/components/messages/Shout` leads nowhere"),
        (send(message("Ask"), channel="void"), "`#/channels/void` leads nowhere"),
        (send(message("Odd")), "the payload of `#/components/messages/Odd` is not a definition of the schemas"),
        (send(message("Lost")), "the payload of `#/components/messages/Lost` is not a definition of the schemas"),
        (send(message("Untagged")), "Untagged has no constant `type`"),
        (send(message("Ask"), message("AskAgain")), "`ask` is the tag of Ask and of AskAgain"),
    ],
)
def test_a_message_that_no_table_can_have_is_refused(
    operation: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as refusal:
        tables(tmp_path, ask=operation)
    place = ("operations", "ask", "messages", len(operation["messages"]) - 1)
    line = load(tmp_path / "asyncapi.yaml", "").lines[place]
    assert refusal.value.faults == [f"{tmp_path.name}/asyncapi.yaml:{line}: {fault}"]


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refusal:
        tables(tmp_path, ask=send(message("Odd")), tell=send(message("Lost")))
    assert len(refusal.value.faults) == 2
