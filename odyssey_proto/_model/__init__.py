"""Data and words of the protocol and of users. No thread, no I/O."""

__all__: list[str] = []
