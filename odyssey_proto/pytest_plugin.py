"""Fixtures for tests of programs that use this library: an emulator, a client of it, and a connected session.

pytest finds them by itself once the package is installed with the extra ``emulator``. Nothing but this module is
loaded until a test uses one of them.

    @pytest.mark.odyssey(streamers=0)
    def test_my_program_waits_for_a_streamer(odyssey_emulator):
        ...

``odyssey_emulator`` is an `odyssey_proto.emulator.Emulator` of the test's own. While the test runs,
``ODYSSEY_API_KEY`` and ``ODYSSEY_API_URL`` point to it, also in other processes that the test starts.
``odyssey_client`` is an `odyssey_proto.Odyssey` with short timeouts. ``odyssey_session`` is a connected session
of that client.

The marker ``odyssey`` takes every setting of `odyssey_proto.emulator.EmulatorConfig`, and

- ``faults``: a list of `odyssey_proto.emulator.Fault` objects, or of dicts with the same fields;
- ``client``: a dict with arguments of `odyssey_proto.Odyssey` for ``odyssey_client``.

A marker of a function adds to those of its class and its module; for the same setting, it takes precedence.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .client import Odyssey
    from .emulator import Emulator
    from .session import Session

__all__ = ["odyssey_client", "odyssey_emulator", "odyssey_session", "pytest_configure"]

_MARKER: Final = "odyssey"
_SPARING: Final = {"size": (640, 352)}  # a quarter of the pixels
_OWN: Final = ("faults", "client")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**settings): settings of the test's Odyssey emulator, `faults=[…]` and `client={{…}}`",
    )


@pytest.fixture
def odyssey_emulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator of Odyssey for this test, with the settings of the marker `odyssey`."""
    from ._base.errors import CassetteError, OdysseyConfigError
    from .emulator import Emulator, EmulatorConfig, Fault, FaultScript

    asked = _asked(request)
    faults = FaultScript()
    try:
        config = EmulatorConfig(**{**_SPARING, **{name: asked[name] for name in asked if name not in _OWN}})
        for fault in asked.get("faults", ()):
            faults.add(fault if isinstance(fault, Fault) else Fault.from_dict(fault))
    except (OdysseyConfigError, TypeError) as error:
        _refuse(request, str(error))
    emulator = Emulator(config)
    try:
        emulator.start()
    except (CassetteError, OdysseyConfigError) as error:
        _refuse(request, str(error))
    with emulator:
        emulator.faults.add(*faults.pending)
        monkeypatch.setenv("ODYSSEY_API_KEY", emulator.api_key)
        monkeypatch.setenv("ODYSSEY_API_URL", emulator.api_url)
        yield emulator


@pytest.fixture
def odyssey_client(request: pytest.FixtureRequest, odyssey_emulator: Emulator) -> Iterator[Odyssey]:
    """A client of `odyssey_emulator` with short timeouts: a test waits one or two seconds instead of 30."""
    from ._base.errors import OdysseyConfigError
    from ._model.config import AdvancedConfig
    from .client import Odyssey

    hasty = AdvancedConfig(
        max_retries=2,
        initial_retry_delay_ms=20,
        max_retry_delay_ms=100,
        queue_timeout_s=0.5,
        video_timeout_s=2,
    )
    settings: dict[str, Any] = {"advanced": hasty, "timeout": 10, **_asked(request).get("client", {})}
    try:
        client = Odyssey(odyssey_emulator.api_key, api_url=odyssey_emulator.api_url, **settings)
    except (OdysseyConfigError, TypeError) as error:
        _refuse(request, f"client: {error}")
    with client:
        yield client


@pytest.fixture
def odyssey_session(odyssey_client: Odyssey) -> Iterator[Session]:
    """A connected session of `odyssey_client`."""
    with odyssey_client.connect(timeout=30) as session:
        yield session


def _asked(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Return the arguments of a test's markers, after checking their names and some of their types."""
    import attrs

    from .emulator import EmulatorConfig

    known = [*_OWN, *(field.name for field in attrs.fields(EmulatorConfig))]
    asked: dict[str, Any] = {}
    for marker in reversed([*request.node.iter_markers(_MARKER)]):
        if marker.args:
            _refuse(request, f"arguments must be given by name, such as streamers=0, not {marker.args[0]!r}")
        for name in marker.kwargs:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                instead = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
                _refuse(request, f"there is no setting {name!r}{instead}")
        asked |= marker.kwargs
    for name, kind in (("faults", list | tuple), ("client", dict)):
        if name in asked and not isinstance(asked[name], kind):
            _refuse(request, f"{name} must be a {'dict' if kind is dict else 'list'}, not {asked[name]!r}")
    return asked


def _refuse(request: pytest.FixtureRequest, why: str) -> NoReturn:
    # `from None`: the original error has the same text, plus lines of this library, which do not help.
    raise pytest.fail.Exception(f"@pytest.mark.{_MARKER} of {request.node.name}: {why}", pytrace=False) from None
