"""Users' worlds: a model, simulator, clip or pictures in place of the emulator's own worlds."""

__all__: list[str] = []
