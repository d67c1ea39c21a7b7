"""The playlists of one broadcast: which addresses they may have, and how large and how frequent they may be.

FFmpeg follows a playlist that names itself, or names playlists that name playlists, without end. In HLS (RFC 8216)
there are two levels: a playlist of variants, and playlists of segments. This module fetches nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urldefrag, urljoin, urlsplit

from .._base.errors import MalformedMessageError
from .._base.limits import (
    HLS_ADDRESSES_MOST_BYTES,
    HLS_PLAYLIST_MOST_BYTES,
    HLS_PLAYLIST_MOST_LINES,
    HLS_RELOAD_LEAST_S,
    HLS_VARIANTS_MOST,
)

if TYPE_CHECKING:
    from .._base.clock import Clock

__all__ = ["ADDRESS", "MARK", "Playlists", "check_size", "is_too_large"]

MARK: Final = b"#EXTM3U"
"""How a playlist begins."""
_VARIANT: Final = (b"#EXT-X-STREAM-INF", b"#EXT-X-I-FRAME-STREAM-INF", b"#EXT-X-MEDIA:")
ADDRESS: Final = re.compile(rb'\bURI="([^"]*)"')
"""An address in a tag: another playlist, a header, a key."""
_ENDS_OF_LINES: Final = (b"\n", b"\r", b"\0")  # as FFmpeg sees them
_MARK_WITHIN_BYTES: Final = 128  # the first ones of a playlist, which contain its mark


def is_too_large(body: bytes | bytearray, segment_limit: int) -> bool:
    """Return whether a body that is still arriving is too large: the limit for a playlist is below a segment's."""
    return len(body) > (HLS_PLAYLIST_MOST_BYTES if MARK in body[:_MARK_WITHIN_BYTES] else segment_limit)


def check_size(url: str, body: bytes | bytearray) -> None:
    """Check how large a playlist that came from ``url`` becomes once its addresses are absolute.

    Each line may be an address that is relative to the playlist's own, which a server can make long.

    Raises:
        MalformedMessageError: it has too many lines, or its addresses become too long in total.
    """
    lines = max(map(body.count, _ENDS_OF_LINES)) + 1
    if lines > HLS_PLAYLIST_MOST_LINES:
        raise _refused(f"a playlist has more than {HLS_PLAYLIST_MOST_LINES} lines", "too_large")
    folder = url.partition("?")[0].rpartition("/")[0]
    length = (lines + body.count(b'URI="')) * len(folder) + body.count(b'URI=""') * len(url)
    if length > HLS_ADDRESSES_MOST_BYTES:
        most = HLS_ADDRESSES_MOST_BYTES >> 20
        raise _refused(f"the addresses in a playlist take more than {most} MiB", "too_large")


class Playlists:
    """The playlists of the broadcast at ``url``."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._root = urldefrag(url).url
        self._clock = clock
        self._variants: set[str] = set()
        self._asked_at: dict[str, float] = {}

    def __contains__(self, url: str) -> bool:
        """Return whether ``url`` is the address of a playlist."""
        url = urldefrag(url).url
        return url == self._root or url in self._variants

    def has_others(self, url: str) -> bool:
        """Return whether ``url`` is one of several variants."""
        return len(self._variants) > 1 and urldefrag(url).url in self._variants

    def wait_s(self, url: str) -> float:
        """Return how long to wait before the next request for ``url``, in s."""
        asked_at = self._asked_at.get(urldefrag(url).url)
        return 0.0 if asked_at is None else max(0.0, asked_at + HLS_RELOAD_LEAST_S - self._clock.now())

    def take(self, url: str, body: bytes | bytearray) -> None:
        """Take a playlist that came for ``url``.

        Raises:
            MalformedMessageError: it is too large, comes in place of a segment, or names a playlist where it must
                not.
        """
        check_size(url, body)
        url = urldefrag(url).url
        if url != self._root and url not in self._variants:
            raise _refused("a playlist came in place of a segment")
        self._asked_at[url] = self._clock.now()
        if any(mark in body for mark in _VARIANT):
            if url in self._variants:
                raise _refused("a playlist of variants names another one, or itself")
            self._variants.update(_named(url, body))
            if len(self._variants) > HLS_VARIANTS_MOST:
                raise _refused(f"a playlist has more than {HLS_VARIANTS_MOST} variants", "too_large")
        else:
            self._check_segments(url, body)

    def _check_segments(self, url: str, body: bytes | bytearray) -> None:
        known = {self._root, *self._variants}
        # Most playlists have thousands of segments, and none of them ends like a playlist.
        names = {urlsplit(each).path.rpartition("/")[2].encode() for each in known}
        if any(name in body for name in names) and not known.isdisjoint(_named(url, body)):
            raise _refused("a playlist of segments names a playlist")


def _named(url: str, body: bytes | bytearray) -> set[str]:
    """Return the addresses that a playlist from ``url`` names."""
    found = [line.strip() for line in bytes(body).splitlines() if line.strip() and not line.startswith(b"#")]
    found += ADDRESS.findall(body)
    addresses = set()
    for name in found:
        try:
            addresses.add(urldefrag(urljoin(url, name.decode("utf-8", "replace"))).url)
        except ValueError:  # refused when it is fetched
            continue
    return addresses


def _refused(problem: str, code: str = "malformed") -> MalformedMessageError:
    return MalformedMessageError(f"HLS: {problem}", problems=(problem,), code=code, operation="HLS")
