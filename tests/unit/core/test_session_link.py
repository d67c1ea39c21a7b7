"""The connection of a session: its links, and messages that are too long for them."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._model.signaling_url import SIGNALING_MESSAGE_LIMIT
from odyssey_proto.core.effects import CloseLink, OpenLink, PrepareLink, SendSignaling
from odyssey_proto.core.inputs import Due, End, Interact, Start
from odyssey_proto.core.machine import Agenda
from odyssey_proto.core.session_link import SessionLink

CAT = wire.InteractiveStreamStart(prompt="A cat", portrait=False, broadcast=False)


@pytest.fixture
def agenda() -> Agenda:
    return Agenda()


@pytest.fixture
def connection(agenda: Agenda) -> SessionLink:
    """A connection with its first link."""
    found = SessionLink(agenda)
    found.session_id, found.signaling_url, found.token = "s-1", "ws://host", "token"
    found.open(10.0, with_video=True)
    return found


def test_links_are_numbered_and_begin_with_nothing(agenda: Agenda, connection: SessionLink) -> None:
    connection.is_up, connection.has_video, connection.channel_limit = True, True, 1000
    connection.open(5.0, with_video=False)
    assert agenda.drain() == [
        OpenLink(1, "s-1", "ws://host", 10.0, token="token"),
        OpenLink(2, "s-1", "ws://host", 5.0, with_video=False, token="token"),
    ]
    assert (connection.current, connection.links) == (2, 2)
    assert (connection.is_up, connection.has_video, connection.channel_limit) == (False, False, None)


def test_a_link_that_was_prepared_is_opened_with_its_own_plan(agenda: Agenda, connection: SessionLink) -> None:
    connection.spare.suspect(lambda: connection.plan(5.0))
    assert (connection.link, connection.links) == (1, 2)
    connection.open(7.0, with_video=True)
    connection.open(7.0, with_video=True)
    plan = OpenLink(2, "s-1", "ws://host", 5.0, token="token")
    assert agenda.drain()[1:] == [PrepareLink(plan), plan, OpenLink(3, "s-1", "ws://host", 7.0, token="token")]


def test_a_channel_belongs_to_its_link(connection: SessionLink) -> None:
    assert not connection.has_channel
    connection.channel_limit = 1000
    assert connection.has_channel
    connection.close()
    assert not connection.has_channel


def test_a_closed_link_is_waited_for_no_more(agenda: Agenda, connection: SessionLink) -> None:
    for due in (Due.KEEPALIVE, Due.VIDEO, Due.CHECK, Due.GIVE_UP):
        agenda.wake_at(due, 1.0)
    agenda.drain()
    connection.close()
    assert (agenda.drain(), connection.link, connection.is_up) == ([CloseLink(1)], None, False)
    agenda.now = 2.0
    assert [agenda.take_due(), agenda.take_due()] == [Due.GIVE_UP, None]


def test_a_goodbye_is_sent_before_the_link_is_closed(agenda: Agenda, connection: SessionLink) -> None:
    agenda.drain()
    connection.say_goodbye()
    assert agenda.drain() == [SendSignaling(1, wire.ClientDisconnecting()), CloseLink(1)]


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        (Start(1, CAT, SIGNALING_MESSAGE_LIMIT + 1), SIGNALING_MESSAGE_LIMIT),
        (Interact(1, wire.Update(prompt="x"), 1001), 1000),
    ],
)
def test_what_is_too_long_is_refused(connection: SessionLink, command: Start | Interact, limit: int) -> None:
    connection.channel_limit = 1000
    with pytest.raises(errors.OdysseyStreamError, match=f"{limit + 1} bytes, and the limit is {limit}"):
        connection.refuse_oversize(command)


@pytest.mark.parametrize("item", [Start(1, CAT, 2000), Interact(1, wire.Update(prompt="x"), 2000), End(1)])
def test_what_fits_or_cannot_be_known_yet_passes(connection: SessionLink, item: object) -> None:
    connection.refuse_oversize(item)
