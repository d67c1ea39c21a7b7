"""Streams that others may watch, over WHEP and HLS."""

__all__: list[str] = []
