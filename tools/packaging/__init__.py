"""What building the wheel and the sdist needs beside `pyproject.toml`."""

__all__: list[str] = []
