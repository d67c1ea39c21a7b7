"""Pictures: frames, queues, files, images, measurements."""

__all__: list[str] = []
