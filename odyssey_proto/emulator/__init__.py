"""The whole Odyssey service on one port of this machine, for tests and offline work.

It answers with bodies of the service's shape, real tokens and real video, and identifies itself in every answer
(``Server: odyssey-emulator``). It shares the message models with the client but none of its logic, so that each
checks the other. Needs the extra ``emulator``.

    with Emulator() as emulator:
        client = Odyssey(emulator.api_key, api_url=emulator.api_url)

`Emulator.requests`, `Emulator.prompts`, `Emulator.sessions` and `Emulator.messages` answer what was asked of it,
and `Emulator.faults` makes things go wrong. Under pytest, `odyssey_proto.pytest_plugin` has fixtures.

Every picture carries a stamp with its number and time; `read_stamp` reads it from a decoded picture. `watching`
shows all calls and messages.

It logs to ``odyssey_proto.emulator`` and, below that, to ``.http``, ``.signaling``, ``.streamer``, ``.peer``,
``.broadcast``, ``.recordings``, ``.jobs`` and ``.sloppiness``.
"""

from .._base.errors import MissingExtraError
from .._base.public_path import publish

try:
    import aiohttp as _aiohttp  # noqa: F401  # checked first: nothing below can be imported without it
    import PIL as _PIL  # noqa: F401  # ditto
except ImportError as _exc:
    raise MissingExtraError('The emulator needs more packages: pip install "odyssey-proto[emulator]"') from _exc

from .._model.traffic import Exchange, Message
from .._video.stamp import Stamp
from ._config import EmulatorConfig, EmulatorSettings
from ._faults.script import Fault, FaultScript
from ._notebook import SeenMessage, SeenRequest, SeenSession, SeenStream
from ._server import Emulator
from ._stamps import read_stamp, stamp_latency_ms
from ._traffic import watching

__all__ = [
    "Emulator",
    "EmulatorConfig",
    "EmulatorSettings",
    "Exchange",
    "Fault",
    "FaultScript",
    "Message",
    "SeenMessage",
    "SeenRequest",
    "SeenSession",
    "SeenStream",
    "Stamp",
    "read_stamp",
    "stamp_latency_ms",
    "watching",
]

publish(__name__, *map(globals().get, __all__))
