"""The REST face of the emulator."""

__all__: list[str] = []
