"""Calls from finalizers that run when the interpreter shuts down: no thread runs any more, and nothing hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.processes import PATIENT, script, sessions_are_free

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeEmulator


def test_a_client_may_be_closed_by_a_finalizer(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    code = """
    one, other = client, Odyssey(sys.argv[2], api_url=sys.argv[1])
    one.list_stream_recordings()
    other.list_stream_recordings()

    class Owner:
        def __del__(self):
            one.close()
            other.__exit__(None, None, None)
            print("closed", flush=True)

    owner = Owner()
    """
    with script(code, emulator.api_url, fresh=True) as process:
        assert process.line() == "closed"
        assert process.ended() == 0
        assert process.stderr == ""


def test_what_a_suspended_generator_holds_may_be_left_at_the_end(
    make_emulator: MakeEmulator, tmp_path: Path
) -> None:
    emulator = make_emulator()
    code = f"""
{PATIENT}
path = {str(tmp_path / "cat.mp4")!r}

def streaming():
    try:
        with client, client.connect() as session, session.record(path):
            session.start_stream("A cat", portrait=False)
            yield
    finally:
        print("left", flush=True)

going = streaming()
next(going)
"""
    with script(code, emulator.api_url, fresh=True) as process:
        assert process.line() == "left"
        assert process.ended() == 0
        assert process.stderr == ""
    assert sessions_are_free(emulator.api_url)


def test_another_call_out_of_a_finalizer_raises_at_once(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    code = """
    failure = OdysseyConnectionError

    class Owner:
        def __del__(self):
            try:
                client.list_stream_recordings()
            except failure as exc:
                print(exc.code, flush=True)

    owner = Owner()
    """
    with script(code, emulator.api_url, fresh=True) as process:
        assert process.line() == "shutting_down"
        assert process.ended() == 0
