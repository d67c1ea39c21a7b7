"""Keys, tokens, sessions and quotas."""

__all__: list[str] = []
