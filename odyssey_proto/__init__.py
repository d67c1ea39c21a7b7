"""A blocking, typed client for the Odyssey realtime world model."""

from ._version import __version__

__all__ = ["__version__"]
