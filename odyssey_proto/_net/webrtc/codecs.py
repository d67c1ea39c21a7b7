"""The video codecs of offers and answers: which of them can be decoded here, whether or not aiortc accepts them.

aiortc accepts H.264 only in the baseline profiles and with packetization-mode 1, though it reassembles mode 0 too
and the decoder reads far more. So a description with no such H.264 is shown to aiortc as if it offered some, and
our answer names the real offer. Neither aiortc's list of codecs nor any of its functions is changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..._base.secrets import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiortc import RTCRtpCodecCapability, RTCRtpCodecParameters
    from aiortc.sdp import MediaDescription

    from ..._model.config import VideoCodec

__all__ = ["VideoCodecs", "codec_preferences", "no_codec", "widened"]

_WANTED: Final[dict[VideoCodec, tuple[str, ...]]] = {
    "auto": ("video/H264", "video/VP8"),
    "h264": ("video/H264",),
    "vp8": ("video/VP8",),
}
_NONE: Final[dict[VideoCodec, str]] = {
    "auto": "The streamer offers no video that can be decoded here",
    "h264": "The streamer offers no H.264 that can be decoded here",
    "vp8": "The streamer offers no VP8",
}
_HELPERS: Final = frozenset({"rtx", "red", "ulpfec", "flexfec-03"})  # they carry no video of their own
_SHOWN: Final = 6  # the most codecs in an error text

# The first byte of `profile-level-id` (H.264, annex A): Baseline, Main, Extended, High, High 10, High 4:2:2,
# High 4:4:4 Predictive, CAVLC 4:4:4.
_EXTENDED: Final = 0x58
_PROFILES: Final = frozenset({0x42, 0x4D, _EXTENDED, 0x64, 0x6E, 0x7A, 0xF4, 0x2C})
_ALSO_BASELINE_OR_MAIN: Final = 0xC0  # bits of the second byte; Extended is decoded only if one of them is set
_PAYLOAD_TYPES: Final = range(96, 128)  # for any other, aiortc answers with a number of its own
_DEFAULT_PROFILE: Final = "42e01f"  # as browsers do; RFC 6184 says level 1
_KNOWN: Final = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"  # to aiortc
_MORE: Final = (  # what aiortc does not offer by itself, best first
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
    "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
)
_FEEDBACK: Final = ("nack", "nack pli", "goog-remb")  # as for the codecs that aiortc offers
_ECHOED: Final = (
    "level-asymmetry-allowed",
    "packetization-mode",
    "profile-level-id",
)  # the same in both directions
_FORMAT: Final = re.compile(r"a=fmtp:(\d+)(?= )")


def codec_preferences(codec: VideoCodec) -> list[RTCRtpCodecCapability]:
    """Return the codecs that aiortc may answer with, best first."""
    from aiortc import RTCRtpReceiver

    capabilities = RTCRtpReceiver.getCapabilities("video")
    assert capabilities is not None
    known = capabilities.codecs
    wanted = [each for name in _WANTED[codec] for each in known if each.mimeType == name]
    return wanted + [each for each in known if each.mimeType == "video/rtx"]


def no_codec(codec: VideoCodec, offered: str) -> str:
    """Return the error text for an offer that has none of the wanted codecs."""
    only = f", only {offered}" if offered else ""
    hint = "" if codec == "auto" else "; codec='auto' takes what there is"
    return f"{_NONE[codec]}{only}{hint}"


def widened(offer: str) -> str:
    """Return an offer of aiortc with more kinds of H.264: some servers send only exactly what was offered."""
    taken = {int(number) for number in re.findall(r"^a=rtpmap:(\d+) ", offer, re.MULTILINE)}
    free = (number for number in _PAYLOAD_TYPES if number not in taken)
    added = {number: parameters for parameters, number in zip(_MORE, free, strict=False)}
    lines = [
        line
        for number, parameters in added.items()
        for line in (
            f"a=rtpmap:{number} H264/90000",
            *(f"a=rtcp-fb:{number} {kind}" for kind in _FEEDBACK),
            f"a=fmtp:{number} {parameters}",
        )
    ]
    return re.sub(
        r"^(m=video [^\r\n]*)(.*?)(?=^m=|\Z)",
        lambda found: " ".join([found[1], *map(str, added)]) + found[2] + "".join(f"{line}\r\n" for line in lines),
        offer,
        count=1,
        flags=re.MULTILINE | re.DOTALL,
    )


@attrs.frozen
class VideoCodecs:
    """The video codecs in a description of the other side."""

    names: dict[int, str] = attrs.field(factory=dict)
    """Their names, by payload type."""
    offered: str = ""
    """All of them, for an error text."""
    shown_as_known: dict[int, str] = attrs.field(factory=dict)
    """The true parameters of the codecs that aiortc must be shown with others, by payload type."""

    @classmethod
    def of(cls, media: Iterable[MediaDescription]) -> VideoCodecs:
        """Read the video sections of a description that aiortc has parsed; raise what aiortc raises."""
        found = [codec for each in media if each.kind == "video" for codec in each.rtp.codecs]
        h264 = [codec for codec in found if codec.name.lower() == "h264"]
        hidden = () if any(map(_is_known, h264)) else filter(_is_decoded, h264)
        shown = list(dict.fromkeys(_described(codec) for codec in found if codec.name.lower() not in _HELPERS))
        more = ", …" if len(shown) > _SHOWN else ""
        return cls(
            names={codec.payloadType: codec.name for codec in found if codec.payloadType is not None},
            offered=one_line(", ".join(shown[:_SHOWN]) + more),
            shown_as_known={
                number: _echoed(codec) for codec in hidden if (number := codec.payloadType) is not None
            },
        )

    def disguised(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of a description as aiortc has to see them."""
        found = []
        for line in self._without_formats(lines):
            found.append(line)
            if (match := re.match(r"a=rtpmap:(\d+) ", line)) and int(match[1]) in self.shown_as_known:
                found.append(f"a=fmtp:{match[1]} {_KNOWN}")
        return found

    def _without_formats(self, lines: Sequence[str]) -> list[str]:
        return [line for line in lines if self._number(line) not in self.shown_as_known]

    def restored(self, answer: str) -> str:
        """Return an answer of aiortc with the parameters that were really offered."""
        found = []
        for line in answer.splitlines(keepends=True):
            number = self._number(line)
            if number not in self.shown_as_known:
                found.append(line)
            elif self.shown_as_known[number]:
                found.append(f"a=fmtp:{number} {self.shown_as_known[number]}\r\n")
        return "".join(found)

    @staticmethod
    def _number(line: str) -> int:
        match = _FORMAT.match(line)
        return int(match[1]) if match else -1


def _parameters(codec: RTCRtpCodecParameters) -> dict[str, str]:
    # aiortc keeps blanks, which many senders put after the semicolons.
    given: Mapping[str, Any] = codec.parameters
    return {name.strip().lower(): str(value).strip() for name, value in given.items() if value is not None}


def _is_known(codec: RTCRtpCodecParameters) -> bool:
    """Return whether aiortc accepts this H.264 unchanged."""
    from aiortc.sdp import H264Profile, parse_h264_profile_level_id

    given = codec.parameters
    try:
        profile, _ = parse_h264_profile_level_id(str(given.get("profile-level-id", _DEFAULT_PROFILE)))
        mode = int(str(given.get("packetization-mode", "0")))
    except ValueError:
        return False
    return mode == 1 and profile in (H264Profile.PROFILE_BASELINE, H264Profile.PROFILE_CONSTRAINED_BASELINE)


def _is_decoded(codec: RTCRtpCodecParameters) -> bool:
    given = _parameters(codec)
    profile = given.get("profile-level-id", _DEFAULT_PROFILE)
    if re.fullmatch("[0-9a-fA-F]{6}", profile) is None or codec.payloadType not in _PAYLOAD_TYPES:
        return False
    kind, constraints, _ = bytes.fromhex(profile)
    is_decoded = kind in _PROFILES and (kind != _EXTENDED or bool(constraints & _ALSO_BASELINE_OR_MAIN))
    return is_decoded and given.get("packetization-mode", "0") in ("0", "1")  # 2 is interleaved


def _echoed(codec: RTCRtpCodecParameters) -> str:
    given = _parameters(codec)
    return ";".join(f"{name}={given[name]}" for name in _ECHOED if name in given)


def _described(codec: RTCRtpCodecParameters) -> str:
    given = _parameters(codec)
    shown = (
        [f"{name}={given[name]}" for name in _ECHOED[1:] if name in given] if codec.name.lower() == "h264" else []
    )
    return f"{codec.name} ({', '.join(shown)})" if shown else codec.name
