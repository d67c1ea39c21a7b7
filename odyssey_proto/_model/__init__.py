"""Data types of the protocol and of the public API, and the message codec. No threads, no I/O."""

__all__: list[str] = []
