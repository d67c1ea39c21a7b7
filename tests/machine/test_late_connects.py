"""A program connects too late to give the session back, or in an interpreter that allows no threads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.processes import script, sessions_are_free

if TYPE_CHECKING:
    from odyssey_proto.emulator._server import Emulator

TRY: Final = """
def attempt():
    try:
        client.connect()
        say("connected")
    except OdysseyError as error:
        say(error.code, str(error))
"""


def test_what_is_called_at_the_end_of_the_process_cannot_connect(emulator: Emulator) -> None:
    """The action that was registered first is called last."""
    code = f"{TRY}\nfrom odyssey_proto._base import process_end\nprocess_end._actions.insert(0, attempt)"
    with script(code, emulator.api_url, fresh=True) as process:
        assert process.said() == ["shutting_down", "This process is ending: connect earlier"]
        assert process.ended() == 0
        assert process.stderr == ""
    assert sessions_are_free(emulator.api_url)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="needs the sub-interpreters of Python 3.11")
def test_a_sub_interpreter_without_threads_is_named(emulator: Emulator) -> None:
    code = f"""
import _xxsubinterpreters
_xxsubinterpreters.run_string(_xxsubinterpreters.create(), f"import sys; sys.path[:] = {{sys.path}}" + '''
from odyssey_proto import Odyssey, OdysseyError
client = Odyssey("ody_test", api_url={emulator.api_url!r})
try:
    client.connect()
except OdysseyError as error:
    print(f'["{{error.code}}"]', flush=True)
client.close()
''')
"""
    with script(code, emulator.api_url, fresh=True) as process:
        assert process.said() == ["no_threads"]
