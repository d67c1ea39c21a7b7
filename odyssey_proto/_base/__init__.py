"""The base of everything: errors, secrets, time, threads. Nothing here knows the protocol."""

__all__: list[str] = []
