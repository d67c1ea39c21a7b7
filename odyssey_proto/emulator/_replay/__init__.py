"""Serving a live cassette again: what happened in its session, its pictures, and its REST calls."""

__all__: list[str] = []
