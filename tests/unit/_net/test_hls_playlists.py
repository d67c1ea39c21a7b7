"""The playlists of a broadcast: at most two levels, a bounded size, and one request for each within 0.25 s."""

from __future__ import annotations

import pytest

from odyssey_proto import MalformedMessageError
from odyssey_proto._base.limits import (
    HLS_ADDRESSES_MOST_BYTES,
    HLS_PLAYLIST_MOST_BYTES,
    HLS_PLAYLIST_MOST_LINES,
    HLS_RELOAD_LEAST_S,
    HLS_VARIANTS_MOST,
)
from odyssey_proto._net.hls_playlists import Playlists, check_size, is_too_large
from tests.support.clocks import Time

ROOT = "http://host/live/index.m3u8"
MEDIA = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
MASTER = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"


def playlists() -> Playlists:
    return Playlists(ROOT, Time())


def test_a_playlist_of_variants_may_name_playlists_of_segments() -> None:
    known = playlists()
    known.take(ROOT, MASTER + b'v/1.m3u8\n#EXT-X-MEDIA:TYPE=AUDIO,URI="/a.m3u8"\n')
    for url in ("http://host/live/v/1.m3u8", "http://host/a.m3u8#part"):
        known.take(url, MEDIA + b"1.ts\n")
        assert url in known
    assert "http://host/live/v/1.ts" not in known


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (ROOT, MEDIA + b"index.m3u8\n"),
        (ROOT, MEDIA + b"./../live/index.m3u8#x\n"),
        (ROOT, MEDIA + b"1.ts\n" * 1000 + b'#EXT-X-MAP:URI="index.m3u8"\n'),
        ("http://host/live/1.ts", MEDIA),
        ("http://host/live/1.ts", MASTER),
    ],
)
def test_a_playlist_that_leads_to_playlists_without_end_is_refused(url: str, body: bytes) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        playlists().take(url, body)
    assert caught.value.operation == "HLS"


@pytest.mark.parametrize("name", [b"index.m3u8", b"v.m3u8"])
def test_variants_of_variants_are_refused(name: bytes) -> None:
    known = playlists()
    known.take(ROOT, MASTER + name + b"\n")
    url = "http://host/live/" + name.decode()
    with pytest.raises(MalformedMessageError, match="another one, or itself"):
        known.take(url, MASTER + b"index.m3u8\n")


def test_a_segment_may_have_a_name_like_that_of_its_playlist() -> None:
    known = playlists()
    known.take(ROOT, MEDIA + b"old-index.m3u8.ts\nhttp://[broken/index.m3u8\n")
    assert ROOT in known


def test_the_size_of_a_playlist_is_limited() -> None:
    known = playlists()
    with pytest.raises(MalformedMessageError) as caught:
        known.take(ROOT, b"#EXTM3U\n" + b"\n" * HLS_PLAYLIST_MOST_LINES)
    assert caught.value.code == "too_large"
    names = b"".join(b"%d.m3u8\n" % number for number in range(HLS_VARIANTS_MOST + 1))
    with pytest.raises(MalformedMessageError) as caught:
        known.take(ROOT, MASTER + names)
    assert caught.value.code == "too_large"
    assert is_too_large(b"\n#EXTM3U" + bytes(HLS_PLAYLIST_MOST_BYTES), 1 << 30)
    assert not is_too_large(bytes(HLS_PLAYLIST_MOST_BYTES + 8), 1 << 30)


def test_the_same_playlist_is_not_asked_for_again_at_once() -> None:
    clock = Time()
    known = Playlists(ROOT, clock)
    assert known.wait_s(ROOT) == 0
    known.take(ROOT, MEDIA)
    assert known.wait_s(ROOT) == HLS_RELOAD_LEAST_S
    clock.at += 1
    assert known.wait_s(ROOT) == 0


LONG_ROOT = f"http://host/{'x' * 16_000}/index.m3u8"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\0"])
def test_lines_end_as_ffmpeg_sees_it(end: bytes) -> None:
    check_size(ROOT, MEDIA + b"a" + end * (HLS_PLAYLIST_MOST_LINES - 4))
    with pytest.raises(MalformedMessageError, match="more than 100000 lines") as caught:
        check_size(ROOT, MEDIA + b"a" + end * (HLS_PLAYLIST_MOST_LINES + 1))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("address", [b"a\n", b'#EXT-X-MAP:URI="a"\n', b'URI="a",', b'URI="",'])
def test_the_addresses_of_a_playlist_may_not_become_much_longer_than_they_are(address: bytes) -> None:
    count = HLS_ADDRESSES_MOST_BYTES // 16_000
    check_size(LONG_ROOT, MEDIA + address * (count // 4))
    with pytest.raises(MalformedMessageError, match="more than 32 MiB"):
        check_size(LONG_ROOT, MEDIA + address * (count + 1))


def test_an_address_that_is_the_playlists_own_has_its_query_too() -> None:
    with pytest.raises(MalformedMessageError, match="more than 32 MiB"):
        check_size(f"{ROOT}?{'x' * 16_000}", MEDIA + b'URI="",' * 3000)
