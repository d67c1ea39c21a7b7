"""Codecs start no threads of their own: a forked child would wait for such threads, or crash."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.support.broadcasts import broadcasting
from tests.support.cassettes import film
from tests.support.live import take
from tests.support.processes import eventually
from tests.support.systems import NEEDS_PROC

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import MakeClient, MakeEmulator

pytestmark = NEEDS_PROC


def threads_without_python() -> int:
    return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()


@pytest.fixture
def no_codec_has_threads() -> Callable[[], None]:
    gc.collect()  # deletes decoders of other tests
    before = threads_without_python()
    return lambda: eventually(lambda: threads_without_python() <= before)


@pytest.mark.parametrize("settings", [{}, {"bitrate": 2_000_000}], ids=["any rate", "at a rate"])
@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_of_a_stream_its_recordings_and_its_replay(
    codec: str,
    settings: dict[str, Any],
    no_codec_has_threads: Callable[[], None],
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    tmp_path: Path,
) -> None:
    emulator = make_emulator(codec=codec, record=True, **settings)
    cassette = tmp_path / "stream.cast"
    with make_client(emulator).connect() as session, session.record(tmp_path / "stream.mp4") as recording:
        film(session, cassette, frames=10, portrait=False)
        no_codec_has_threads()
    assert recording.frames > 0
    with make_client(make_emulator(replay=cassette)).connect() as session:
        session.start_stream("A cat", portrait=False)
        assert take(session.frames(), 10)
        no_codec_has_threads()


@pytest.mark.parametrize("way", ["WebRTC", "HLS"])
def test_of_a_broadcast(
    way: str, no_codec_has_threads: Callable[[], None], make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator()
    with broadcasting(emulator.api_url) as broadcast:
        info = broadcast.info if way == "WebRTC" else attrs.evolve(broadcast.info, webrtc_url="http://127.0.0.1:1")
        with make_client(emulator).watch(info) as spectator:
            assert take(spectator.frames(), 10)
            no_codec_has_threads()
