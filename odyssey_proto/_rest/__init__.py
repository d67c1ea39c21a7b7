"""What the REST calls add up to: lists, jobs, downloads, credentials, telemetry."""

__all__: list[str] = []
