"""The background loop: its thread and its work, neither of which leaves anything behind."""

import asyncio
import concurrent.futures
import contextlib
import gc
import inspect
import logging
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest

from odyssey_proto._base import event_loop
from odyssey_proto._base.daemon_executor import DaemonExecutor
from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto._base.event_loop import BackgroundLoop, TaskScope, off_loop
from tests.support.leaks import open_descriptors
from tests.support.systems import NEEDS_DEV_FD, NEEDS_FORK

GENEROUS = 30.0  # s; a hang fails, a slow machine does not


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    background = BackgroundLoop("odyssey-test")
    background.start()
    yield background
    assert background.stop(GENEROUS)


async def give(value: str) -> str:
    return value


async def _own_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def threads_named(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(name)]


def script(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=GENEROUS, check=False
    )


class TestStartAndStop:
    def test_the_thread_is_a_named_daemon_while_it_runs_and_gone_after(self) -> None:
        loop = BackgroundLoop("odyssey-test")
        assert not loop.running
        loop.start()
        assert loop.running
        assert threads_named("odyssey-test") == ["odyssey-test"]
        assert loop.run(_is_daemon(), GENEROUS)
        assert loop.stop(GENEROUS)
        assert not loop.running
        assert threads_named("odyssey-test") == []

    def test_starting_twice_is_starting_once(self, loop: BackgroundLoop) -> None:
        loop.start()
        assert threads_named("odyssey-test") == ["odyssey-test"]

    def test_stopping_twice_or_without_a_start_is_harmless(self) -> None:
        loop = BackgroundLoop("odyssey-test")
        assert loop.stop()
        loop.start()
        assert loop.stop(GENEROUS)
        assert loop.stop()

    def test_what_was_stopped_for_good_never_starts_again(self) -> None:
        for has_run in (True, False):
            loop = BackgroundLoop("odyssey-test")
            if has_run:
                loop.start()
            assert loop.stop(GENEROUS, for_good=True)
            with pytest.raises(OdysseyConnectionError) as caught:
                loop.start()
            assert caught.value.code == "closed"
            assert threads_named("odyssey-test") == []

    def test_it_is_of_the_same_kind_whatever_the_user_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Foreign(asyncio.SelectorEventLoop):
            pass

        monkeypatch.setattr(asyncio, "new_event_loop", Foreign)  # as a user's policy, or Windows, may do
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        own = loop.run(_own_loop(), GENEROUS)
        assert isinstance(own, asyncio.SelectorEventLoop)
        assert not isinstance(own, Foreign)
        assert loop.stop(GENEROUS)

    def test_it_is_made_and_closed_on_its_own_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On Windows, an event loop created on the main thread takes over the wake-up by signals."""
        made_on, closed_on = [], []

        class Noted(event_loop._Loop):
            def __init__(self, executor: DaemonExecutor) -> None:
                made_on.append(threading.current_thread().name)
                super().__init__(executor)

            def close(self) -> None:
                closed_on.append(threading.current_thread().name)
                super().close()

        monkeypatch.setattr(event_loop, "_Loop", Noted)
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        assert loop.stop(GENEROUS)
        assert made_on == closed_on == ["odyssey-test"]

    def test_a_start_that_is_interrupted_leaves_no_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(concurrent.futures.Future, "result", interrupt)  # Ctrl-C while waiting for the loop
        with pytest.raises(KeyboardInterrupt):
            BackgroundLoop("odyssey-test").start()
        for thread in threading.enumerate():
            if thread.name == "odyssey-test":
                thread.join(GENEROUS)
        assert threads_named("odyssey-test") == []

    def test_it_can_be_started_again(self, loop: BackgroundLoop) -> None:
        loop.stop(GENEROUS)
        loop.start()
        assert loop.run(give("again"), GENEROUS) == "again"

    @NEEDS_DEV_FD
    def test_it_leaves_no_descriptor_open(self) -> None:
        before = open_descriptors()
        for _ in range(5):
            loop = BackgroundLoop("odyssey-test")
            loop.start()
            loop.run(give("x"), GENEROUS)
            loop.stop(GENEROUS)
        assert open_descriptors() == before

    def test_a_thread_that_does_not_end_in_time_is_left_alone_with_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        goes_on = threading.Event()
        started = threading.Event()
        loop.call_soon(lambda: (started.set(), goes_on.wait(GENEROUS)))
        assert started.wait(GENEROUS)
        thread = next(each for each in threading.enumerate() if each.name == "odyssey-test")
        assert not loop.stop(0.01)
        assert "did not end" in caplog.text
        assert not loop.running
        goes_on.set()
        thread.join(GENEROUS)
        assert not thread.is_alive()

    def test_stop_works_while_another_thread_waits_for_a_result(self, loop: BackgroundLoop) -> None:
        errors: list[OdysseyConnectionError] = []
        waiting = threading.Event()

        async def wait() -> None:
            waiting.set()
            await for_ever()

        def call() -> None:
            try:
                loop.run(wait(), None)
            except OdysseyConnectionError as exc:
                errors.append(exc)

        caller = threading.Thread(target=call)
        caller.start()
        assert waiting.wait(GENEROUS)
        loop.stop(GENEROUS)
        caller.join(GENEROUS)
        assert [str(error) for error in errors] == ["The client is closed"]

    def test_no_resources_for_the_loop_is_a_connection_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: DaemonExecutor) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(event_loop, "_Loop", refuse)
        with pytest.raises(OdysseyConnectionError, match="out of threads or file descriptors"):
            BackgroundLoop().start()

    @NEEDS_DEV_FD
    def test_no_thread_for_the_loop_is_a_connection_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        before = open_descriptors()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            loop = BackgroundLoop()
            with pytest.raises(OdysseyConnectionError, match="out of threads or file descriptors"):
                loop.start()
        assert not loop.running
        assert open_descriptors() == before

    def test_it_is_garbage_once_stopped(self) -> None:
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        loop.stop(GENEROUS)
        gone = weakref.ref(loop)
        del loop
        gc.collect()
        assert gone() is None


class TestRunning:
    def test_run_returns_the_result_from_the_loops_thread(self, loop: BackgroundLoop) -> None:
        async def where() -> str:
            return threading.current_thread().name

        assert loop.run(where(), GENEROUS) == "odyssey-test"

    def test_run_raises_what_the_coroutine_raises(self, loop: BackgroundLoop) -> None:
        async def fail() -> None:
            raise KeyError("inside")

        with pytest.raises(KeyError, match="inside"):
            loop.run(fail(), GENEROUS)

    def test_run_gives_up_in_time_and_cancels(self, loop: BackgroundLoop) -> None:
        cancelled = threading.Event()

        async def wait() -> None:
            try:
                await for_ever()
            finally:
                cancelled.set()

        with pytest.raises(TimeoutError):
            loop.run(wait(), 0.05)
        assert cancelled.wait(GENEROUS)

    def test_run_works_inside_a_running_loop(self, loop: BackgroundLoop) -> None:
        async def caller() -> str:
            return loop.run(give("inside"), GENEROUS)

        assert asyncio.run(caller()) == "inside"

    def test_cancelling_the_future_cancels_the_task(self, loop: BackgroundLoop) -> None:
        started, cancelled = threading.Event(), threading.Event()

        async def wait() -> None:
            started.set()
            try:
                await for_ever()
            finally:
                cancelled.set()

        future = loop.submit(wait())
        assert started.wait(GENEROUS)
        assert future.cancel()
        assert cancelled.wait(GENEROUS)

    def test_calls_come_in_their_order(self, loop: BackgroundLoop) -> None:
        calls: list[int] = []
        for number in range(100):
            loop.call_soon(calls.append, number)
        loop.run(give("after"), GENEROUS)
        assert calls == list(range(100))

    def test_a_failing_call_prints_nothing_and_harms_nothing(
        self, loop: BackgroundLoop, capfd: pytest.CaptureFixture[str]
    ) -> None:
        loop.call_soon(lambda: [][0])
        assert loop.run(give("on"), GENEROUS) == "on"
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("blocking", ["run", "stop"])
    def test_blocking_calls_on_its_own_thread_are_refused(self, loop: BackgroundLoop, blocking: str) -> None:
        async def block() -> None:
            if blocking == "run":
                loop.run(give("x"), GENEROUS)
            else:
                loop.stop()

        with pytest.raises(RuntimeError, match="would wait for itself"):
            loop.run(block(), GENEROUS)

    def test_submitting_on_its_own_thread_works(self, loop: BackgroundLoop) -> None:
        async def submit() -> str:
            return await asyncio.wrap_future(loop.submit(give("nested")))

        assert loop.run(submit(), GENEROUS) == "nested"


class TestAfterTheEnd:
    @pytest.mark.parametrize("started", [False, True])
    def test_submit_raises_and_closes_the_coroutine(self, started: bool) -> None:
        loop = BackgroundLoop()
        if started:
            loop.start()
            loop.stop(GENEROUS)
        coroutine = give("late")
        with pytest.raises(OdysseyConnectionError, match="The client is closed"):
            loop.submit(coroutine)
        with pytest.raises(RuntimeError, match="cannot reuse"):
            coroutine.send(None)

    @pytest.mark.parametrize("started", [False, True])
    def test_call_soon_is_dropped(self, started: bool) -> None:
        loop = BackgroundLoop()
        if started:
            loop.start()
            loop.stop(GENEROUS)
        loop.call_soon(pytest.fail)

    def test_submitting_while_it_stops_never_leaves_a_future_that_waits(self) -> None:
        for _ in range(50):
            loop = BackgroundLoop("odyssey-test")
            loop.start()
            futures: list[concurrent.futures.Future[str]] = []
            go = threading.Barrier(2)

            def flood(
                loop: BackgroundLoop = loop,
                go: threading.Barrier = go,
                futures: list[concurrent.futures.Future[str]] = futures,
            ) -> None:
                go.wait(GENEROUS)
                with contextlib.suppress(OdysseyConnectionError):
                    while True:
                        futures.append(loop.submit(give("x")))
                        loop.call_soon(len, "x")

            flooding = threading.Thread(target=flood)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                flooding.start()
                go.wait(GENEROUS)
                loop.stop(GENEROUS)
                flooding.join(GENEROUS)
            assert not flooding.is_alive()
            for future in futures:
                with contextlib.suppress(OdysseyConnectionError, concurrent.futures.CancelledError):
                    assert future.result(GENEROUS) == "x"

    def test_a_coroutine_that_comes_in_the_last_iteration_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        life, late = loop._life, give("x")
        assert life is not None
        futures: list[concurrent.futures.Future[str]] = []

        async def submit_once_more() -> None:
            futures.append(life.submit(late, None))

        monkeypatch.setattr(life.loop, "shutdown_asyncgens", submit_once_more)  # the loop runs this last
        assert loop.stop(GENEROUS)
        assert inspect.getcoroutinestate(late) == inspect.CORO_CLOSED
        with pytest.raises(OdysseyConnectionError, match="The client is closed"):
            futures[0].result(GENEROUS)

    def test_a_future_that_a_stubborn_task_never_finishes_raises(self) -> None:
        loop = BackgroundLoop("odyssey-test")
        loop.start()

        async def refuse() -> None:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.get_running_loop().create_future()

        future = loop.submit(refuse())
        loop.run(give("it has started"), GENEROUS)
        assert loop.stop(GENEROUS)
        with pytest.raises(OdysseyConnectionError, match="The client is closed"):
            future.result(GENEROUS)


class TestWindingUp:
    def test_is_not_cut_short_when_nobody_has_the_loop_any_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(event_loop._TASKS_END_S, "submitted", GENEROUS)
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        life = loop._life
        assert life is not None
        goes_on, ended = threading.Event(), threading.Event()

        async def end_slowly() -> None:
            try:
                await for_ever()
            finally:
                while not goes_on.is_set():
                    await asyncio.sleep(0.001)
                ended.set()

        loop.submit(end_slowly())
        loop.run(give("it has started"), GENEROUS)
        assert not loop.stop(0.0)
        gone = weakref.ref(loop)
        del loop
        gc.collect()
        assert gone() is None
        goes_on.set()
        assert ended.wait(GENEROUS)
        life.thread.join(GENEROUS)
        assert not life.thread.is_alive()

    def test_what_was_submitted_may_finish_its_end_before_the_rest_is_cancelled(self) -> None:
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        order: list[str] = []
        ready = threading.Event()

        async def helper() -> None:
            try:
                await for_ever()
            finally:
                order.append("library task cancelled")

        async def owner() -> None:
            background = asyncio.create_task(helper())
            ready.set()
            try:
                await for_ever()
            finally:
                await asyncio.sleep(0)
                order.append("owner has ended" if not background.done() else "too late")

        loop.submit(owner())
        assert ready.wait(GENEROUS)
        assert loop.stop(GENEROUS)
        assert order == ["owner has ended", "library task cancelled"]

    def test_worker_threads_of_the_executor_are_gone(self, loop: BackgroundLoop) -> None:
        async def work() -> threading.Thread:
            return await asyncio.get_running_loop().run_in_executor(None, threading.current_thread)

        worker = loop.run(work(), GENEROUS)
        assert worker.name.startswith("odyssey-test-worker")
        loop.stop(GENEROUS)
        worker.join(GENEROUS)  # the loop waits only briefly for its workers to end
        assert threads_named("odyssey-test") == []

    def test_async_generators_are_closed(self, loop: BackgroundLoop) -> None:
        closed = threading.Event()

        async def generator() -> AsyncIterator[int]:
            try:
                while True:
                    yield 1
            finally:
                closed.set()

        async def take_one() -> int:
            return await anext(numbers)

        numbers = generator()
        loop.run(take_one(), GENEROUS)
        loop.stop(GENEROUS)
        assert closed.is_set()


class TestTaskScope:
    def test_owns_what_is_submitted_under_it_and_all_that_this_starts(self, loop: BackgroundLoop) -> None:
        scope = TaskScope()

        async def library() -> None:
            asyncio.ensure_future(for_ever())  # noqa: RUF006 - as aiortc does
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(for_ever()))
            await for_ever()

        async def state() -> int:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return len(scope)

        loop.submit(library(), scope)
        assert loop.run(state(), GENEROUS) == 3

    def test_cancels_its_own_tasks_and_no_others(self, loop: BackgroundLoop) -> None:
        scope, other = TaskScope(), TaskScope()
        mine = loop.submit(for_ever(), scope)
        theirs = loop.submit(for_ever(), other)
        nobodys = loop.submit(for_ever())
        assert loop.run(scope.cancel(GENEROUS), GENEROUS)
        assert mine.cancelled()
        assert not theirs.done()
        assert not nobodys.done()

    def test_cancelling_spares_the_task_that_asks(self, loop: BackgroundLoop) -> None:
        scope = TaskScope()

        async def ask() -> str:
            await scope.cancel(GENEROUS)
            return "spared"

        assert loop.submit(ask(), scope).result(GENEROUS) == "spared"

    def test_reports_a_task_that_does_not_end(self, loop: BackgroundLoop) -> None:
        scope = TaskScope()
        let_go = asyncio.Event()

        async def refuse() -> None:
            while not let_go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await let_go.wait()

        async def ask() -> bool:
            await asyncio.sleep(0)
            return await scope.cancel(0.01)

        loop.submit(refuse(), scope)
        assert loop.run(ask(), GENEROUS) is False
        loop.call_soon(let_go.set)

    def test_spawns_under_itself_wherever_it_is_called(self, loop: BackgroundLoop) -> None:
        scope = TaskScope()

        async def spawn() -> int:
            scope.spawn(for_ever())
            return len(scope)

        assert loop.run(spawn(), GENEROUS) == 1

    def test_a_failure_that_nobody_asks_for_is_logged_and_not_printed(
        self, loop: BackgroundLoop, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail() -> None:
            raise ConnectionError("nobody asks")

        async def library() -> None:
            asyncio.ensure_future(fail())  # noqa: RUF006 - as aiortc does
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        with caplog.at_level(logging.DEBUG, logger="odyssey_proto.live"):
            loop.submit(library(), TaskScope()).result(GENEROUS)
            gc.collect()
        assert capfd.readouterr().err == ""
        assert "ConnectionError" in caplog.text

    def test_a_failure_outside_any_scope_is_not_printed_either(
        self, loop: BackgroundLoop, capfd: pytest.CaptureFixture[str]
    ) -> None:
        async def fail() -> None:
            raise ConnectionError("nobody asks")

        async def library() -> None:
            asyncio.ensure_future(fail())  # noqa: RUF006 - as aiortc does
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            gc.collect()

        loop.run(library(), GENEROUS)
        assert capfd.readouterr().err == ""


class TestOffLoop:
    def test_gives_the_result_of_another_thread(self, loop: BackgroundLoop) -> None:
        def where() -> tuple[str, bool]:
            thread = threading.current_thread()
            return thread.name, thread.daemon

        assert loop.run(off_loop(where), GENEROUS) == ("odyssey-worker", True)

    def test_raises_what_the_function_raises(self, loop: BackgroundLoop) -> None:
        with pytest.raises(OSError, match="no such name"):
            loop.run(off_loop(_fail, OSError("no such name")), GENEROUS)

    def test_a_call_that_is_given_up_holds_nobody_up(self, loop: BackgroundLoop) -> None:
        started, released, ended = threading.Event(), threading.Event(), threading.Event()

        def hang() -> None:
            started.set()
            released.wait()
            ended.set()

        given_up = loop.submit(off_loop(hang))
        try:
            assert started.wait(GENEROUS)
            assert given_up.cancel()
            assert loop.run(give("on"), GENEROUS) == "on"
        finally:
            released.set()
        assert ended.wait(GENEROUS)

    def test_a_call_may_outlive_the_loop(self) -> None:
        loop = BackgroundLoop("odyssey-test")
        loop.start()
        released, started = threading.Event(), threading.Event()
        threads: list[threading.Thread] = []

        def hang() -> None:
            threads.append(threading.current_thread())
            started.set()
            released.wait(GENEROUS)

        loop.submit(off_loop(hang))
        assert started.wait(GENEROUS)
        assert loop.stop(GENEROUS)
        released.set()
        threads[0].join(GENEROUS)
        assert not threads[0].is_alive()


class TestInterpreterExit:
    def test_a_loop_that_nobody_stopped_is_stopped(self) -> None:
        done = script(
            "import asyncio, threading\n"
            "from odyssey_proto._base.event_loop import BackgroundLoop\n"
            "ready = threading.Event()\n"
            "async def work():\n"
            "    try:\n"
            "        ready.set(); await asyncio.sleep(1000)\n"
            "    finally:\n"
            "        print('ended in order', flush=True)\n"
            "class Patient(BackgroundLoop):\n"
            "    def stop(self): return super().stop(20)  # the usual second is too short on a busy machine\n"
            "loop = Patient(); loop.start(); loop.submit(work()); ready.wait()\n"
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "ended in order\n", "")

    @NEEDS_FORK
    def test_a_forked_child_leaves_the_parents_loop_alone(self) -> None:
        done = script(
            "import os, warnings; warnings.simplefilter('ignore')\n"
            "from odyssey_proto._base.errors import OdysseyConnectionError\n"
            "from odyssey_proto._base.event_loop import BackgroundLoop\n"
            "async def give(): return 'parent works'\n"
            "loop = BackgroundLoop(); loop.start(); loop.run(give(), 10)\n"
            "if os.fork() == 0:\n"
            "    try: loop.submit(give())\n"
            "    except OdysseyConnectionError as exc: print('child:', exc, flush=True)\n"
            "    raise SystemExit(0 if not loop.running and loop.stop() else 1)\n"
            "print(os.waitstatus_to_exitcode(os.wait()[1]), loop.run(give(), 10))\n"
        )
        assert (done.stdout, done.stderr) == ("child: The client is closed\n0 parent works\n", "")

    @NEEDS_FORK
    def test_a_forked_child_restarts_the_loop_whatever_another_thread_did_at_the_fork(self) -> None:
        done = script(
            "import os, warnings; warnings.simplefilter('ignore')\n"
            "from odyssey_proto._base.event_loop import BackgroundLoop\n"
            "async def give(): return 'works'\n"
            "loop = BackgroundLoop(); loop.start()\n"
            "loop._lock.acquire()  # as another thread in `start` or `stop` does\n"
            "if os.fork() == 0:\n"
            "    loop.start(); print('child', loop.run(give(), 10), loop.stop(10), flush=True)\n"
            "    os._exit(0)\n"
            "loop._lock.release()\n"
            "os.wait(); print('parent', loop.run(give(), 10))\n"
        )
        assert (done.stdout, done.stderr) == ("child works True\nparent works\n", "")


async def _is_daemon() -> bool:
    return threading.current_thread().daemon


def _fail(error: Exception) -> None:
    raise error
