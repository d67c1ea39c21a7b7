"""The parts behind a live session or a spectator. All decisions are in `odyssey_proto.core`."""

__all__: list[str] = []
