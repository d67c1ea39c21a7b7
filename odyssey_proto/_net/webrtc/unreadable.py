"""Unreadable RTP packets: they are dropped, like all other garbage from a network.

aiortc drops packets that it cannot read, except if a header extension has a wrong length: then it ends the
connection. In each transport, one object reads the extensions; here it is made to refuse such a packet in the way
that aiortc expects. If aiortc's internals differ from those known here, they are left alone.
"""

from __future__ import annotations

import struct
from typing import Any, Final

__all__ = ["refuse_unreadable"]

_EXTENSIONS: Final = "_rtp_header_extensions_map"  # aiortc has no public name for it


def refuse_unreadable(receiver: Any) -> None:
    """Have the transport of ``receiver`` drop packets with extensions that cannot be read. May be called again."""
    extensions = getattr(getattr(receiver, "transport", None), _EXTENSIONS, None)
    if extensions is None or "get" in vars(extensions) or not callable(getattr(extensions, "get", None)):
        return
    read = extensions.get

    def get(profile: int, value: bytes) -> Any:
        try:
            return read(profile, value)
        except struct.error as exc:
            raise ValueError(f"a header extension of RTP has a wrong length: {exc}") from exc

    extensions.get = get
