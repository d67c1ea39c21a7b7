"""Pictures: frames, queues, files, images, measurements. Nothing here uses the network."""

__all__: list[str] = []
