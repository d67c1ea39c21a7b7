"""Actions at the end of a process, and in the child of a fork; each test in a separate process."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap

import pytest

from tests.support.systems import NEEDS_FORK

BEGIN = """
import multiprocessing, os, sys
from odyssey_proto._base import process_end

process_end.at_exit(lambda: print("first", os.getpid() == parent, flush=True))

@process_end.at_exit
def fails():
    raise ZeroDivisionError

process_end.at_exit(lambda: print("last", os.getpid() == parent, flush=True))
process_end.after_fork_in_child(lambda: print("forked", flush=True))
parent = os.getpid()
"""


def printed(program: str) -> list[str]:
    command = [sys.executable, "-c", textwrap.dedent(BEGIN) + textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def test_the_last_one_added_comes_first_and_one_that_fails_keeps_nobody() -> None:
    assert printed("") == ["last True", "first True"]


@pytest.mark.parametrize("ending", ["sys.exit(0)", "raise SystemExit"])
def test_it_happens_however_the_program_ends(ending: str) -> None:
    assert printed(ending) == ["last True", "first True"]


@NEEDS_FORK
def test_a_forked_child_that_leaves_without_a_word_ends_nothing() -> None:
    program = """
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    """
    assert printed(program) == ["forked", "last True", "first True"]


@pytest.mark.parametrize("method", [pytest.param("fork", marks=NEEDS_FORK), "spawn"])
def test_a_child_of_multiprocessing_that_expects_its_end_has_one(method: str) -> None:
    program = f"""
    if __name__ == "__main__":
        child = multiprocessing.get_context({method!r}).Process(target=process_end.expect)
        child.start()
        child.join()
    """
    seen = printed(program)
    assert seen[-2:] == ["last True", "first True"]
    if method == "fork":  # a spawned child has none of these actions: it imports only what it unpickles
        assert seen[:-2] == ["forked", "last False", "first False"]


@NEEDS_FORK
@pytest.mark.parametrize("library", ["multiprocess", "billiard"])
def test_a_child_of_a_library_made_after_multiprocessing_has_an_end_too(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")
    program = f"""
    import {library}
    child = {library}.get_context("fork").Process(target=process_end.expect)
    child.start()
    child.join()
    """
    assert printed(program) == ["forked", "last False", "first False", "last True", "first True"]


@NEEDS_FORK
def test_a_worker_of_billiard_ends_after_what_others_do_at_its_end() -> None:
    if importlib.util.find_spec("billiard") is None:
        pytest.skip("needs billiard")
    program = """
    import billiard
    from billiard.pool import Pool
    others = lambda pid, status: print("others", pid == os.getpid(), flush=True)
    pool = Pool(1, on_process_exit=others, context=billiard.get_context("fork"))
    pool.apply(process_end.expect)
    pool.close()
    pool.join()
    """
    seen = printed(program)
    assert seen[:4] == ["forked", "others True", "last False", "first False"]
    assert seen[-2:] == ["last True", "first True"]


def test_it_says_when_it_has_begun() -> None:
    program = """
    print(process_end.is_ending(), flush=True)
    process_end.at_exit(lambda: print(process_end.is_ending(), flush=True))
    """
    assert printed(program) == ["False", "True", "last True", "first True"]


def test_a_process_that_multiprocessing_did_not_make_ends_once() -> None:
    assert printed("process_end.expect()") == ["last True", "first True"]
