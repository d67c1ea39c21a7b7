"""The peer connection, on aiortc. Signaling is elsewhere."""

__all__: list[str] = []
