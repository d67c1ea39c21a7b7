"""Recordings of live sessions: all frames are in the file, at their times, however the recording ends."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import threading
from typing import TYPE_CHECKING, Final

import av
import pytest

from odyssey_proto import GapEvent, LiveRecording, OdysseyConnectionError, OdysseyStreamError
from odyssey_proto._video import stamp
from odyssey_proto.emulator._faults.script import Fault
from tests.support.live import frame_has_come, lose, number_of, take
from tests.support.processes import PATIENCE_S, emulator_process, eventually, script

if TYPE_CHECKING:
    from pathlib import Path

    from odyssey_proto import Odyssey, Session
    from odyssey_proto._video.stamp import Stamp
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient

SOON_S: Final = 10.0
FRAME_MS: Final = 50
UNEVEN_MS: Final = 1
"""The error of rounding to whole ms."""
MOST_UNEVEN: Final = 3
"""How many steps of a file may be uneven: if a busy machine holds up a frame, such as the first, the frames that
catch up are placed by their arrival (`odyssey_proto._video.media_clock`)."""
LATE_MS: Final = 500
"""How much later than usual a busy emulator may paint a picture. Its stamp has the time of painting; its time in
the file is when it was due."""
MOST_LATE: Final = 2
"""How many pictures of a file may be later than that: after each, those due in the meantime are left out."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cat.mp4"


def read(path: Path) -> list[tuple[int, Stamp]]:
    """Return the time in ms and the stamp of each frame of a file."""
    with av.open(str(path)) as container:
        frames = [(frame.time, stamp.read(frame.to_ndarray(format="gray"))) for frame in container.decode(video=0)]
    return [(round(float(at_s or 0) * 1000), found) for at_s, found in frames if found is not None]


def assert_real_time(found: list[tuple[int, Stamp]], *, whole: bool = True, even: bool = True) -> None:
    """Assert that the times in a file are those of its pictures, all from one stream over one connection.

    Without ``whole``, the first may have any time. Without ``even``, any number of steps may be uneven.
    """
    if whole:
        assert found[0][0] == 0
    uneven = []
    for (before_ms, before), (at_ms, stamped) in itertools.pairwise(found):
        step_ms, least_ms = at_ms - before_ms, FRAME_MS * (stamped.frame_number - before.frame_number)
        # A busy streamer skips time, but no number.
        if step_ms < least_ms - UNEVEN_MS or (step_ms + UNEVEN_MS) % FRAME_MS > 2 * UNEVEN_MS:
            uneven.append((before_ms, at_ms))
    assert not even or len(uneven) <= MOST_UNEVEN, uneven
    late_ms = [stamped.time_ms - at_ms for at_ms, stamped in found]
    usual_ms = statistics.median(late_ms)
    late = [each - usual_ms for each in late_ms if abs(each - usual_ms) >= LATE_MS]
    assert len(late) <= MOST_LATE, late


def numbers(found: list[tuple[int, Stamp]]) -> list[int]:
    return [stamped.frame_number for _, stamped in found]


def test_what_arrives_is_in_the_file_while_frames_are_consumed_elsewhere(session: Session, path: Path) -> None:
    session.start_stream("A cat", portrait=False)
    with session.record(path) as recording:
        taken = take(session.frames("error", 64, timeout=SOON_S), 40)
        assert recording.is_recording
        session.interact("Night")
    found = read(path)
    assert recording.frames == len(found) >= 40
    assert recording.dropped == 0
    assert_real_time(found)
    shown = [number_of(frame) for frame in taken]
    assert set(shown) <= set(numbers(found))
    assert [later - earlier for earlier, later in itertools.pairwise(numbers(found))] == [1] * (len(found) - 1)


def test_it_needs_nobody_who_looks_at_the_frames(session: Session, path: Path) -> None:
    recording = session.record(str(path))
    session.start_stream("A cat", portrait=False)
    eventually(lambda: recording.frames >= 10)
    recording.close()
    recording.close()
    assert numbers(read(path))[:10] == [*range(10)]
    assert repr(recording) == f"<LiveRecording cat.mp4: {recording.frames} frames>"


def test_it_goes_on_from_one_stream_to_the_next(session: Session, path: Path) -> None:
    with session.record(path) as recording:
        session.start_stream("A cat", portrait=False)
        eventually(lambda: frame_has_come(session, 5))
        session.end_stream()
        first = recording.frames
        threading.Event().wait(0.5)
        session.start_stream("A dog", portrait=False)
        eventually(lambda: frame_has_come(session, 5))
    found = read(path)
    (split,) = [place for place, number in enumerate(numbers(found)) if number == 0 and place]
    assert split >= first
    assert_real_time(found[:split])
    assert found[split][0] - found[split - 1][0] >= 500
    assert_real_time(found[split:], whole=False)


def test_a_lost_connection_is_a_gap_in_it(emulator: Emulator, session: Session, path: Path) -> None:
    session.start_stream("A cat", portrait=False)
    frames = session.frames(timeout=PATIENCE_S)
    events = session.events(timeout=PATIENCE_S)
    with session.record(path):
        before = take(frames, 10)[-1]
        lose(emulator, session)
        while next(frames).index < before.index + 20:
            pass
    session.disconnect()
    # Apart from the loss that this test causes, a busy machine may have caused other gaps.
    gaps_ms = [1000 * event.seconds for event in events if isinstance(event, GapEvent)]
    found = read(path)
    steps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(found)]
    assert gaps_ms
    # Those are as long in the file as they were at the sender; only that of the loss is as long as its event says.
    off_ms = [min(abs(step - gap_ms) for gap_ms in gaps_ms) for step in steps]
    jump = off_ms.index(min(off_ms))
    assert off_ms[jump] <= UNEVEN_MS
    assert_real_time(found[: jump + 1])
    assert_real_time(found[jump + 1 :], whole=False, even=False)


def test_a_streamer_that_pauses_is_a_gap_in_it(emulator: Emulator, session: Session, path: Path) -> None:
    emulator.faults.add(Fault(step="media", action="silence", after=10, times=30))
    with session.record(path) as recording:
        session.start_stream("A cat", portrait=False)
        eventually(lambda: recording.frames >= 20)
    found = read(path)
    assert max(later[0] - earlier[0] for earlier, later in itertools.pairwise(found)) > 1000
    assert_real_time(found)


def test_leaving_the_session_finishes_it(session: Session, path: Path) -> None:
    recording = session.record(path)
    session.start_stream("A cat", portrait=False)
    eventually(lambda: recording.frames >= 5)
    session.disconnect()
    assert not recording.is_recording
    eventually(lambda: not recording._thread.is_alive())
    assert_real_time(read(path))
    recording.close()


def test_closing_the_client_inside_the_block_does_no_harm(client: Odyssey, session: Session, path: Path) -> None:
    with session.record(path) as recording:
        session.start_stream("A cat", portrait=False)
        eventually(lambda: recording.frames >= 5)
        client.close()
    assert len(read(path)) == recording.frames


def test_a_session_that_fails_leaves_what_had_come(
    emulator: Emulator, make_client: MakeClient, path: Path
) -> None:
    session = make_client(emulator, reconnect=False).connect()
    with session.record(path) as recording:
        session.start_stream("A cat", portrait=False)
        eventually(lambda: recording.frames > 5)
        emulator.faults.add(Fault(step="media", action="drop"))
        with pytest.raises(OdysseyConnectionError):
            session.wait(timeout=SOON_S)
    assert recording.frames == len(read(path)) > 5


def test_it_can_be_begun_and_ended_by_handlers(client: Odyssey, path: Path) -> None:
    made: list[LiveRecording] = []
    session = client.connect(
        on_stream_started=lambda _: made.append(session.record(path)),
        on_interact_acknowledged=lambda _: made[0].close(),
    )
    session.start_stream("A cat", portrait=False)
    eventually(lambda: made and made[0].frames >= 5)
    session.interact("Night")
    eventually(lambda: not made[0].is_recording)
    made[0].close()
    # The first frames may have come before the handler was called.
    assert len(read(path)) == made[0].frames >= 5


def test_several_at_once_and_a_slow_iterator_do_not_disturb_each_other(
    session: Session, tmp_path: Path, in_background: Background
) -> None:
    session.start_stream("A cat", portrait=False)
    idle = session.frames()
    with session.record(tmp_path / "a.mp4") as first, session.record(tmp_path / "b.mp4") as second:
        lossless = session.frames("error", 64, timeout=SOON_S)
        assert len(in_background(take, lossless, 30).result(PATIENCE_S)) == 30
    assert next(idle).dropped_before > 0
    assert (first.dropped, second.dropped) == (0, 0)
    longer, shorter = numbers(read(tmp_path / "a.mp4")), numbers(read(tmp_path / "b.mp4"))
    # The second begins later, and ends before the first does.
    assert [number for number in longer if shorter[0] <= number <= shorter[-1]] == shorter


def test_a_path_that_cannot_be_written_is_reported_at_once_and_harms_nothing(
    session: Session, tmp_path: Path
) -> None:
    session.start_stream("A cat", portrait=False)
    with pytest.raises(FileNotFoundError):
        session.record(tmp_path / "nowhere" / "cat.mp4")
    assert next(session.frames(timeout=SOON_S))


def test_a_full_disk_is_reported_at_the_end_and_harms_nothing(session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    recording = session.record("/dev/full")
    eventually(lambda: not recording.is_recording)
    with pytest.raises(OSError, match="No space left on device"):
        recording.close()
    assert next(session.frames(timeout=SOON_S))


def test_a_session_that_is_over_cannot_be_recorded(session: Session, path: Path) -> None:
    session.disconnect()
    with pytest.raises(OdysseyStreamError, match=r"^Cannot record: client is disconnected"):
        session.record(path)
    assert not path.exists()


def test_a_session_of_the_parent_cannot_be_recorded_in_a_forked_child(session: Session, path: Path) -> None:
    child = os.fork()
    if not child:
        try:
            session.record(path)
        except OdysseyConnectionError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


# --- as scripts

RECORDING: Final = """
session = client.connect()
session.start_stream("A cat", portrait=False)
recording = session.record(sys.stdin.readline().strip())
frames = first_frames(session, 30)
"""

ENDINGS: Final = {
    "it falls off its end": ("", 0),
    "sys.exit inside both withs": ("with session, recording: sys.exit(3)", 3),
    "an exception inside both withs": ("with session, recording: 1 / 0", 1),
    "the session is let go of": ("del frames, session, client", 0),
    "the session is left, and not the recording": ("session.disconnect()", 0),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_however_a_script_ends_the_file_is_whole(ending: str, path: Path) -> None:
    code, status = ENDINGS[ending]
    with emulator_process() as (_, url), script(f"{RECORDING}\n{code}", url) as process:
        process.tell(str(path))
        assert process.ended() == status
        assert process.stderr.count("Traceback") == (status == 1)
        found = read(path)
        assert len(found) >= 28
        assert_real_time(found)


def test_an_interrupt_leaves_a_whole_file(path: Path) -> None:
    code = f"""{RECORDING}
with session, recording:
    say("recording")
    for frame in frames: pass
"""
    with emulator_process() as (_, url), script(code, url) as process:
        process.tell(str(path))
        assert process.said() == ["recording"]
        process.signal(signal.SIGINT)
        assert process.ended() in (-signal.SIGINT, 1)
        assert process.stderr.splitlines()[-1] == "KeyboardInterrupt"
        assert_real_time(read(path))


def test_a_service_that_is_dead_leaves_a_whole_file_and_a_script_that_ends(path: Path) -> None:
    code = f"{RECORDING}\nsay('recording')\nsys.stdin.readline()"
    with emulator_process() as (emulator, url), script(code, url) as process:
        process.tell(str(path))
        assert process.said() == ["recording"]
        emulator.signal(signal.SIGSTOP)
        process.tell()
        assert process.ended() == 0
        assert process.stderr == ""
        assert_real_time(read(path))
