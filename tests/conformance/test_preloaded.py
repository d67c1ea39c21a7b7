"""A command that is forked from a preloaded program behaves like one that starts from scratch."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.preloaded import preloaded

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def command() -> Iterator[tuple[str, ...]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(ROOT))
        with preloaded("tests.support.clients.told") as found:
            yield found


@pytest.mark.parametrize("status", [0, 3, -9])
def test_it_has_the_streams_the_environment_and_the_status(command: tuple[str, ...], status: int) -> None:
    environment = {"STATUS": str(status)}
    done = subprocess.run(
        command, input="hello\n", capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "said hello\n", "")


def test_it_has_the_arguments_and_the_folder_and_is_interrupted(command: tuple[str, ...], tmp_path: Path) -> None:
    with subprocess.Popen([*command, "a b", "c"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"a b c {tmp_path}\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 7


def test_each_run_is_a_process_of_its_own(command: tuple[str, ...]) -> None:
    def number() -> str:
        done = subprocess.run(
            command, input="number\n", capture_output=True, text=True, env={"STATUS": "0"}, timeout=60, check=True
        )
        return done.stdout

    assert number() != number()
