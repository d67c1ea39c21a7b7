"""The peer connection, on aiortc."""

__all__: list[str] = []
