"""Every socket: REST, signaling, WebRTC, HLS."""

__all__: list[str] = []
