"""Everything that touches a socket: HTTP, the signaling WebSocket, and the peer connection with its loop.

Each module turns its library's failures into `odyssey_proto.errors`; no foreign exception leaves this package.
"""

__all__: list[str] = []
