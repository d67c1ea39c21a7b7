"""The protocol without I/O: it decides, and has no thread, socket or clock."""

__all__: list[str] = []
