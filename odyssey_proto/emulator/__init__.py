"""The whole Odyssey service on one port of this machine, for tests and offline work.

It answers with bodies of the service's shape, real tokens and real video, and identifies itself in every answer
(``Server: odyssey-emulator``). It shares the message models with the client but none of its logic, so that each
checks the other. Needs the extra ``emulator``.

    with Emulator() as emulator:
        client = Odyssey(emulator.api_key, api_url=emulator.api_url)

`Emulator.requests`, `Emulator.prompts`, `Emulator.sessions` and `Emulator.messages` show what clients asked of it,
and `Emulator.faults` makes steps fail. Under pytest, `odyssey_proto.pytest_plugin` has fixtures.

Its worlds are painted; an object with the methods of `World`, such as a model or a simulator, can replace them.
Every painted picture carries a stamp with its number and time; `read_stamp` reads it from a decoded picture.
`watching` shows all calls and messages.

It logs to ``odyssey_proto.emulator`` and, below that, to ``.http``, ``.signaling``, ``.streamer``, ``.peer``,
``.broadcast``, ``.recordings``, ``.jobs``, ``.worlds`` and ``.sloppiness``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._base.lazy_names import lazy_names

if TYPE_CHECKING:
    from .._model.traffic import Exchange as Exchange
    from .._model.traffic import Message as Message
    from .._video.stamp import Stamp as Stamp
    from ._config import EmulatorConfig as EmulatorConfig
    from ._config import EmulatorSettings as EmulatorSettings
    from ._faults.script import Fault as Fault
    from ._faults.script import FaultScript as FaultScript
    from ._notebook import SeenMessage as SeenMessage
    from ._notebook import SeenRequest as SeenRequest
    from ._notebook import SeenSession as SeenSession
    from ._notebook import SeenStream as SeenStream
    from ._own_worlds.protocol import World as World
    from ._server import Emulator as Emulator
    from ._stamps import read_stamp as read_stamp
    from ._stamps import stamp_latency_ms as stamp_latency_ms
    from ._traffic import watching as watching

# Loaded on first use: the help of the command reads the settings, but needs no emulator.
_MODULES: Final = {
    ".._model.traffic": ("Exchange", "Message"),
    ".._video.stamp": ("Stamp",),
    "._config": ("EmulatorConfig", "EmulatorSettings"),
    "._faults.script": ("Fault", "FaultScript"),
    "._notebook": ("SeenMessage", "SeenRequest", "SeenSession", "SeenStream"),
    "._own_worlds.protocol": ("World",),
    "._server": ("Emulator",),
    "._stamps": ("read_stamp", "stamp_latency_ms"),
    "._traffic": ("watching",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # type checkers read the imports above, and find no other name
    __all__, _load, __dir__ = lazy_names(__name__, _MODULE_OF)

    def __getattr__(name: str) -> Any:
        if name in _MODULE_OF:
            _expect_the_extra()
        return _load(name)


def _expect_the_extra() -> None:
    try:
        import aiohttp  # noqa: F401  # the emulator cannot be loaded without it
        import PIL  # noqa: F401  # ditto
    except ImportError as exc:
        from .._base.errors import MissingExtraError

        raise MissingExtraError('The emulator needs more packages: pip install "odyssey-proto[emulator]"') from exc
