"""The checks of `odyssey-proto doctor`: the path from this machine to a video. They print nothing."""

__all__: list[str] = []
