"""The settings of an emulator: its address, the capabilities of its streamers, and its limits.

All settings are checked here, before a socket is opened. Nothing is read from the environment.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, cast, get_args

import attrs

from .._base.errors import OdysseyConfigError
from .._base.hosts import host_named, origin_named
from .._base.public_path import publish
from ._own_worlds.protocol import METHODS, World

__all__ = ["CODECS", "SECOND_CONNECTIONS", "Codecs", "EmulatorConfig", "EmulatorSettings", "paced"]

Codecs = Literal["h264", "vp8", "both"]
CODECS: Final = get_args(Codecs)
SECOND_CONNECTIONS: Final = ("replaces", "beside")
_LEAST_SIZE: Final = (512, 32)
"""Width and height of the stamp, in px."""
_LARGEST_EDGE: Final = 4096
"""Maximum width and height, in px."""


def _text(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise OdysseyConfigError(f"{attribute.name} must be non-empty text")


def _flag(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise OdysseyConfigError(f"{attribute.name} must be True or False, not {value!r}")


def _whole(least: int, most: int | None = None, *, optional: bool = False) -> Any:
    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if optional and value is None:
            return
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < least
            or (most is not None and value > most)
        ):
            span = f"at least {least}" if most is None else f"from {least} to {most}"
            raise OdysseyConfigError(f"{attribute.name} must be a whole number {span}, not {value!r}")

    return check


def _above_zero(*, optional: bool = False) -> Any:
    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if optional and value is None:
            return
        # An integer may be larger than any float, and `math.isfinite` would raise.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
            raise OdysseyConfigError(f"{attribute.name} must be a number above 0, not {value!r}")

    return check


def _pace(_: Any, __: Any, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (0 < value <= sys.float_info.max or value == math.inf):
        raise OdysseyConfigError(f"pace must be a number above 0, or math.inf, not {value!r}")


def _codec(_: Any, __: Any, value: Any) -> None:
    if value not in CODECS:
        raise OdysseyConfigError(f"codec must be one of {', '.join(CODECS)}, not {value!r}")


def _check_second(_: Any, __: Any, value: Any) -> None:
    if value not in SECOND_CONNECTIONS:
        raise OdysseyConfigError(
            f"second_connection must be one of {', '.join(SECOND_CONNECTIONS)}, not {value!r}"
        )


def _check_size(_: Any, __: Any, value: Any) -> None:
    valid = isinstance(value, tuple) and len(value) == 2 and all(type(edge) is int for edge in value)
    in_range = valid and all(
        least <= edge <= _LARGEST_EDGE and edge % 2 == 0 for least, edge in zip(_LEAST_SIZE, value, strict=True)
    )
    if not in_range:
        raise OdysseyConfigError(
            f"size must be a width and a height in px, both even, from {_LEAST_SIZE[0]}×{_LEAST_SIZE[1]}"
            f" to {_LARGEST_EDGE}×{_LARGEST_EDGE}, not {value!r}"
        )


_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _regions(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(value.items())
    return value if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)


def _check_regions(_: Any, __: Any, value: Any) -> None:
    valid = isinstance(value, tuple) and all(
        isinstance(pair, tuple)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and _REGION.fullmatch(pair[0])
        and isinstance(pair[1], int | float)
        and not isinstance(pair[1], bool)
        and 0 <= pair[1] <= sys.float_info.max
        for pair in value
    )
    if not valid:
        raise OdysseyConfigError("regions must map names of letters, digits, - and _ to a delay in s, at least 0")


def _servers(value: Any) -> Any:
    if value is None or isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return tuple(dict(server) if isinstance(server, Mapping) else server for server in value)


def _check_servers(_: Any, __: Any, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, tuple) or not all(isinstance(server, dict) and "urls" in server for server in value):
        raise OdysseyConfigError('ice_servers must be None or a list like [{"urls": "stun:127.0.0.1:3478"}]')


def _path(value: Any) -> Any:
    return Path(value) if isinstance(value, str | os.PathLike) and str(value) else value


def _check_path(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not isinstance(value, Path):
        raise OdysseyConfigError(f"{attribute.name} must be None or a path, not {value!r}")


def _check_world(_: Any, __: Any, value: Any) -> None:
    is_named = isinstance(value, str | os.PathLike) and bool(str(value).strip())
    if value is None or is_named or callable(value) or any(hasattr(value, name) for name in METHODS):
        return
    raise OdysseyConfigError(
        "world must be a class, a factory or an object with start, interact and picture, the name of one as"
        f' "module:Name", or the path of a video or a folder of pictures, not {value!r}'
    )


def _words(value: Any) -> Any:
    return value if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)


def _check_words(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(word, str) and word for word in value):
        raise OdysseyConfigError(f"{attribute.name} must be a list of non-empty words")


def _check_hosts(_: Any, __: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(host, str) and host_named(host) for host in value):
        raise OdysseyConfigError(
            f"allow_hosts must be a list of names and addresses without a port, not {value!r}"
        )


def _check_origins(_: Any, __: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(text, str) and origin_named(text) for text in value):
        raise OdysseyConfigError(
            f"allow_origins must be a list of origins, such as https://app.example.org, not {value!r}"
        )


@attrs.frozen(kw_only=True)
class EmulatorConfig:
    """All settings of an emulator.

    Raises:
        OdysseyConfigError: a setting has the wrong type or is out of range.

    >>> EmulatorConfig(seed=7).codec
    'both'
    """

    host: str = attrs.field(default="127.0.0.1", validator=_text)
    """Address or name to listen on."""
    port: int = attrs.field(default=0, validator=_whole(0, 65535))
    """TCP port to listen on; 0 takes a free one."""
    allow_hosts: tuple[str, ...] = attrs.field(default=(), converter=_words, validator=_check_hosts)
    """Names and addresses, without a port, by which callers may name it, in addition to those of loopback,
    ``host``, and the address at which a call arrives. A call with any other ``Host`` is refused: a hostile web
    page may have pointed its own domain here."""
    allow_origins: tuple[str, ...] = attrs.field(default=(), converter=_words, validator=_check_origins)
    """Origins of the web pages that may call it, such as ``https://app.example.org`` or ``null``, in addition to
    those of loopback and of the host that they call, on any port. No page may call ``/_emulator``."""
    seed: int = attrs.field(default=0, validator=_whole(0))
    """Seed of the worlds: the same seed and prompts give the same pictures."""
    sloppy: int | None = attrs.field(default=None, validator=_whole(0, optional=True))
    """Seed of a sloppy service: everything it sends takes forms that tolerant readers accept, chosen at random,
    with the same meaning. Requests are read as strictly as ever. With None, it follows the protocol exactly."""
    codec: Codecs = attrs.field(default=cast("Any", "both"), validator=_codec)
    """Video codecs to offer: ``h264``, ``vp8``, or ``both`` with H.264 first."""
    world: str | os.PathLike[str] | World | Callable[[], World] | None = attrs.field(
        default=None, validator=_check_world
    )
    """The world that streams and simulations show in place of the emulator's own. A class with the methods of
    `World`, or a function that makes an object with them, is called for each stream; an object with them serves
    all streams, one at a time. ``"package.module:Name"`` names one of these. The path of a video, or of a folder
    of pictures, plays it again and again, the pictures in the order of their names. Simulations are filmed in
    another process, which must be able to import the world. With None, they show the emulator's own."""
    world_fps: float | None = attrs.field(default=None, validator=_above_zero(optional=True))
    """Pictures per second from a folder of pictures. With None, it is ``fps``."""
    stamp: bool | None = attrs.field(default=None, validator=attrs.validators.optional(_flag))
    """Whether every picture carries its number and time (`odyssey_proto.emulator.read_stamp`). None: those of the
    emulator's own worlds do, those of ``world`` do not."""
    size: tuple[int, int] = attrs.field(default=(1280, 704), converter=_words, validator=_check_size)
    """Width and height of a picture in landscape, in px: both even, from 512×32 to 4096×4096. A portrait picture
    swaps them, and has no stamp if that makes it narrower than 512 px. Small pictures cost less CPU."""
    fps: int = attrs.field(default=20, validator=_whole(1, 60))
    """Pictures per second."""
    pace: float = attrs.field(default=1.0, validator=_pace)
    """How many times faster than real time the emulator's waits pass: those for the pings of regions, for the
    ``seconds`` of faults, for ``max_stream_s`` and ``max_session_s``, and between the records of a ``replay``.
    ``math.inf`` waits for nothing. Pictures of the worlds come as often as ever, and what clients measure by their
    own clocks (keepalives, the lifetimes of tokens) stays unchanged."""
    replay: Path | None = attrs.field(default=None, converter=_path, validator=_check_path)
    """A live cassette (`odyssey_proto.Session.capture`) to serve instead of the worlds. Each session gets the
    recorded behaviour of the service, from the cassette's beginning, in real time or as fast as ``pace`` says."""
    bitrate: int | None = attrs.field(default=None, validator=_whole(1_000_000, 16_000_000, optional=True))
    """Bit rate of a stream, in bits per s, from 1 to 16 million: 5 to 80 packets per picture at 20 fps, spread
    over the time until the next picture. Smooth pictures do not need so many bits: add ``grain``. With None, it
    begins with 1 million (VP8: 0.5), follows the client's estimate, and sends the packets of a picture at once."""
    congestion_control: bool = attrs.field(default=False, validator=_flag)
    """Whether the bit rate follows the link, from 0.3 million to ``bitrate``, and begins at half of ``bitrate``.
    The offer then asks for transport-wide feedback; without it, the rate is the client's estimate (REMB).
    Spectators get the maximum."""
    grain: int = attrs.field(default=0, validator=_whole(0, 16))
    """Strength of the film grain in streams, in levels of brightness; with 10, a stream fills any ``bitrate``."""
    data_dir: Path | None = attrs.field(default=None, converter=_path, validator=_check_path)
    """Folder that keeps recordings, jobs, used hours and keys across restarts; created if missing. With None, they
    stay in a temporary folder until the emulator stops."""
    record: bool = attrs.field(default=True, validator=_flag)
    """Whether live streams are recorded."""

    streamers: int = attrs.field(default=8, validator=_whole(0))
    """Streamers in the pool; a session request gets 503 while all are in use."""
    image_to_video: bool = attrs.field(default=True, validator=_flag)
    """Whether a stream may start from an image."""
    bypass_privilege: bool = attrs.field(default=True, validator=_flag)
    """Whether every key may bypass the expansion of prompts."""
    blocked_words: tuple[str, ...] = attrs.field(default=("forbidden",), converter=_words, validator=_check_words)
    """Moderation refuses a prompt that contains one of these words."""
    regions: tuple[tuple[str, float], ...] = attrs.field(
        default=(("us-west", 0.0), ("us-east", 0.0), ("eu-central", 0.0)),
        converter=_regions,
        validator=_check_regions,
    )
    """Names of regions and the delay of each one's ping, in s. Pairs or a mapping."""
    ice_servers: tuple[dict[str, Any], ...] | None = attrs.field(
        default=None, converter=_servers, validator=_check_servers, repr=False
    )
    """ICE servers that ``/config`` returns. With None, it returns the emulator's own STUN server, so that no
    client asks a public one. List a TURN server only if it works: browsers then use nothing else."""

    concurrent_sessions: int = attrs.field(default=1, validator=_whole(0))
    """Sessions that one key may have open at once."""
    monthly_hours: float | None = attrs.field(default=None, validator=_above_zero(optional=True))
    """Hours of video per key and calendar month; None for no limit."""
    rate_limit: int | None = attrs.field(default=None, validator=_whole(1, optional=True))
    """Calls per key and minute; None for no limit."""
    concurrent_simulations: int | None = attrs.field(default=None, validator=_whole(0, optional=True))
    """Jobs of one key that may be pending or running at once; None for no limit."""
    max_simulation_s: float = attrs.field(default=600, validator=_above_zero())
    """Maximum length of a stream in a script, in s of video; a longer one makes its job fail."""
    simulation_workers: int = attrs.field(default=1, validator=_whole(0, 16))
    """Processes that work on jobs; with 0, jobs stay pending."""
    url_ttl_s: float = attrs.field(default=3600, validator=_above_zero())
    """Lifetime of an artifact's address, in s."""
    token_ttl_s: float = attrs.field(default=3600, validator=_above_zero())
    """Lifetime of an access token, in s."""
    second_connection: str = attrs.field(default="replaces", validator=_check_second)
    """The effect of a second connection to a session. It ``replaces`` the first, which gets an ``error`` and is
    closed; or it stands ``beside`` the first, which keeps its video until its WebSocket ends. Answers of the
    streamer then go to the newer of the two. The service's behaviour is not known: clients should work with
    both."""
    session_token_ttl_s: float = attrs.field(default=600, validator=_above_zero())
    """Lifetime of a session token, in s."""
    stale_after_s: float = attrs.field(default=40, validator=_above_zero())
    """Time without a keepalive after which a session is cleared, in s."""
    max_stream_s: float | None = attrs.field(default=None, validator=_above_zero(optional=True))
    """Maximum length of a stream, in s. It then ends with an ``interactive_stream_error``, reason
    ``session_timeout``. None for no limit."""
    max_session_s: float | None = attrs.field(default=None, validator=_above_zero(optional=True))
    """Maximum length of a session, in s. It then ends with a signaling ``error``, reason
    ``duration_limit_reached``. None for no limit."""

    def __attrs_post_init__(self) -> None:
        if self.congestion_control and self.bitrate is None:
            raise OdysseyConfigError("congestion_control needs a bitrate, which is then the maximum")
        if self.replay is not None and self.world is not None:
            raise OdysseyConfigError("replay and world exclude each other: a cassette is served instead of worlds")

    @property
    def stamps_pictures(self) -> bool:
        """Whether pictures carry a stamp: ``stamp``, or the default for ``world``."""
        return self.world is None if self.stamp is None else self.stamp


class EmulatorSettings(TypedDict, total=False):
    """The settings of `EmulatorConfig` as keywords, for type checkers."""

    host: str
    port: int
    allow_hosts: Sequence[str]
    allow_origins: Sequence[str]
    seed: int
    sloppy: int | None
    codec: Codecs
    world: str | os.PathLike[str] | World | Callable[[], World] | None
    world_fps: float | None
    stamp: bool | None
    size: tuple[int, int]
    fps: int
    pace: float
    bitrate: int | None
    congestion_control: bool
    grain: int
    second_connection: Literal["replaces", "beside"]
    replay: str | os.PathLike[str] | None
    data_dir: str | os.PathLike[str] | None
    record: bool
    streamers: int
    image_to_video: bool
    bypass_privilege: bool
    blocked_words: Sequence[str]
    regions: Mapping[str, float] | Sequence[tuple[str, float]]
    ice_servers: Sequence[Mapping[str, Any]] | None
    concurrent_sessions: int
    monthly_hours: float | None
    rate_limit: int | None
    concurrent_simulations: int | None
    max_simulation_s: float
    simulation_workers: int
    url_ttl_s: float
    token_ttl_s: float
    session_token_ttl_s: float
    stale_after_s: float
    max_stream_s: float | None
    max_session_s: float | None


def paced(config: EmulatorConfig, seconds: float) -> float:
    """Return how long an emulator with ``config`` waits instead of ``seconds``, in s.

    >>> paced(EmulatorConfig(pace=10), 5)
    0.5
    """
    return seconds / config.pace


publish("odyssey_proto.emulator", EmulatorConfig, EmulatorSettings)
