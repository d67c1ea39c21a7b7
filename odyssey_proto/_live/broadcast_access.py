"""Access to a broadcast: its addresses, and an event loop and HTTP connections of its own. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .._base.event_loop import BackgroundLoop
from .._base.limits import PICTURE_MOST_PX
from .._model.config import DEFAULT_API_URL, ClientConfig
from .._net import hls, whep
from .._net.service_api import ServiceApi
from ..core import effects
from .hls_link import HlsLink
from .whep_link import WhepLink

if TYPE_CHECKING:
    from odyssey_models import IceServer

    from .._base.clock import Clock
    from .._model.config import IcePolicy
    from ..core import inputs
    from .link import Link, LinkContext

__all__ = ["BroadcastAccess", "Place"]

_LOOP_ENDS_S: Final = 0.6  # for what still runs on the loop


@attrs.frozen(kw_only=True)
class Place:
    """The addresses at which a broadcast can be watched, and the ICE settings."""

    webrtc_url: str
    spectator_token: str = attrs.field(repr=False)
    hls_url: str | None = None
    ice_servers: tuple[IceServer, ...] | None = None
    ice_policy: IcePolicy = "all"
    max_pixels: int = PICTURE_MOST_PX

    @property
    def ways(self) -> tuple[effects.Way, ...]:
        """The ways to watch the broadcast, the best first."""
        return (effects.Way.WEBRTC,) if self.hls_url is None else (effects.Way.WEBRTC, effects.Way.HLS)


class BroadcastAccess:
    """Makes links to one broadcast; see `odyssey_proto._live.link.LinkAccess`.

    Raises:
        OdysseyConfigError: an address is not valid.
    """

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place = place
        self._endpoint = whep.WhepEndpoint.of(place.webrtc_url)
        if place.hls_url is not None:
            hls.check_address(place.hls_url)
        self._loop = BackgroundLoop("odyssey-spectator-loop")
        # Without the user's key and settings: none of its requests goes to the service.
        self._api = ServiceApi(ClientConfig(api_key="", api_url=DEFAULT_API_URL), clock)

    def make_link(self, plan: effects.OpenEffect, context: LinkContext) -> Link:
        """Create a link over WebRTC or HLS."""
        assert isinstance(plan, effects.OpenBroadcast)
        place = self._place
        if plan.way is effects.Way.HLS:
            assert place.hls_url is not None
            return HlsLink(plan, context, place.hls_url, http=self._api.http, max_pixels=place.max_pixels)
        return WhepLink(
            plan,
            context,
            self._endpoint,
            place.spectator_token,
            api=self._api,
            loop=self._loop,
            ice_servers=place.ice_servers,
            ice_policy=place.ice_policy,
            max_pixels=place.max_pixels,
        )

    def take_step(self, step: effects.Step, _: Clock) -> inputs.Input:
        """Raise `TypeError`: no steps come before a link to a broadcast."""
        raise TypeError(f"a broadcast takes no {type(step).__name__}")

    def hurry(self) -> None:
        """Do nothing: there are no steps."""

    def cut(self) -> None:
        """End all requests."""
        self._api.close()

    def release(self) -> None:
        """End the loop for good: a worker that is late must not start it again."""
        self._loop.stop(_LOOP_ENDS_S, for_good=True)
