"""Everything that opens sockets: REST, signaling, WebRTC, HLS. It decides nothing about sessions."""

__all__: list[str] = []
