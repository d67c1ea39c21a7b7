"""Locks that are free in the child of a fork, and forks that wait until other threads have loaded modules."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Final

import pytest

from odyssey_proto._base.forks import Lock
from tests.support.forked import held_by_another_thread, in_child

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")


def test_it_is_a_lock() -> None:
    lock = Lock()
    with lock:
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=0.001)
    assert lock.acquire(blocking=False)
    lock.release()
    with pytest.raises(RuntimeError):
        lock.release()


def test_it_is_free_in_a_child_whoever_holds_it_in_the_parent() -> None:
    lock = Lock()
    with held_by_another_thread(lock):
        assert in_child(lock.acquire) == "True"
        assert not lock.acquire(blocking=False)


def test_it_is_a_lock_in_the_child_too() -> None:
    lock = Lock()

    def use() -> list[bool]:
        with lock:
            within = lock.acquire(blocking=False)
        return [within, lock.acquire(blocking=False), lock.acquire(blocking=False)]

    with held_by_another_thread(lock):
        assert in_child(use) == "[False, True, False]"


def test_the_child_of_a_child_has_it_free_again() -> None:
    lock = Lock()

    def hold() -> str:
        with held_by_another_thread(lock):
            return in_child(lock.acquire)

    with held_by_another_thread(lock):
        assert in_child(hold) == repr("True")


def test_who_forks_while_holding_it_lets_go_of_it_in_both_processes() -> None:
    lock = Lock()

    def leave() -> bool:
        lock.release()
        return lock.acquire(blocking=False)

    with lock:
        assert in_child(leave) == "True"
        assert not lock.acquire(blocking=False)


def test_a_condition_can_be_built_on_it() -> None:
    changed = threading.Condition(Lock())  # type: ignore[arg-type]

    def use() -> bool:
        with changed:
            changed.notify()
            return changed.wait(0.001)

    with held_by_another_thread(changed):
        assert in_child(use) == "False"
    assert not use()


# The module is not executed until the hook `released_by` of the fork, and 0.1 s longer: after the hook "before",
# the main thread waits by then, or has forked. Python itself forks only while no finder is at work.
LOADING: Final = """
import importlib.machinery, os, signal, sys, threading
import odyssey_proto
from odyssey_proto import Odyssey
from odyssey_proto._base import forks
forks._LOADING_S = float("inf")  # a busy machine loads slowly

name, statement, released_by = sys.argv[1:]
loading = threading.Event()
released = threading.Event()

class Slow:
    def find_spec(self, wanted, path, *_):
        if wanted != name or threading.current_thread() is threading.main_thread():
            return None
        spec = importlib.machinery.PathFinder.find_spec(wanted, path)
        execute = spec.loader.exec_module
        def late(module):
            loading.set()
            released.wait()
            threading.Event().wait(0.1)
            execute(module)
        spec.loader.exec_module = late
        return spec

sys.meta_path.insert(0, Slow())
threading.Thread(target=lambda: exec(statement), daemon=True).start()
loading.wait()
os.register_at_fork(**{released_by: released.set})  # as "before", it comes before that of the library
if not os.fork():
    signal.alarm(20)
    print(type(odyssey_proto.Session).__name__, flush=True)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def loading(module: str, statement: str, released_by: str) -> list[str]:
    command = [sys.executable, "-c", LOADING, module, statement, released_by]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("module", ["odyssey_proto.session", "odyssey_models.channel"])
def test_a_child_can_load_what_another_thread_was_loading(module: str) -> None:
    assert loading(module, "odyssey_proto.Session", "before") == ["type", "0"]


def test_what_the_program_itself_loads_is_not_waited_for() -> None:
    assert loading("colorsys", "import colorsys", "after_in_parent") == ["type", "0"]


def test_a_module_that_forks_while_it_is_imported_does_not_wait() -> None:
    code = """
import importlib.abc, importlib.machinery, sys
class Forks(importlib.abc.Loader):
    def find_spec(self, name, *_):
        if name == "forks":
            return importlib.machinery.ModuleSpec(name, self)
    def exec_module(self, module):
        import os
        if not os.fork():
            os._exit(0)
        os.wait()
import odyssey_proto._base.forks as forks
forks._LOADING_S = float("inf")
sys.meta_path.append(Forks())
import forks
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
