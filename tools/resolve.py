"""Checks the dependencies: their lowest and newest releases, on every supported system.

    python -m tools.resolve tests lowest        # or newest, or prereleases, or several, as in lowest,newest
    python -m tools.resolve environments lowest # only makes the environments, while something else runs
    python -m tools.resolve wheels

`tests` creates an environment for each supported Python on this machine, with the lowest releases that
pyproject.toml allows, the newest ones, or prereleases. There, it runs the tests that touch dependencies; with the
newest releases, the inner loop and more. `wheels` installs nothing: it checks that every dependency has a wheel
for each supported system and Python. All query the package index through `uv`. The supported Pythons are those in
the classifiers of pyproject.toml.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from tools.inner_loop import INNER_LOOP

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SYSTEMS", "Outcome", "interpreter", "main", "promised", "summary"]

SYSTEMS: Final = {
    "Windows": "x86_64-pc-windows-msvc",
    "macOS 14 on Apple silicon": "aarch64-apple-darwin",
    "Linux (glibc 2.28)": "x86_64-manylinux_2_28",
    "Linux on arm64 (glibc 2.28)": "aarch64-manylinux_2_28",
}
"""The supported systems, and uv's names for them."""

_ROOT: Final = Path(__file__).resolve().parents[1]
_PROJECT: Final = _ROOT / "pyproject.toml"
_ENVIRONMENTS: Final = _ROOT / ".venvs"
_OLDEST_MACOS: Final = "14.0"
_PYTHON_CLASSIFIER: Final = "Programming Language :: Python :: 3."
_SETS: Final = {
    "lowest": ("--resolution", "lowest-direct", "--only-binary", ":all:"),
    "newest": ("--resolution", "highest", "--only-binary", ":all:"),
    "prereleases": ("--resolution", "highest", "--only-binary", ":all:", "--prerelease", "allow"),
}
"""The options for uv. Only wheels count: we do not promise that a source distribution builds."""
_TOUCHING: Final = (
    # One of them simulates 1,600 links, and needs no dependency.
    ("tests/unit/_net", "--ignore=tests/unit/_net/webrtc/test_recovery.py"),
    (
        *(
            "tests/unit/test_private_parts.py",
            "tests/unit/cli",
            "tests/unit/_video",
            "tests/unit/_live/test_driver.py",
            "tests/unit/test_values.py",
        ),
        *("tests/live/test_peer.py", "tests/live/test_spectator_hls.py"),
    ),
)
"""Tests of the code that relies on dependencies."""
_OF_MORE_PYTHONS: Final = (
    (
        *(*INNER_LOOP, "--ignore=tests/unit/_net"),
        # These need packages that only developers install.
        *("--ignore=tests/unit/test_citations.py", "--ignore=tests/wire/test_spec.py"),
    ),
    ("tests/unit/_net",),
    ("tests/live/test_exit.py", "tests/live/test_spectator_hls.py"),
)
"""The inner loop, and the tests of the parts that differ most between Pythons."""
_TESTS: Final = {"lowest": _TOUCHING, "newest": _OF_MORE_PYTHONS, "prereleases": _TOUCHING}
"""The arguments of each process, by set. There are several, because one would wait most of the time."""
_SIDE_BY_SIDE: Final = 3 * (os.cpu_count() or 1)
"""How many environments are tested at the same time. Their processes spend part of the time waiting."""
_FAILURES: Final = ("FAILED ", "ERROR ")
"""The beginnings of pytest's lines about failed tests."""
_LAST_LINES: Final = 20
"""How many lines are repeated of a failed run without failed tests: pytest was killed, or could not start."""
_UNREACHABLE: Final = ("error sending request", "failed to fetch", "dns error", "network connectivity is disabled")


def promised() -> list[str]:
    """Return the versions of Python in the classifiers, such as ``3.11``."""
    project: dict[str, Any] = tomllib.loads(_PROJECT.read_text("utf-8"))["project"]
    return [
        f"3.{classifier.removeprefix(_PYTHON_CLASSIFIER)}"
        for classifier in project["classifiers"]
        if classifier.startswith(_PYTHON_CLASSIFIER)
    ]


def interpreter(version: str) -> str | None:
    """Return the path of a version of Python on this machine; None if it is not installed."""
    environments = [dict(os.environ)]
    if shutil.which("pyenv"):  # pyenv's commands work only for the selected version
        latest = subprocess.run(["pyenv", "latest", version], capture_output=True, text=True, check=False)
        environments.append({**os.environ, "PYENV_VERSION": latest.stdout.strip()})
    command = [f"python{version}", "-c", "import sys; print(sys.executable)"]
    if shutil.which(command[0]) is None:
        return None
    for environment in environments:
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.strip()
    return None


class _UnreachableIndexError(Exception):
    """The package index does not answer, so its releases are unknown."""


class _NoEnvironmentError(Exception):
    """The environment cannot be made. The text is `uv`'s."""


@attrs.frozen
class Outcome:
    """How one process of tests ended."""

    title: str
    status: int
    """The exit status of pytest; 0 if the run was skipped, 1 if its environment cannot be made."""
    output: str

    def verdict(self) -> list[str]:
        """Return how it ended, and, if it failed, which tests did."""
        lines = self.output.rstrip().splitlines() or ["no output"]
        if not self.status:
            return [f"{self.title}: {lines[-1]}"]
        failed = [line for line in lines if line.startswith(_FAILURES)]
        return [f"{self.title}: failed, status {self.status}: {lines[-1]}", *(failed or lines[-_LAST_LINES:])]


def _uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", "--no-config", *arguments]
    done = subprocess.run(command, cwd=_ROOT, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stderr, end="", file=sys.stderr, flush=True)
    if done.returncode and any(text in done.stderr.lower() for text in _UNREACHABLE):
        raise _UnreachableIndexError
    if done.returncode:
        raise _NoEnvironmentError(done.stderr)


def _environment(version: str, python: str, which: str) -> tuple[Path, str]:
    """Create or update the environment of one Python and one set; return its interpreter and the pinned
    releases."""
    folder = _ENVIRONMENTS / f"{version}-{which}"
    if not folder.exists():
        _uv("venv", "--quiet", "--python", python, str(folder))
    own = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pins = folder / "pins.txt"
    selected = (*_SETS[which], "--python", str(own))
    _uv(
        *("pip", "compile", "--quiet", "--upgrade", *selected, "--extra", "cli", "--extra", "conformance"),
        *("--no-annotate", "--no-header", "--output-file", str(pins), str(_PROJECT)),
    )
    # The tests' own packages are not under test: the newest that are compatible with these will do.
    prereleases = ("--prerelease", "allow") if which == "prereleases" else ()
    _uv(
        *("pip", "install", "--quiet", "--python", str(own), "--constraints", str(pins), *prereleases),
        *("--editable", ".[cli,conformance]", "--group", "test"),
    )
    return own, pins.read_text("utf-8")


def run_tests(runs: Iterable[tuple[str, str]], arguments: list[str]) -> int:
    """Run the tests with each set of dependencies on each Python of ``runs``; return the exit status.

    A supported Python that is not installed, or a package index that does not answer, is not a failure.
    """
    outcomes = []
    # Side by side, because most tests wait most of the time, and one environment is made while another is tested.
    with concurrent.futures.ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for ended in pool.map(lambda run: _run_one(run[0], run[1], arguments), runs):
            for outcome in ended:
                print(f"{outcome.title}\n{outcome.output}", flush=True)
            outcomes += ended
    print(summary(outcomes), flush=True)
    return next((outcome.status for outcome in outcomes if outcome.status), 0)


def make_environments(runs: Iterable[tuple[str, str]]) -> int:
    """Make the environment of each of ``runs``, and return the exit status, which is always 0.

    An environment that cannot be made is not a failure here: the run of its tests tries again, and reports it.
    """
    for which, version in runs:
        python = interpreter(version)
        if python is not None:
            with contextlib.suppress(_UnreachableIndexError, _NoEnvironmentError):
                _environment(version, python, which)
    return 0


def summary(outcomes: Iterable[Outcome]) -> str:
    """Return how each environment ended, with failures at the end: a log that is cut keeps its end."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.status != 0)
    return "\n".join(["", *(line for outcome in ordered for line in outcome.verdict())])


def _run_one(which: str, version: str, arguments: list[str]) -> list[Outcome]:
    """Run the tests on one Python; return how each of its processes ended."""
    title = f"--- Python {version}, {which}"
    python = interpreter(version)
    if python is None:
        return [Outcome(title, 0, "skipped, not on this machine")]
    try:
        own, pins = _environment(version, python, which)
    except _UnreachableIndexError:
        return [Outcome(title, 0, "skipped, the package index does not answer")]
    except _NoEnvironmentError as exc:
        return [Outcome(title, 1, f"the environment cannot be made: {exc}")]
    print(f"{title}: {python}\n{pins}", flush=True)
    parts = [tuple(arguments)] if arguments else _TESTS[which]
    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        return [
            Outcome(title if len(parts) == 1 else f"{title}, part {number}", done.returncode, done.stdout)
            for number, done in enumerate(pool.map(functools.partial(_pytest, own), parts), 1)
        ]


def _pytest(python: Path, arguments: Iterable[str]) -> subprocess.CompletedProcess[str]:
    # No workers: each would read all tests first, and other environments are tested at the same time.
    command = [str(python), "-m", "pytest", "-q", *arguments]
    # Without the settings of the shell: only the packages just installed take part. The tests start thousands of
    # threads, whose arenas would take 1 GB, and hundreds of processes, in which BLAS would start threads.
    environment = {**os.environ, "PYTHONPATH": "", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        command,
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def find_wheels(versions: Iterable[str]) -> int:
    """Print which systems and Pythons have wheels of the lowest and newest releases; return the exit status."""
    status = 0
    for version in versions:
        for system, platform in SYSTEMS.items():
            for which in ("lowest", "newest"):
                command = [
                    *(sys.executable, "-m", "uv", "--no-config", "pip", "compile", "--quiet"),
                    *("--python-version", version, "--python-platform", platform, *_SETS[which]),
                    *("--extra", "cli", "--extra", "conformance", str(_PROJECT)),
                ]
                environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": _OLDEST_MACOS}
                found = subprocess.run(
                    command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
                )
                print(f"Python {version}, {system}, {which}: {'no' if found.returncode else 'yes'}", flush=True)
                if found.returncode:
                    print(found.stderr, file=sys.stderr, flush=True)
                    status = 1
    return status


def _sets(text: str) -> list[str]:
    named = text.split(",")
    if unknown := sorted(set(named) - set(_SETS)):
        raise argparse.ArgumentTypeError(f"no such set: {', '.join(unknown)}; there are {', '.join(_SETS)}")
    return named


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.resolve", description="Try other dependencies.")
    parser.add_argument(
        "--python", action="append", metavar="3.X", help="only this one (default: all supported versions)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    tests = commands.add_parser("tests", help="run the tests that touch dependencies")
    for command in (tests, commands.add_parser("environments", help="make the environments for these tests")):
        command.add_argument("which", type=_sets, metavar=",".join(_SETS), help="the releases, one set or several")
        command.add_argument(
            "--others", action="store_true", help="leave out this Python, except for the lowest releases"
        )
    tests.add_argument("arguments", nargs="*", metavar="ARG", help="for pytest (default: tests that fit the set)")
    commands.add_parser("wheels", help="look for wheels for every system")
    options, more = parser.parse_known_args(arguments)
    versions = options.python or promised()
    if options.command == "wheels":
        return find_wheels(versions)
    if options.python and (absent := [version for version in versions if interpreter(version) is None]):
        print(f"not on this machine: Python {', '.join(absent)}", file=sys.stderr)
        return 1
    this = f"3.{sys.version_info.minor}"
    runs = [
        (which, version)
        for which in options.which
        for version in versions
        if not (options.others and version == this and which != "lowest")
    ]
    if options.command == "environments":
        return make_environments(runs)
    return run_tests(runs, [*options.arguments, *more])


if __name__ == "__main__":
    sys.exit(main())
