"""What runs behind a live session or a broadcast that is watched."""

__all__: list[str] = []
