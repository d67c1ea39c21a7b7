"""A link to a streamer whose preparation is overtaken by the end of the connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from odyssey_proto import OdysseyConnectionError
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._live.streamer_link import SessionTokens, StreamerLink

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = MonotonicClock()


def link_that_is_overtaken(by: Callable[[StreamerLink], object]) -> StreamerLink:
    """Return a link that passes itself to ``by`` while it gets its token."""

    def session_token(*_: object, **__: object) -> Any:
        by(link)
        return SimpleNamespace(session_token="t", expires_in=600)

    http, config = SimpleNamespace(drop_idle=lambda: None), SimpleNamespace(ice_servers=())
    link = StreamerLink(
        cast("Any", SimpleNamespace(token=None, session_id="s", signaling_url="wss://x.example")),
        cast("Any", SimpleNamespace(post=None, hub=SimpleNamespace(source=0), clock=CLOCK)),
        api=cast("Any", SimpleNamespace(http=http, config=config, session_token=session_token)),
        loop=BackgroundLoop("odyssey-test"),
        tokens=SessionTokens(),
        recovery="latest",
    )
    return link


def half_cut(link: StreamerLink) -> None:
    """Take only the first step of `cut`, after which another thread may run."""
    link._closed = True


@pytest.mark.parametrize("by", [StreamerLink.cut, half_cut])
def test_nothing_is_prepared_for_a_connection_that_has_ended(by: Callable[[StreamerLink], object]) -> None:
    link = link_that_is_overtaken(by)
    with pytest.raises(OdysseyConnectionError) as caught:
        link.prepare(Deadline(30, CLOCK))
    assert caught.value.code == "closed"
    assert link._peer is None
