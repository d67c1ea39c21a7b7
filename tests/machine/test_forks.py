"""A program forks at any moment: while its other threads connect, convert a picture, record, or download.

Only the thread that forks lives on in the child. Any lock that the others hold at that moment must be free there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from odyssey_proto import ConcurrentLimitReachedError, Odyssey, VideoFrame
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._rest.part_file import PartFile
from odyssey_proto._video import images
from odyssey_proto.emulator import Emulator
from tests.support.forked import held_by_another_thread, in_child
from tests.support.live import frame_has_come
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from odyssey_proto import Session
    from tests.conftest import Background, MakeClient, MakeEmulator

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)


def code_of(call: Any, *arguments: Any, **options: Any) -> str:
    """Return the code of the error that a call raises."""
    try:
        call(*arguments, **options)
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is shown
        return str(getattr(exc, "code", exc))
    return "no error"


def test_the_child_connects_the_client_that_another_thread_was_connecting(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    emulator = make_emulator(streamers=2)
    make_client(emulator).connect()  # takes the only session of the key
    client = make_client(emulator)
    waiting = in_background(client.connect, wait_for_slot=True, timeout=PATIENCE_S)
    eventually(lambda: client._session is not None)
    assert in_child(lambda: code_of(client.connect)) == repr("CONCURRENT_LIMIT_REACHED")
    client.close()
    assert waiting.exception(PATIENCE_S) is not None


def test_the_error_in_a_child_says_that_its_parent_has_the_session(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    """A server loads the program before it forks its workers, and the program connects when it is loaded."""
    client = make_client(make_emulator(streamers=2))
    session = client.connect()

    def connect() -> str:
        try:
            client.connect()
        except ConcurrentLimitReachedError as error:
            return str(error)
        return "connected"

    reason = (
        f"process that forked this one held session {session.session_id}: connect after the fork, not before it"
    )
    assert reason in in_child(connect)
    assert session.is_connected


@pytest.mark.parametrize("what", ["statistics", "disconnect", "close"])
def test_the_child_may_still_ask_and_leave(what: str, client: Odyssey, session: Session) -> None:
    session.start_stream("A cat")
    eventually(lambda: frame_has_come(session, 1))
    call = {"statistics": lambda: session.stats().frames_received > 0, "disconnect": session.disconnect}
    call["close"] = client.close
    with held_by_another_thread(session._driver.hub._lock):
        told = in_child(call[what])
    assert told == ("True" if what == "statistics" else "None")
    assert session.interact("Night")


def test_the_child_converts_a_frame_that_another_thread_was_converting() -> None:
    frame = VideoFrame.from_ndarray(np.full((4, 4, 3), 7, np.uint8))
    with held_by_another_thread(frame._picture._lock):
        assert in_child(lambda: int(frame.data.max())) == "7"


def test_the_child_sends_an_image_while_another_thread_reads_one(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 4))
    with held_by_another_thread(images._loading):
        assert in_child(lambda: images.to_data_url(image, portrait=True)[:10]) == repr("data:image")


def test_the_child_leaves_a_recording_whose_queue_another_thread_had(session: Session, tmp_path: Path) -> None:
    session.start_stream("A cat")
    with session.record(tmp_path / "cat.mp4") as recording:
        eventually(lambda: recording.frames > 0)
        with held_by_another_thread(recording._queue._changed):
            assert in_child(recording.close) == "None"
        before = recording.frames
        eventually(lambda: recording.frames > before)


def test_a_file_that_was_not_downloaded_whole_is_not_kept_by_a_child(tmp_path: Path) -> None:
    """The child inherits all open files of its parent, and so their locks."""
    part = PartFile(tmp_path / "cat.mp4", Deadline(PATIENCE_S, MonotonicClock()), lambda _: None)
    reading, writing = os.pipe()
    child = -1
    with contextlib.suppress(ConnectionError), part.filled():
        part.write(b"the beginning")
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)  # until the parent has finished
            os._exit(0)
        raise ConnectionError
    import fcntl  # Windows has none

    with (tmp_path / "cat.mp4.part").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(writing)
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("how", ["stop", "end of the with"])
def test_an_emulator_belongs_to_the_process_that_started_it(how: str) -> None:
    with Emulator(record=False, size=(512, 64)) as emulator:
        folder = emulator._storage._folder  # type: ignore[union-attr]
        assert in_child(emulator.stop if how == "stop" else lambda: emulator.__exit__(None, None, None)) == "None"
        assert folder.exists()
        with Odyssey(emulator.api_key, api_url=emulator.api_url) as client:
            assert client.list_stream_recordings().total == 0
