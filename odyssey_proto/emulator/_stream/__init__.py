"""The video of a stream: a camera that times the pictures, and a peer connection that sends them."""

__all__: list[str] = []
