"""A link to a streamer whose preparation is overtaken by the end of the connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from odyssey_proto import OdysseyConnectionError
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._live.streamer_link import SessionTokens, StreamerLink


def link_that_is_cut(at: str) -> StreamerLink:
    """A link whose connection ends while it is prepared: at its request for ``tokens``, or just before its peer."""

    class Stands:
        """Stands for all that the link is given; each attribute of it is such a thing again, or None."""

        def __getattr__(self, name: str) -> Any:
            return {"token": None, "ice_servers": ()}.get(name, Stands())

        def __call__(self, *_: object, **__: object) -> Any:
            if at == "tokens":
                link.cut()
            else:  # as far as `cut` has come when another thread goes on
                link._closed = True
            return SimpleNamespace(session_token="t", expires_in=600)

    parts = cast("Any", Stands())
    link = StreamerLink(parts, parts, api=parts, loop=BackgroundLoop("odyssey-test"), tokens=SessionTokens())
    return link


@pytest.mark.parametrize("at", ["tokens", "the lock"])
def test_nothing_is_prepared_for_a_connection_that_has_ended(at: str) -> None:
    link = link_that_is_cut(at)
    with pytest.raises(OdysseyConnectionError) as caught:
        link.prepare(Deadline(30, MonotonicClock()))
    assert caught.value.code == "closed"
    assert link._peer is None
