"""The steps of a check that concern spectators: WHEP, its refusals, and HLS."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from ._probes import foreign_offer
from ._service_run import ANSWER_S, SkipError, Step, StepFailedError

if TYPE_CHECKING:
    from .._model.events import BroadcastInfo
    from ._service_run import Run

__all__ = ["STEPS"]

_PROMPT: Final = "A lighthouse on a cliff in the evening"
_PLAYLIST_WITHIN_S: Final = 30.0
_PLAYLIST_LOOK_EVERY_S: Final = 0.5
_TOO_LARGE: Final = 1024 * 1024  # bytes; an offer has a few thousand
_SDP: Final = {"Content-Type": "application/sdp"}
_REFUSALS: Final = (
    ("another type than application/sdp", 415, {"Content-Type": "application/json"}, b"{}"),
    ("a body that is not an offer", 400, _SDP, b"not an offer"),
    ("an offer without a known codec", 406, _SDP, None),
    ("an offer that is too large", 413, _SDP, _TOO_LARGE * b"v"),
)


def broadcast(run: Run) -> None:
    """Start a stream that spectators may watch."""
    session = run.idle()
    session.start_stream(_PROMPT, portrait=False, broadcast=True, timeout=ANSWER_S)
    run.broadcast = session.wait_for_broadcast(timeout=ANSWER_S)


def spectator(run: Run) -> None:
    """Watch the broadcast over WebRTC, and leave."""
    info = _info(run)
    with run.make_client() as other, other.watch(info, timeout=ANSWER_S) as watched:
        next(watched.frames(timeout=ANSWER_S))
    admitted = [one for one in run.traffic.exchanges("POST /whep") if one.status == 201]
    if not admitted:
        raise SkipError("WebRTC did not work, so the spectator watched over HLS")
    resource = urljoin(_whep(info), admitted[-1].headers.get("Location", ""))
    here, there = urlsplit(_whep(info)), urlsplit(resource)
    rest = there.path.removeprefix(f"{here.path}/")
    holds = rest != there.path and bool(rest) and "/" not in rest
    run.decide("/whep/{resource}", holds, "the Location of an admission has another path")
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise SkipError("the Location of the admission is on another host; it was not asked")
    again = run.probes.send("DELETE", resource, "/whep/{resource}")
    run.decide("leaveBroadcast.404", again.status == 404, f"a second DELETE was answered with {again.status}")


def refusals(run: Run) -> None:
    """Post a body that is not an offer, and offers that cannot be answered."""
    info = _info(run)
    for what, status, headers, body in _REFUSALS:
        data = foreign_offer().encode() if body is None else body
        answer = run.probes.send("POST", _whep(info), "/whep", headers, data)
        note = f"{what} was answered with {answer.status}"
        run.decide(f"watchBroadcast.{status}", answer.status == status, note)
    for url in (_whep(info, token="wrong"), _unknown(_whep(info))):  # noqa: S106  # not a secret
        answer = run.probes.send("POST", url, "/whep", _SDP, foreign_offer().encode())
        if answer.status not in (401, 404):
            raise StepFailedError(f"a wrong token, or an unknown stream, was answered with {answer.status}")


def hls(run: Run) -> None:
    """Get the playlist of the broadcast, and that of an unknown stream."""
    url = _info(run).hls_url
    if url is None:
        raise SkipError("the broadcast has no HLS address")
    path = urlsplit(url).path
    run.decide("/index.m3u8", path.endswith("/index.m3u8"), "the playlist has another path")
    gives_up_at = time.monotonic() + _PLAYLIST_WITHIN_S
    while run.probes.send("GET", url, "/index.m3u8").status != 200:
        if time.monotonic() > gives_up_at:
            raise StepFailedError(f"there was no playlist within {_PLAYLIST_WITHIN_S:.0f} s")
        time.sleep(_PLAYLIST_LOOK_EVERY_S)
    unknown = run.probes.send("GET", _unknown(url), "/index.m3u8")
    note = f"the playlist of an unknown stream was answered with {unknown.status}"
    run.decide("playBroadcast.404", unknown.status == 404, note)


def end(run: Run) -> None:
    """End the broadcast."""
    _info(run)
    run.live().end_stream(timeout=ANSWER_S)


def _info(run: Run) -> BroadcastInfo:
    if run.broadcast is None:
        raise SkipError("there is no broadcast")
    return run.broadcast


def _whep(info: BroadcastInfo, token: str | None = None) -> str:
    parts = urlsplit(info.webrtc_url)
    query = f"{parts.query}&token={quote(info.spectator_token if token is None else token, safe='')}".lstrip("&")
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/whep", query=query, fragment=""))


def _unknown(url: str) -> str:
    """Return the same address, but of a stream that does not exist."""
    parts = urlsplit(url)
    *before, stream, last = parts.path.split("/")
    if not stream:
        raise SkipError("the address does not name the stream")
    return urlunsplit(parts._replace(path="/".join((*before, "no-such-stream", last))))


STEPS: Final = (
    Step("a broadcast", broadcast),
    Step("a spectator", spectator),
    Step("what WHEP refuses", refusals),
    Step("HLS", hls),
    Step("the end of the broadcast", end),
)
