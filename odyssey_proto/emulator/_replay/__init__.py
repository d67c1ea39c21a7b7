"""Replaying a live cassette: the events of its session, its pictures, and its REST calls."""

__all__: list[str] = []
