"""Recording of cassettes: each scene is played against an emulator or the service, and its result is checked.

A cassette is written only if the scene ended as expected and nothing in it looks like a secret; otherwise the old
one stays. The objects that a scene requires are created first, without recording.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from odyssey_proto import Odyssey, OdysseyError
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator

from .leaks import leaks
from .plays import SCRIPT
from .scrub import Scrubber
from .stage import Stage
from .tape import recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .scenes import Scene

__all__ = ["Service", "record"]

_FILMED_WITHIN: Final = 600.0  # s
_LOOK_EVERY: Final = {"emulator": 0.1, "service": 5.0}  # s


@attrs.frozen
class Service:
    """The service to record from, and the key for it."""

    api_url: str
    api_key: str = attrs.field(repr=False)
    kind: str = "service"
    """Its name in the cassette: ``emulator`` or ``service``."""


class _Frozen:
    """A stopped clock, so that the rest of the current minute is always the same."""

    def now(self) -> float:
        return 1000.0


def record(scenes: Iterable[Scene], folder: Path, service: Service | None = None) -> list[str]:
    """Write the cassettes of ``scenes`` into ``folder``; return a line for each that failed.

    They come from ``service`` if possible, and otherwise from emulators.
    """
    problems: list[str] = []
    with contextlib.ExitStack() as stack:
        film = _Films(stack, service)
        for scene in scenes:
            with _place(scene, film, service) as (place, given), tempfile.TemporaryDirectory() as scratch:
                fresh = Path(scratch) / f"{scene.name}.yaml"
                problem = _record(scene, place, given, fresh)
                found = leaks(fresh.read_text("utf-8"))
                if problem is None and not found:
                    folder.mkdir(parents=True, exist_ok=True)
                    fresh.replace(folder / fresh.name)
                else:
                    problems.append(f"{scene.name}: {problem or 'not scrubbed: ' + '; '.join(found)}")
    return problems


def _record(scene: Scene, place: Service, given: Mapping[str, str], path: Path) -> str | None:
    """Play ``scene`` and write ``path``; return how it ended if that was not expected, otherwise None."""
    scrubber = Scrubber(place.api_url)
    said = {
        "recorded_from": place.kind,
        "only_from_emulator": scene.only,
        "given": {name: scrubber.text(value) for name, value in given.items()},
    }
    with tempfile.TemporaryDirectory() as scratch:
        if scene.before is not None:
            with Stage(place.api_url, place.api_key, Path(scratch), given) as stage:
                scene.before(stage)
        api_key = scene.api_key or place.api_key
        with (
            recording(path, scrubber, said),
            Stage(place.api_url, api_key, Path(scratch), given) as stage,
        ):
            error = None
            try:
                scene.play(stage)
            except OdysseyError as exc:
                error = exc
    ended = (None, None, None) if error is None else (type(error), error.status, error.code)
    if ended == (scene.raises, scene.status, scene.code):
        return None
    return f"it ended with {ended}, not {(scene.raises, scene.status, scene.code)}"


@contextlib.contextmanager
def _place(scene: Scene, film: _Films, service: Service | None) -> Iterator[tuple[Service, Mapping[str, str]]]:
    """Provide a service for ``scene`` with everything that it requires."""
    if scene.only is None and service is not None:
        yield service, film.of_service if scene.filmed else {}
        return
    with contextlib.ExitStack() as own:
        if scene.filmed:
            emulator, given = film.emulator, film.of_emulator
        else:
            emulator, given = own.enter_context(Emulator(clock=_Frozen(), **scene.settings)), {}
        emulator.faults.add(*[Fault(**fault) for fault in scene.faults])
        own.callback(emulator.faults.clear)
        yield Service(emulator.api_url, emulator.api_key, "emulator"), given


class _Films:
    """Completed simulations, one per service, created on first use."""

    def __init__(self, stack: contextlib.ExitStack, service: Service | None) -> None:
        self._stack = stack
        self._service = service
        self._emulator: Emulator | None = None
        self._given: dict[str, dict[str, str]] = {}

    @property
    def emulator(self) -> Emulator:
        if self._emulator is None:
            self._emulator = self._stack.enter_context(Emulator(clock=_Frozen(), stamp=False))
        return self._emulator

    @property
    def of_emulator(self) -> Mapping[str, str]:
        emulator = self.emulator
        if "emulator" not in self._given:
            self._given["emulator"] = {
                **_filmed(Service(emulator.api_url, emulator.api_key, "emulator")),
                "foreign_job_id": _filmed(Service(emulator.api_url, "ody_another", "emulator"))["job_id"],
            }
        return self._given["emulator"]

    @property
    def of_service(self) -> Mapping[str, str]:
        assert self._service is not None
        if "service" not in self._given:
            self._given["service"] = _filmed(self._service)
        return self._given["service"]


def _filmed(place: Service) -> dict[str, str]:
    with Odyssey(place.api_key, api_url=place.api_url) as client:
        job = client.simulate_and_wait(
            scripts=[SCRIPT, SCRIPT], portrait=False, timeout=_FILMED_WITHIN, poll=_LOOK_EVERY[place.kind]
        )
    return {"job_id": job.job_id, "stream_id": job.streams[0].stream_id}
