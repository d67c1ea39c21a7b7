"""What a stream is made of on its way out: pictures in time, and a peer connection that sends them."""

__all__: list[str] = []
