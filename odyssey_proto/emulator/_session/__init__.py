"""A session's signaling, and the streamer that answers its requests."""

__all__: list[str] = []
