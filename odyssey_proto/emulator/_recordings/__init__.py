"""Data that outlives a session: storage, recordings, artifacts."""

__all__: list[str] = []
