"""Worlds of one's own: a user's model, simulator, clip or pictures in the place of the emulator's worlds."""

__all__: list[str] = []
