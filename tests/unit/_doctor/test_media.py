"""The checks that need only this machine. tests/live/test_command_doctor.py covers a machine without faults."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import av
import pytest
from av.codec.codec import UnknownCodecError

from odyssey_proto._doctor.media import check_codecs, check_round_trip


@pytest.mark.parametrize(
    ("missing", "outcome", "words"),
    [
        ((), "ok", "H.264 and VP8 can be decoded"),
        (("vp8",), "warning", "cannot decode VP8"),
        (("h264", "vp8"), "failed", "cannot decode H.264 and VP8"),
    ],
)
def test_each_decoder_is_looked_for(
    missing: tuple[str, ...], outcome: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = av.codec.Codec

    def codec(name: str, mode: Any) -> Any:
        if name in missing:
            raise UnknownCodecError(name)
        return real(name, mode)

    monkeypatch.setattr(av.codec, "Codec", codec)
    found = check_codecs()
    assert found.outcome == outcome
    assert words in found.text
    assert bool(found.advice) == bool(missing)
    assert found.details["decoders"] == [name for name in ("h264", "vp8") if name not in missing]


def test_a_library_that_cannot_be_loaded_is_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def load(name: str, *args: Any, **known: Any) -> Any:
        if name == "av":
            raise ImportError("libavcodec.so.62: cannot open shared object file")
        return real(name, *args, **known)

    monkeypatch.delitem(sys.modules, "av")
    monkeypatch.setattr(builtins, "__import__", load)
    found = check_codecs()
    assert (found.outcome, found.text.startswith("PyAV cannot be loaded: libavcodec")) == ("failed", True)


def test_a_machine_that_does_not_reach_itself_is_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("odyssey_proto._net.sockets.dial", refuse)
    found = check_round_trip(30)
    assert (found.outcome, found.code) == ("failed", "refused")
    assert "127.0.0.1" in found.advice
