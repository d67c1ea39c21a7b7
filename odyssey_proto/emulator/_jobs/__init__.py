"""Simulation jobs."""

__all__: list[str] = []
