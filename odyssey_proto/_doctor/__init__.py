"""What `odyssey-proto doctor` checks: the way from this machine to a video, step by step. It prints nothing."""

__all__: list[str] = []
