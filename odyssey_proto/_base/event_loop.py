"""The background thread that runs an asyncio loop; no other module starts a loop.

It hides that the peer connection is asynchronous, even from a caller who runs an event loop. It does not know what
its tasks do, but it knows the owner of each: a `TaskScope` ends the tasks of one owner, including those that a
library started on the owner's behalf, and leaves all others alone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import inspect
import logging
import selectors
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from . import errands, process_end
from .daemon_executor import DaemonExecutor
from .errors import OdysseyConnectionError, internal, no_resources
from .resources import start
from .tracebacks import without_locals
from .weak_set import ConcurrentWeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

__all__ = ["BackgroundLoop", "TaskScope", "off_loop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
log = logging.getLogger("odyssey_proto.live")

# In s. Submitted tasks are cancelled first, with enough time to close what they opened; then all others.
# The sum stays below the time that `stop` waits by default.
_TASKS_END_S: Final = {"submitted": 0.6, "others": 0.2, "workers": 0.1}


_scope: contextvars.ContextVar[TaskScope | None] = contextvars.ContextVar("odyssey_task_scope", default=None)


class TaskScope:
    """The tasks of one owner: those submitted or spawned under it, and all that they start in turn.

    Any thread may create one; everything else is for the loop's thread.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """Return how many of its tasks are not done."""
        return len(self._tasks)

    def context(self) -> contextvars.Context:
        """Return a context in which every new task belongs to this scope."""
        context = contextvars.copy_context()
        context.run(_scope.set, self)
        return context

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task under this scope."""
        return asyncio.get_running_loop().create_task(coroutine, context=self.context())

    def add(self, task: asyncio.Task[Any]) -> None:
        """Own ``task`` until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    async def cancel(self, timeout: float) -> bool:
        """Cancel every task but the caller's, wait for at most ``timeout`` s, and return whether all ended."""
        return await _cancel(self._tasks - {asyncio.current_task()}, timeout)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Retrieving the exception keeps asyncio from printing it when nobody else retrieves it.
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.debug("a task ended with %s", type(exc).__name__, exc_info=without_locals(exc))


class BackgroundLoop:
    """One daemon thread with one asyncio loop, from `start` to `stop`, and again from the next `start`.

    All methods may be called from any thread, except that `run` and `stop` refuse the loop's own thread, where
    they would wait for themselves. A loop that still runs when the interpreter exits is stopped then.
    """

    def __init__(self, name: str = "odyssey-loop") -> None:
        self._name = name
        self._lock = threading.RLock()
        self._life: _Life | None = None
        self._is_over = False
        _started.add(self)

    @property
    def running(self) -> bool:
        """Whether the thread runs and takes work. In a forked child it does not."""
        life = self._life
        return life is not None and life.thread.is_alive()

    def start(self) -> None:
        """Start the thread; do nothing if it already runs.

        Raises:
            OdysseyConnectionError: the loop was stopped for good, or the system is out of threads or descriptors.
        """
        with self._lock:
            if self._is_over:
                raise _closed()
            if not self.running:
                self._life = life = _Life(self._name)
                # Dropping this object without `stop` also ends the thread, without waiting for it.
                weakref.finalize(self, life.end).atexit = False

    def submit(
        self, coroutine: Coroutine[Any, Any, T], scope: TaskScope | None = None
    ) -> concurrent.futures.Future[T]:
        """Run ``coroutine`` on the loop and return its future; cancelling the future cancels the task.

        Args:
            coroutine: what to run.
            scope: the owner of its task and of all tasks that it starts.

        Raises:
            OdysseyConnectionError: the loop does not run; the coroutine is closed. A future that is pending when
                the loop stops is cancelled, or raises this.
        """
        life = self._life
        if life is None or not life.thread.is_alive():
            coroutine.close()
            raise _closed()
        return life.submit(coroutine, scope)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None) -> T:
        """Run ``coroutine`` and return its result; cancel it after ``timeout`` s, or never if that is None.

        Raises:
            TimeoutError: it was not done in time.
            OdysseyConnectionError: the loop does not run, or was stopped meanwhile.
        """
        if self._is_own_thread():
            coroutine.close()
            raise _would_wait_for_itself()
        future = self.submit(coroutine)
        try:
            with errands.woken_by(future.cancel):
                return future.result(timeout)
        except concurrent.futures.CancelledError:
            raise _closed() from None
        except BaseException:
            future.cancel()
            raise

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        """Call ``callback`` on the loop, soon; do nothing if the loop does not run."""
        life = self._life
        if life is None or not life.thread.is_alive():
            return
        try:
            life.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            log.debug("dropped a call made after the loop was closed")

    def stop(self, timeout: float = 1.0, *, for_good: bool = False) -> bool:
        """Cancel all tasks, end the thread and join it for at most ``timeout`` s.

        Return whether the thread has ended. It is a daemon, so it never delays the exit of the interpreter. After
        a stop ``for_good``, `start` raises.
        """
        if self._is_own_thread():
            raise _would_wait_for_itself()
        with self._lock:
            life, self._life = self._life, None
            self._is_over |= for_good
        return life is None or life.stop(timeout)

    def _forget(self) -> None:
        """In a forked child, start over: the thread is in the parent, and any thread may have held the lock."""
        self._lock, self._life = threading.RLock(), None

    def _is_own_thread(self) -> bool:
        life = self._life
        return life is not None and threading.current_thread() is life.thread


class _Life:
    """One loop and its thread, from start to end. The thread refers to this, never to the `BackgroundLoop`."""

    def __init__(self, name: str) -> None:
        self.submitted: set[asyncio.Task[Any]] = set()
        self.futures: set[concurrent.futures.Future[Any]] = set()
        self.arriving: dict[Coroutine[Any, Any, Any], TaskScope | None] = {}
        self.executor = DaemonExecutor(f"{name}-worker")
        self.is_ending = False
        made: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self.thread = threading.Thread(target=self._serve, args=(made,), name=name, daemon=True)
        start(self.thread)
        try:
            self.loop = made.result()
        except OSError as exc:
            raise no_resources(exc) from exc
        except Exception as exc:
            raise internal(exc) from exc
        except BaseException:
            made.add_done_callback(_stop_made)
            raise

    # --- from any thread

    def submit(self, coroutine: Coroutine[Any, Any, T], scope: TaskScope | None) -> concurrent.futures.Future[T]:
        self.arriving[coroutine] = scope
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError as exc:  # the loop closed in between
            self.arriving.pop(coroutine, None)
            coroutine.close()
            raise _closed() from exc
        self.futures.add(future)
        future.add_done_callback(self.futures.discard)
        if self.loop.is_closed():  # `_serve` may have done its last step already
            self._refuse_waiting()
        return future

    def end(self) -> None:
        # Only once: a second time would cut the winding up short. In a forked child, the thread is not alive, and
        # its loop is the parent's.
        if self.thread.is_alive() and not self.is_ending:
            self.is_ending = True
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.loop.stop)

    def stop(self, timeout: float) -> bool:
        self.end()
        self.thread.join(timeout)
        if self.thread.is_alive():
            log.warning("thread %s did not end within %.1f s", self.thread.name, timeout)
            return False
        return True

    # --- on the thread

    def _serve(self, made: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        try:
            self.loop = _Loop(self.executor)
        except BaseException as exc:  # noqa: BLE001  # raised by the thread that waits
            made.set_exception(exc)
            return
        self.loop.set_task_factory(self._make_task)
        self.loop.set_exception_handler(_log_quietly)
        asyncio.set_event_loop(self.loop)
        made.set_result(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self._wind_up())
        finally:
            self.executor.shutdown(wait=False, cancel_futures=True)
            self.executor.join(_TASKS_END_S["workers"])
            asyncio.set_event_loop(None)
            self.loop.close()
            self._refuse_waiting()

    async def _wind_up(self) -> None:
        await asyncio.sleep(0)  # a coroutine submitted at the last moment gets its task
        await _cancel(self.submitted, _TASKS_END_S["submitted"])
        await _cancel(asyncio.all_tasks() - {asyncio.current_task()}, _TASKS_END_S["others"])
        await self.loop.shutdown_asyncgens()

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        submitted = coroutine in self.arriving
        scope = self.arriving.pop(coroutine, None)
        if scope is not None:
            options["context"] = scope.context()
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        if submitted:
            self.submitted.add(task)
            task.add_done_callback(self.submitted.discard)
        context = options.get("context")
        scope = _scope.get() if context is None else context.get(_scope)
        if scope is not None:
            scope.add(task)
        return task

    def _refuse_waiting(self) -> None:
        never_run = tuple(self.arriving)
        self.arriving.clear()
        made = [task.get_coro() for task in tuple(self.submitted)]  # some in the loop's last iteration
        for coroutine in (*never_run, *made):
            if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        for future in tuple(self.futures):
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                future.set_exception(_closed())


class _Loop(asyncio.SelectorEventLoop):
    """A selector loop, the one kind that all systems have, regardless of the user's policy, with its own executor.

    The default on Windows stops reading from a socket once a port of the other side is closed (Python before
    3.11.9 and 3.12.3), and takes the wake-up by signals away from the main thread. The default executor of any
    loop takes no work once the main thread has ended, although a service in another thread may live on.
    """

    def __init__(self, executor: DaemonExecutor) -> None:
        self._executor = executor
        self._failed = False
        selector = selectors.DefaultSelector()
        try:
            super().__init__(selector)
        except OSError:  # no descriptor for its pipe, which asyncio would then try to close
            self._failed = True
            selector.close()
            raise

    def is_closed(self) -> bool:
        return self._failed or super().is_closed()

    def run_in_executor(
        self, executor: concurrent.futures.Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        return super().run_in_executor(executor or self._executor, func, *args)


def _stop_made(made: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
    """Stop a loop whose creator no longer waits for it to start."""
    if made.exception() is None:
        loop = made.result()
        loop.call_soon_threadsafe(loop.stop)


async def off_loop(function: Callable[..., T], *args: Any, name: str = "odyssey-worker") -> T:
    """Call a blocking function on a daemon thread of its own, and return its result.

    The loop's executor would not do: it has few threads, and such a call may hang. If the wait is cancelled, the
    call stays on its thread until it returns.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not future.done():
            set_outcome(outcome)

    def call() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = (future.set_result, function(*args))
        except Exception as exc:  # noqa: BLE001 - it is raised to the waiting task
            outcome = (future.set_exception, exc)
        with contextlib.suppress(RuntimeError):  # the loop has closed: no task waits
            loop.call_soon_threadsafe(settle, *outcome)

    start(threading.Thread(target=call, name=name, daemon=True))
    return await future


async def _cancel(tasks: Iterable[asyncio.Task[Any] | None], timeout: float) -> bool:
    pending = {task for task in tasks if task is not None and not task.done()}
    for task in pending:
        task.cancel()
    if pending:
        # Not gather: a task that refuses to be cancelled must not delay the others.
        _, pending = await asyncio.wait(pending, timeout=timeout)
    return not pending


def _log_quietly(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Everything on this loop has an owner that receives its failures; asyncio would also print a traceback.
    failure = context.get("exception")
    log.debug("asyncio: %s", context.get("message"), exc_info=failure and without_locals(failure))


def _closed() -> OdysseyConnectionError:
    return OdysseyConnectionError("The client is closed", code="closed")


def _would_wait_for_itself() -> RuntimeError:
    return RuntimeError("a blocking call on the loop's own thread would wait for itself")


_started: ConcurrentWeakSet[BackgroundLoop] = ConcurrentWeakSet()


@process_end.at_exit
def _stop_all() -> None:
    # Daemon threads still run here, and in a forked child there is nothing to stop.
    for loop in tuple(_started):
        loop.stop()


@process_end.after_fork_in_child
def _forget_all() -> None:
    for loop in tuple(_started):
        loop._forget()
