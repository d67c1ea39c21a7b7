"""The checks of `odyssey-proto doctor`: the path from this machine to a video, step by step. They print
nothing."""

__all__: list[str] = []
