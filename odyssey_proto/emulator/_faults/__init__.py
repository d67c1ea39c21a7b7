"""Failures on demand."""

__all__: list[str] = []
