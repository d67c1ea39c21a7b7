"""Code that connects and is run again: a cell of a notebook, a module that is reloaded, a development server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    Odyssey,
    OdysseyAuthError,
    OdysseyConnectionError,
)
from tests.support.processes import PATIENCE_S, PATIENT, script

if TYPE_CHECKING:
    from pathlib import Path

    from odyssey_proto import Session
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

CELL = """
client = Odyssey(key, api_url=url)
session = client.connect({arguments})
session.start_stream("A cat", portrait=False)
"""


def run_cell(emulator: Emulator, notebook: dict[str, object], arguments: str = "") -> Session:
    notebook |= {"Odyssey": Odyssey, "key": emulator.api_key, "url": emulator.api_url}
    exec(CELL.format(arguments=arguments), notebook)
    session: Session = notebook["session"]  # type: ignore[assignment]
    return session


def close(notebook: dict[str, object]) -> None:
    client: Odyssey = notebook["client"]  # type: ignore[assignment]
    client.close()


def test_a_cell_that_replaces_can_be_run_again_and_again(emulator: Emulator) -> None:
    notebook: dict[str, object] = {}
    sessions = [run_cell(emulator, notebook, "replace=True") for _ in range(3)]
    assert [session.has_ended for session in sessions] == [True, True, False]
    assert len({session.session_id for session in sessions}) == 3
    close(notebook)


def test_without_replace_the_error_says_how_to_run_the_cell_again(emulator: Emulator) -> None:
    notebook: dict[str, object] = {}
    session = run_cell(emulator, notebook)
    first = notebook["client"]
    with pytest.raises(ConcurrentLimitReachedError) as caught:
        run_cell(emulator, notebook)
    ways = "of another Odyssey object: close() it, or connect(replace=True)"
    assert str(caught.value).endswith(f"still holds session {session.session_id} {ways}")
    assert session.is_connected
    notebook["client"] = first
    close(notebook)


def test_a_client_that_is_connected_replaces_its_own_session(client: Odyssey) -> None:
    first = client.connect()
    second = client.connect(replace=True)
    assert first.has_ended
    assert second.is_connected
    assert second.session_id != first.session_id
    assert client.connect() is second


def test_all_sessions_of_the_key_in_this_process_are_replaced_and_no_others(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(concurrent_sessions=2, streamers=4)
    mine = [make_client(emulator).connect() for _ in range(2)]
    another = make_client(emulator, "ody_another").connect()
    joined = make_client(emulator)
    joined_session = joined.connect_with_credentials(
        make_client(emulator, "ody_backend").create_client_credentials(timeout=PATIENCE_S)
    )
    assert make_client(emulator).connect(replace=True).is_connected
    assert [session.has_ended for session in mine] == [True, True]
    assert another.is_connected
    assert joined_session.is_connected


def test_a_connect_in_another_thread_makes_way(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    emulator = make_emulator()
    queueing = threading.Event()
    holder = make_client(emulator, "ody_holder").connect()  # takes the only streamer
    waiting = in_background(
        make_client(emulator).connect,
        on_status_change=lambda *_: queueing.set(),
        timeout=PATIENCE_S,
    )
    assert queueing.wait(PATIENCE_S)
    holder.disconnect()
    replacing = make_client(emulator).connect(replace=True, timeout=PATIENCE_S)
    assert replacing.is_connected
    failure = waiting.exception(PATIENCE_S)
    assert waiting.result().has_ended if failure is None else isinstance(failure, OdysseyConnectionError)


def test_without_a_key_nothing_is_ended(client: Odyssey) -> None:
    session = client.connect()
    with Odyssey("", api_url=client.config.api_url) as other, pytest.raises(OdysseyAuthError):
        other.connect(replace=True)
    assert session.is_connected


def test_what_is_not_a_flag_is_refused_and_ends_nothing(client: Odyssey) -> None:
    session = client.connect()
    with pytest.raises(TypeError, match="replace must be True or False"):
        client.connect(replace="yes")  # type: ignore[arg-type]
    assert session.is_connected


@pytest.mark.usefixtures("unhurried")
def test_a_session_that_nobody_has_any_more_is_waited_for(emulator: Emulator) -> None:
    """The code drops its session and connects again while the old session is still being given back."""
    for _ in range(5):
        session = Odyssey(emulator.api_key, api_url=emulator.api_url).connect()
        assert session.is_connected
        del session


MODULE = """
from odyssey_proto import Odyssey
client = Odyssey({key!r}, api_url={url!r})
client.connect({arguments}).start_stream("A cat", portrait=False)
"""


@pytest.mark.parametrize(
    ("before", "arguments"),
    [("", ""), ("", "replace=True"), ("keep = lambda: client.is_connected\n", "replace=True")],
)
def test_a_module_that_is_reloaded_gives_its_old_session_back(
    emulator: Emulator, tmp_path: Path, before: str, arguments: str
) -> None:
    module = MODULE.format(key="ody_test", url=emulator.api_url, arguments=arguments)
    (tmp_path / "live.py").write_text(before + module)
    code = f"""
import importlib
sys.path.insert(0, {str(tmp_path)!r})
import live
for _ in range(2):
    importlib.reload(live)
    say(live.client.is_connected)
"""
    with script(PATIENT + code, emulator.api_url) as process:
        assert process.said() == [True]
        assert process.said() == [True]
        assert process.ended() == 0
        assert process.stderr == ""


def test_the_library_can_be_reloaded_while_it_has_a_session(emulator: Emulator) -> None:
    code = """
import importlib, odyssey_proto
session = client.connect()
session.start_stream("A cat", portrait=False)
importlib.reload(odyssey_proto)
first_frames(session)
say(odyssey_proto.Odyssey is Odyssey)
odyssey_proto.Odyssey(sys.argv[2], api_url=sys.argv[1]).connect(replace=True)
say(session.has_ended)
"""
    with script(PATIENT + code, emulator.api_url) as process:
        assert process.said() == [True]
        assert process.said() == [True]
        assert process.ended() == 0
        assert process.stderr == ""
