"""Broadcasts: streams that spectators watch over WHEP or HLS."""

__all__: list[str] = []
