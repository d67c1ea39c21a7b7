"""Whether this machine can decode the video, and stream one from end to end over its own loopback address."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import attrs

from .._base.errors import MissingExtraError, OdysseyConnectionError
from .examination import failed
from .finding import CheckResult

if TYPE_CHECKING:
    from ..emulator import Emulator

__all__ = ["check_codecs", "check_round_trip"]

_DECODERS: Final = {"h264": "H.264", "vp8": "VP8"}
_AGAIN: Final = "install it again: pip install --force-reinstall --no-cache-dir av"
_LOOPBACK: Final = (
    "this machine does not reach itself at 127.0.0.1, by TCP and UDP: look for a firewall on it, or a container "
    "without a loopback interface"
)
_PICTURES: Final = 10
_SIZE: Final = (512, 64)


def check_codecs() -> CheckResult:
    """Check that there is a decoder for each codec of the service."""
    try:
        import av
        from av.codec import Codec
        from av.codec.codec import UnknownCodecError
    except ImportError as exc:
        text = f"PyAV cannot be loaded: {exc}"
        return CheckResult(name="codecs", outcome="failed", text=text, advice=_AGAIN)
    missing = []
    for codec in _DECODERS:
        try:
            Codec(codec, "r").create()
        except UnknownCodecError:
            missing.append(codec)
    able = [label for codec, label in _DECODERS.items() if codec not in missing]
    ffmpeg = ".".join(map(str, av.library_versions.get("libavcodec", ())))
    details = {"decoders": [codec for codec in _DECODERS if codec not in missing], "libavcodec": ffmpeg}
    if not missing:
        text = f"{' and '.join(able)} can be decoded (PyAV {av.__version__}, libavcodec {ffmpeg})"
        return CheckResult(name="codecs", outcome="ok", text=text, details=details)
    text = f"PyAV {av.__version__} cannot decode {' and '.join(_DECODERS[codec] for codec in missing)}"
    return CheckResult(
        name="codecs", outcome="warning" if able else "failed", text=text, advice=_AGAIN, details=details
    )


def check_round_trip(timeout_s: float) -> CheckResult:
    """Stream from an emulator in this process, and return the finding."""

    try:
        from ..emulator import Emulator
    except MissingExtraError as missing:
        return CheckResult(name="emulator", outcome="skipped", text=missing.message)
    try:
        return _streamed(Emulator, timeout_s)
    except OdysseyConnectionError as error:
        return attrs.evolve(failed("emulator", error), advice=_LOOPBACK)


def _streamed(emulator_class: type[Emulator], timeout_s: float) -> CheckResult:
    from ..client import Odyssey

    began = time.monotonic()
    with (
        emulator_class(record=False, size=_SIZE) as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url, timeout=timeout_s) as client,
        client.connect(timeout=timeout_s) as session,
    ):
        connected_s = time.monotonic() - began
        frames = session.frames(timeout=timeout_s)
        session.start_stream("A cat", portrait=False, timeout=timeout_s)
        for count, _ in enumerate(frames, 1):
            if count == _PICTURES:
                break
        session.interact("It rains", timeout=timeout_s)
        stats = session.stats()
        session.end_stream(timeout=timeout_s)
    latency_ms = None if stats.latency_ms is None else round(stats.latency_ms, 1)
    took_ms = round((time.monotonic() - began) * 1000)
    return CheckResult(
        name="emulator",
        outcome="ok",
        text=f"a stream from an emulator on this machine works: connected in {connected_s:.1f} s, {stats.codec}",
        took_ms=took_ms,
        details={"codec": stats.codec, "connect_ms": round(connected_s * 1000), "latency_ms": latency_ms},
    )
