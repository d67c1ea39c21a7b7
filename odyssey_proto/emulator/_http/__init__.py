"""The HTTP side of the emulator."""

__all__: list[str] = []
