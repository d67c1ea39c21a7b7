"""Build hooks of the wheel and the sdist, beside `pyproject.toml`."""

__all__: list[str] = []
