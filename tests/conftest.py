"""Fixtures for emulators and clients, and a check that a test leaves nothing behind.

Each test gets its own emulators and clients, because an emulator starts in a few ms. Clients are closed before
emulators stop; the check for leftovers comes after that.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import pytest

from odyssey_proto import AdvancedConfig, Odyssey
from odyssey_proto._base import errands
from odyssey_proto.conformance._witness import Witness
from odyssey_proto.emulator._server import Emulator
from odyssey_proto.emulator._traffic import watching
from tests.support.leaks import assert_gone, unfinished_tasks
from tests.support.order import mixed
from tests.support.processes import PATIENCE_S
from tests.support.rewriting import rewrite_share
from tests.support.scheduling import GroupScheduling
from tests.support.sloppy import reason_to_leave_out

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

    from odyssey_proto import Session


# Background jobs of a shell ignore SIGINT, and jobs of nohup ignore SIGHUP; so do their children. A script in a
# terminal ignores neither.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Decoders in tests may have threads. A forked child that deletes such a decoder waits for its threads, or crashes:
# unused decoders are deleted before the fork.
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=gc.collect)


SPARING: Final[dict[str, Any]] = {"record": False, "size": (512, 64)}
"""Settings with which an emulator needs a tenth of the CPU: hardly any test checks recordings or the size.

At this size, landscape pictures have room for their stamp, and portrait ones do not. A test that checks the size,
or the content of the pictures, is marked ``full_size``.
"""

OURS: Final = ("odyssey-proto/",)
"""The beginning of our client's User-Agent: other clients are not judged, and some break the protocol."""

SHARED: Final = ("netns", "coturn", "janus", "chromium")
"""Markers of tests that take turns when tests run side by side: tests with the same marker run on one worker.

So do all tests marked `measures`, except those with one of these markers or with an ``xdist_group`` of their own.
"""

LONGEST_IN_NAME: Final = 200
"""The longest value that the name of a test shows in full, in characters or bytes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--phase",
        choices=("together", "alone"),
        help="run what may run side by side, or what is marked `measures` (default: both, and `generators`)",
    )
    parser.addoption(
        "--sloppy",
        type=int,
        metavar="SEED",
        help="make emulators sloppy, and skip the tests that look at the form of what they send",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip files without tests of the phase: ``tests/measured`` has all tests marked `measures`, and no others."""
    phase = config.getoption("--phase")
    if phase is None or not collection_path.is_file():
        return None
    return (collection_path.parent.name == "measured") != (phase == "alone") or None


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shorten a long value in a test's name: some have several MB, and workers send each name five times."""
    if not isinstance(val, str | bytes) or len(val) <= LONGEST_IN_NAME:
        return None
    return f"{val[:20]!a} and more, {len(val)} in all"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Turn off the garbage collector during the collection: it takes an eighth of the time and finds little."""
    gc.disable()
    try:
        rewrite_share(session.config, Path(__file__).parent)
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    phase = config.getoption("--phase")
    sloppy = config.getoption("--sloppy") is not None
    chosen: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        if shared := next(filter(item.get_closest_marker, SHARED), None):
            item.add_marker(pytest.mark.xdist_group(shared))
        elif item.get_closest_marker("measures") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("measures"))
        if sloppy and (reason := reason_to_leave_out(item.nodeid)):
            item.add_marker(pytest.mark.skip(reason=reason))
        alone = item.get_closest_marker("measures") is not None
        by_command = item.get_closest_marker("generators") is not None
        runs = phase is None or (alone == (phase == "alone") and not by_command)
        (chosen if runs else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = mixed(chosen) if phase == "together" else chosen


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return GroupScheduling(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run if xdist has not read the groups: tests that share a server would run at the same time."""
    if getattr(session.config.option, "loadgroup", False):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError("pytest-xdist does not group tests with this pytest: install pytest<9.2")


@pytest.fixture(scope="session", autouse=True)
def the_collected_tests_are_set_aside() -> None:
    """Exempt the collected tests from garbage collection: checking their million objects would dominate each test.

    The collector also runs less often: at its usual rate, it takes a tenth of the time of the tests that stream.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@pytest.fixture(scope="session", autouse=True)
def witness() -> Iterator[Witness]:
    """Observes all traffic between emulators and clients of this process, in every test."""
    seen = Witness(OURS)
    with watching(seen):
        yield seen
    assert seen.violations() == []


@pytest.fixture(autouse=True)
def the_contract_holds(witness: Witness) -> Iterator[None]:
    """Fail a test in which an emulator or our client violated ``spec/``."""
    yield
    if violations := witness.violations():
        pytest.fail(
            "the contract was broken:\n" + "\n".join(found.with_value() for found in violations), pytrace=False
        )


class MakeEmulator(Protocol):
    """Starts an emulator with the settings `SPARING`, except for those that the test names.

    With the option ``--sloppy``, it is sloppy too.
    """

    def __call__(self, **settings: Any) -> Emulator: ...


class MakeClient(Protocol):
    """Makes a client of an emulator, with its key, quick retries, and any other options of the test."""

    def __call__(self, emulator: Emulator, api_key: str | None = None, **options: Any) -> Odyssey: ...


class Background(Protocol):
    """Calls a function on a separate thread and returns a future of its result."""

    def __call__(self, call: Callable[..., Any], *args: Any, **options: Any) -> concurrent.futures.Future[Any]: ...


@attrs.frozen
class _Held:
    """The resources of this process that a test may leave behind."""

    threads: frozenset[threading.Thread]
    descriptors: frozenset[tuple[str, str]]
    tasks: int

    @classmethod
    def now(cls) -> _Held:
        descriptors = set()
        for path in Path("/proc/self/fd").iterdir():  # Linux only, as are the other system parts of these tests
            with contextlib.suppress(OSError):  # the descriptor of the listing itself
                descriptors.add((path.name, str(path.readlink())))
        return cls(frozenset(threading.enumerate()), frozenset(descriptors), len(unfinished_tasks()))

    def more_than(self, before: _Held) -> list[object]:
        threads = [thread.name for thread in self.threads - before.threads if thread.is_alive()]
        tasks = [f"{self.tasks - before.tasks} tasks"] if self.tasks > before.tasks else []
        return [*threads, *(self.descriptors - before.descriptors), *tasks]


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Assert that the test left no thread (ours or aiortc's), no descriptor and no task."""
    before = _Held.now()
    yield
    assert_gone(lambda: _Held.now().more_than(before))


@pytest.fixture
def make_emulator(request: pytest.FixtureRequest, nothing_left: None) -> Iterator[MakeEmulator]:
    full_size = request.node.get_closest_marker("full_size") is not None
    usual = {name: value for name, value in SPARING.items() if name != "size" or not full_size}
    usual["sloppy"] = request.config.getoption("--sloppy")
    with contextlib.ExitStack() as running:
        yield lambda **settings: running.enter_context(Emulator(**{**usual, **settings}))


@pytest.fixture
def emulator(make_emulator: MakeEmulator) -> Emulator:
    return make_emulator()


@pytest.fixture
def make_client(make_emulator: MakeEmulator) -> Iterator[MakeClient]:
    with contextlib.ExitStack() as made:

        def make(emulator: Emulator, api_key: str | None = None, **options: Any) -> Odyssey:
            advanced: dict[str, Any] = {"initial_retry_delay_ms": 10, "max_retry_delay_ms": 50}
            advanced |= {
                name: options.pop(name) for name in [*options] if name in attrs.fields_dict(AdvancedConfig)
            }
            options.setdefault("advanced", AdvancedConfig(**advanced))
            return made.enter_context(Odyssey(api_key or emulator.api_key, api_url=emulator.api_url, **options))

        yield make


@pytest.fixture
def client(emulator: Emulator, make_client: MakeClient) -> Odyssey:
    return make_client(emulator)


@pytest.fixture
def session(client: Odyssey) -> Session:
    """A connected session of `client`."""
    return client.connect(timeout=PATIENCE_S)


@pytest.fixture
def signaling_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delay the report that the peer connection has ended until signaling has reported the reason.

    Both connections end at once; a busy machine may read the two ends in the other order, which counts as a loss.
    """
    monkeypatch.setattr("odyssey_proto._net.webrtc.reports._SETTLING_S", PATIENCE_S)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extend the time limits for giving a session back: a busy machine takes longer than `close` usually waits."""
    monkeypatch.setattr("odyssey_proto.client._CLOSE_S", PATIENCE_S)
    monkeypatch.setattr("odyssey_proto._rest.minting._GIVING_BACK_S", PATIENCE_S)
    for module in ("live_connection", "driver"):  # the first loads the second, and copies its usual limit
        monkeypatch.setattr(f"odyssey_proto._live.{module}.LEAVE_S", PATIENCE_S)
    begin = errands._Errand.__init__

    def begin_unhurried(errand: errands._Errand, work: Callable[[], Any], at_most_s: float | None) -> None:
        begin(errand, work, None if at_most_s is None else PATIENCE_S)  # how long the main thread waits

    monkeypatch.setattr(errands._Errand, "__init__", begin_unhurried)


@pytest.fixture
def in_background(make_emulator: MakeEmulator) -> Iterator[Background]:
    """Calls on other threads. Request this fixture last: it waits for the calls before the clients close."""
    with concurrent.futures.ThreadPoolExecutor(16, thread_name_prefix="caller") as executor:
        yield lambda call, *args, **options: executor.submit(call, *args, **options)
