"""Faults on demand: the script that schedules them, and the code that carries them out."""

__all__: list[str] = []
