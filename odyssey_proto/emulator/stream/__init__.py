"""Signaling, the streamer of a session, and its end of the peer connection."""

__all__: list[str] = []
