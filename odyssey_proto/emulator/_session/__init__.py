"""One session: its signaling, and the streamer that answers its requests."""

__all__: list[str] = []
